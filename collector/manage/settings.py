"""`[manage]` of pentrap.toml."""

from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from collector.orders.mistakes import Table


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:9464` or `[::1]:9464`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError("no port")
    ip_address(host)
    return host, int(port)


def is_loopback(text: str) -> bool:
    """Whether only this machine can reach the address."""
    return ip_address(split_address(text)[0]).is_loopback


def _address(text: str) -> str:
    split_address(text)
    return text


Address = Annotated[str, AfterValidator(_address)]


class ManageSettings(Table):
    """Where metrics and health are served, and who may ask off loopback."""

    listen: Address = Field(
        default="127.0.0.1:9464", description='an address and port such as "127.0.0.1:9464"'
    )
    token_file: str = Field(
        default="", description="a file with the bearer token that callers off loopback must show"
    )
    open: bool = Field(default=False, description="true to serve off loopback without a token")
