"""Where a load may go: loopback addresses, and nowhere else."""

import ipaddress
from typing import NamedTuple

TRANSPORTS = ("tcp", "udp")


class Target(NamedTuple):
    """One listening address of the collector under load."""

    transport: str
    host: str
    port: int
    service: bool = False
    """True: a listed service, so that whatever arrives here is recorded."""


class TargetError(ValueError):
    """The target is not one that a load may be sent to."""


def parse_target(text: str) -> Target:
    """`127.0.0.1:8080`, `[::1]:8080`, `tcp://…` or `udp://…`; anything off loopback is refused."""
    transport, _, rest = text.rpartition("://")
    transport = transport or "tcp"
    host, _, port = rest.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if transport not in TRANSPORTS or not port.isdigit() or not 0 < int(port) < 65536:
        raise TargetError(f"{text}: expected [tcp://|udp://]ADDRESS:PORT")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise TargetError(f"{text}: expected an address literal, names are not resolved") from None
    if not address.is_loopback:
        raise TargetError(f"{text}: loads go to loopback addresses only")
    return Target(transport, str(address), int(port))


def source_address(number: int) -> str:
    """The loopback address of infected machine `number`: 127.64.0.1 upwards, never .0 or .255 at the end."""
    high, low = divmod(number, 254)
    third, second = high % 256, high // 256
    if second > 127:
        raise TargetError(f"source {number}: only {128 * 256 * 254} loopback sources are laid out")
    return f"127.{64 + second}.{third}.{low + 1}"
