"""The PROXY protocol header that a listed proxy puts before the client's bytes (HAProxy proxy-protocol.txt).

    v1   "PROXY" SP "TCP4"|"TCP6" SP source SP destination SP port SP port CRLF     at most V1_MAX bytes (2.1)
    v2   signature, 12 bytes | version and command | family and transport | length, 2 bytes              (2.2)
         | source | destination | port, 2 bytes | port, 2 bytes | TLVs up to the length

Who must speak it, and whose header is believed, is the intake's to know; here it is only read, and strictly:

    outcome   bytes, and why
    Proxied   v1 TCP4 or TCP6, v2 PROXY with INET or INET6 over STREAM: a TCP client, for whom the proxy
              vouches.
    Proxied   v1 with IPv6 in any spelling of RFC 4291 2.2: proxies differ in how they compress.
    Proxied   v2 with TLVs: stepped over by their length, they are no addresses.
    REJECTED  v1 UNKNOWN; v2 LOCAL, UNSPEC, UNIX, DGRAM: no client address, so nobody to warn.
    REJECTED  lower case, a second blank, a leading zero, a sign, a scope id, one family in the other's
              place: 2.1 asks for the canonical form, and anything looser is a place where two readers
              disagree.
    REJECTED  v1 without CRLF in V1_MAX bytes; v2 shorter than its addresses or longer than PROXY_MAX.
    None      anything that can still become a header.

REJECTED falls on the first byte after which no header is possible any more (v2's length: on its second byte).
The bytes of a header are never kept.
"""

import re
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple

from collector.ground.record import IPV4_PREFIX

V1_MAX = 107
"""Bytes of a version 1 header with its CRLF (proxy-protocol.txt 2.1, its worst case over TCP6)."""

PROXY_MAX = 2048
"""Bytes of a header. The specification promises a receiver at most 536 in one segment; four times that leaves
room for the TLVs of cloud load balancers, and none for a client certificate, which nobody here may read."""


class Proxied(NamedTuple):
    """The connection as the proxy saw it: addresses of 16 bytes; `length`: bytes of header to step over."""

    src: bytes
    src_port: int
    dst: bytes
    dst_port: int
    length: int


class Rejected(Enum):
    """The outcome for what is no header: one member, so that `is` narrows the type."""

    REJECTED = "rejected"


REJECTED: Final = Rejected.REJECTED

_V1 = re.compile(
    rb"PROXY (?:TCP4 ([0-9.]{7,15}) ([0-9.]{7,15})|TCP6 ([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45}))"
    rb" (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n"
)
_PORT_MAX = 65535

_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_HEADER = 16  # bytes before the addresses
_V2_PROXY = 0x21
_V2_ADDRESS_SIZES = {0x11: 4, 0x21: 16}  # family and STREAM in one byte: bytes of one address


def _tails() -> dict[int, frozenset[bytes]]:
    """By their spaces, the endings of the shortest headers: what can become a header, one of them ends."""
    headers = [b"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"]
    headers += [b"PROXY TCP6 %b %b 0 0\r\n" % (ip, ip) for ip in (b"::", b"::0", b"::0.0.0.0")]
    tails = {header[at:] for header in headers for at in range(len(header))}
    return {spaces: frozenset(t for t in tails if t.count(b" ") == spaces) for spaces in range(6)}


_TAILS = _tails()


def read_proxy(data: bytes) -> Proxied | Rejected | None:
    """Read the header that `data` begins with; None: it may still become one."""
    if data[:12] == _V2_SIGNATURE[: len(data)]:
        return _read_v2(data)
    end = data.find(b"\r\n", 0, V1_MAX)
    if end >= 0:
        return _parse_v1(data[: end + 2]) or REJECTED
    if len(data) < V1_MAX:
        for tail in _TAILS.get(5 - data.count(b" "), ()):
            if _parse_v1(data + tail):
                return None
    return REJECTED


def _parse_v1(line: bytes) -> Proxied | None:
    match = _V1.fullmatch(line)
    if match is None or len(line) > V1_MAX:
        return None
    src4, dst4, src6, dst6, src_port, dst_port = match.groups()
    ports = int(src_port), int(dst_port)
    if max(ports) > _PORT_MAX:
        return None
    try:
        if src4:
            src, dst = (IPV4_PREFIX + IPv4Address(text.decode()).packed for text in (src4, dst4))
        else:
            src, dst = (IPv6Address(text.decode()).packed for text in (src6, dst6))
    except ValueError:
        return None
    return Proxied(src, ports[0], dst, ports[1], len(line))


def _read_v2(data: bytes) -> Proxied | Rejected | None:
    command, family, length = data[12:13], data[13:14], data[14:16]
    if command and command[0] != _V2_PROXY:
        return REJECTED
    if family and family[0] not in _V2_ADDRESS_SIZES:
        return REJECTED
    if len(length) < 2:
        return None
    size = _V2_ADDRESS_SIZES[family[0]]
    whole = _V2_HEADER + int.from_bytes(length, "big")
    if not _V2_HEADER + 2 * size + 4 <= whole <= PROXY_MAX:
        return REJECTED
    if len(data) < whole:
        return None
    ports = _V2_HEADER + 2 * size
    src, dst = data[_V2_HEADER : _V2_HEADER + size], data[_V2_HEADER + size : ports]
    prefix = IPV4_PREFIX if size == 4 else b""
    return Proxied(
        prefix + src,
        int.from_bytes(data[ports : ports + 2], "big"),
        prefix + dst,
        int.from_bytes(data[ports + 2 : ports + 4], "big"),
        whole,
    )
