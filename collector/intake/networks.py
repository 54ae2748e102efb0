"""Is this address in one of those networks? Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, networks likewise."""

from collections.abc import Callable
from ipaddress import ip_network

from collector.ground.record import IPV4_PREFIX


def membership(networks: list[str]) -> Callable[[bytes], bool] | None:
    """A test for membership, or None where the list is empty so that the hot path need not ask."""
    if not networks:
        return None
    pairs = []
    for text in networks:
        network = ip_network(text)
        prefix = IPV4_PREFIX if network.version == 4 else b""
        mask = int.from_bytes((b"\xff" * len(prefix)) + network.netmask.packed)
        pairs.append((mask, int.from_bytes(prefix + network.network_address.packed)))

    def contains(address: bytes) -> bool:
        number = int.from_bytes(address)
        return any(number & mask == wanted for mask, wanted in pairs)

    return contains
