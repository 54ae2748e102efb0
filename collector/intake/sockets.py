"""Listening sockets. The supervisor binds them, one per worker and address with SO_REUSEPORT, and every worker
inherits its own:
so a worker's death does not close its accept queue, and its replacement serves what was waiting there.
"""

import _socket
import array
import contextlib
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, NamedTuple

from collector.ground.codes import Transport
from collector.ground.record import IPV4_PREFIX
from collector.intake.settings import ListenAddress

BACKLOG = 4096
"""Connections that may wait for accept; the kernel cuts it to net.core.somaxconn."""
DEFER_ACCEPT_SECONDS = 1
"""TCP_DEFER_ACCEPT: hand a connection over once it has sent something, or after about a second of silence (5 would
mean 7.2 s)."""

_SO_MEMINFO = 55
_SK_MEMINFO_DROPS = 8
_IPV6_RECVPKTINFO = 49
_IP_PKTINFO = 8


RawSocket = _socket.socket
"""The bare class under socket.socket: made from a descriptor in half the time."""


class Listener(NamedTuple):
    """A bound socket and what it says: `dst` is None where it listens on all addresses, and each connection must be asked.

    `accept` returns a bare descriptor and the peer, without the socket module's wrapper around them: worth 1.5 us.
    """

    sock: socket.socket
    transport: Transport
    family: int
    dst: bytes | None
    port: int
    accept: Callable[[], tuple[int, Any]]


def pack_address(text: str) -> bytes:
    """16 bytes of an address as the socket module prints it."""
    if ":" not in text:
        return IPV4_PREFIX + socket.inet_pton(socket.AF_INET, text)
    return socket.inet_pton(socket.AF_INET6, text.partition("%")[0])


def bind(address: ListenAddress, udp_buffer_kb: int) -> Listener:
    """Bind and listen. Raises OSError."""
    family = socket.AF_INET6 if address.host.version == 6 else socket.AF_INET
    tcp = address.transport is Transport.TCP
    sock = socket.socket(family, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if tcp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS)
        else:
            _size_receive_buffer(sock, udp_buffer_kb * 1024)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        sock.setblocking(False)
        sock.bind((str(address.host), address.port))
        if tcp:
            sock.listen(BACKLOG)
    except BaseException:
        sock.close()
        raise
    dst = None if ip_address(address.host).is_unspecified else pack_address(str(address.host))
    return Listener(sock, address.transport, int(family), dst, address.port, getattr(sock, "_accept"))  # noqa: B009 - mypy


def _size_receive_buffer(sock: socket.socket, size: int) -> None:
    """SO_RCVBUFFORCE goes past net.core.rmem_max where we may; otherwise the kernel cuts what we ask to that."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, 33, size)
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)


def datagrams_dropped(sock: socket.socket) -> int:
    """Datagrams that the kernel dropped on this socket since it was bound (SO_MEMINFO, SK_MEMINFO_DROPS).

    Counted by the socket itself, so it is seen even if nothing arrives afterwards, and outlives the worker. A listening TCP
    socket's own count is of no use: TCP_DEFER_ACCEPT counts every bare ACK that it waits beyond as a drop.
    """
    words = array.array("I", sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36))
    return words[_SK_MEMINFO_DROPS] if len(words) > _SK_MEMINFO_DROPS else 0


def connections_dropped() -> int:
    """Connections that full accept queues dropped in this network namespace since it began (TcpExt ListenDrops)."""
    with open("/proc/net/netstat", encoding="ascii") as file:
        lines = [line.split() for line in file if line.startswith("TcpExt:")]
    return int(dict(zip(*lines, strict=True)).get("ListenDrops", 0))


def destination_of(ancillary: list[tuple[int, int, bytes]]) -> bytes | None:
    """The local address that a datagram was sent to, from its IP_PKTINFO or IPV6_PKTINFO."""
    for level, kind, content in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            return IPV4_PREFIX + content[8:12]
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            return content[:16]
    return None
