"""`[intake]` of pentrap.toml."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Annotated, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from collector.ground.codes import Transport
from collector.orders.mistakes import Table


class ListenAddress(NamedTuple):
    """One `tcp://host:port` or `udp://host:port`; the host is an address, `0.0.0.0` and `[::]` meaning all of ours."""

    transport: Transport
    host: IPv4Address | IPv6Address
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if self.host.version == 6 else str(self.host)
        return f"{self.transport.name.lower()}://{host}:{self.port}"


def parse_listen(text: str) -> ListenAddress:
    """Read one listen entry. Raises ValueError with what is wrong."""
    parts = urlsplit(text)
    if parts.scheme not in ("tcp", "udp"):
        raise ValueError("it begins with neither tcp:// nor udp://")
    if parts.path or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("something follows the port")
    if not parts.hostname or parts.port is None or parts.port == 0:
        raise ValueError("it has no address or no port (1 to 65535)")
    host = IPv6Address(parts.hostname) if ":" in parts.hostname else IPv4Address(parts.hostname)
    return ListenAddress(Transport[parts.scheme.upper()], host, parts.port)


def _listen(value: object) -> object:
    return [str(parse_listen(text)) for text in value] if isinstance(value, list) else value


def _networks(value: list[str]) -> list[str]:
    for text in value:
        ip_network(text)
    return value


Networks = Annotated[list[str], AfterValidator(_networks)]


class IntakeSettings(Table):
    """How check-ins are taken in. Sizes and times carry their unit in the name."""

    listen: Annotated[list[str], BeforeValidator(_listen)] = Field(
        default=["tcp://127.0.0.1:8080"],
        min_length=1,
        description='addresses such as "tcp://192.0.2.1:80" or "udp://[::]:16464"',
    )
    workers: int = Field(
        default=0, ge=0, le=256, description="processes that take check-ins, 0 to 256; 0 is one per core"
    )
    durability: Literal["sync", "write"] = Field(default="sync", description='"sync" or "write"')
    commit_interval_ms: int = Field(
        default=10, ge=0, le=1000, description="milliseconds between group commits, 0 to 1000"
    )
    head_deadline_seconds: float | int = Field(
        default=5, ge=0.1, le=60, description="seconds from accept until a head must be complete, 0.1 to 60"
    )
    proxy_protocol_from: Networks = Field(default=[], description='networks such as "10.0.0.0/8"')
    ignore_from: Networks = Field(default=[], description='networks such as "192.0.2.7/32"')
    udp_receive_buffer_kb: int = Field(
        default=4096, ge=64, le=1 << 20, description="KiB of receive buffer for each UDP socket"
    )
    disk_reserve_mb: int = Field(
        default=2048, ge=0, description="MB of disk that exports leave to the journal"
    )
    require_clock_sync: bool = Field(default=False, description="true or false")
    connections_max: int = Field(
        default=0,
        ge=0,
        description="open connections in a worker; 0 takes what the descriptor limit allows, at most 50000",
    )
    unfinished_per_source_max: int = Field(
        default=4096,
        ge=1,
        description="unfinished connections of one source in a worker (a carrier's NAT holds thousands of homes)",
    )
    unfinished_bytes_max_mb: int = Field(default=64, ge=1, description="MB of unfinished heads in a worker")
    default_answer: dict[str, object] = Field(
        default={}, description="a table with status, header, notice_file"
    )
