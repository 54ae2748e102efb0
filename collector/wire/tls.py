"""A TLS client's first flight, read through its ClientHello for the server name (RFC 8446 4.1.2, RFC 6066 3).

    record        type 16 | version 03 xx | length, 2 bytes | fragment         (RFC 8446 5.1, any number)
    message       type 01 | length, 3 bytes | body                             (RFC 8446 4)
    body          version 2 | random 32 | session id <1> | suites <2> | compression <1> | extensions <2>
    extension     type, 2 bytes | length, 2 bytes | data                       (RFC 8446 4.2)
    server_name   list length, 2 bytes | { type 00 | length, 2 bytes | name } … (type 0; RFC 6066 3)

The message is put together from the fragments; record boundaries mean nothing to it. Its length is
announced, so nothing after it is touched, and no key exists that could read what follows. All other
extensions (GREASE of RFC 8701, the encrypted inner hello of ECH) are stepped over by their length.

Reading stops at the first length that does not fit into what encloses it. The names up to there count,
because each stood in a well-formed place; nothing after it is trusted.
"""

import struct

from collector.wire.name import canonical
from collector.wire.verdict import NONE, TLS, TOO_LONG, Verdict, judge

HANDSHAKE = b"\x16\x03"
"""How a TLS record with a handshake message begins; the minor version is to be ignored (RFC 8446 5.1)."""

FRAGMENT_MAX = 1 << 14
"""Bytes in one plaintext record (RFC 8446 5.1)."""

_RECORD_HEADER = 5  # bytes
_MESSAGE_HEADER = 4  # bytes
_CLIENT_HELLO = 1
_HOST_NAME = 0
_SERVER_NAME = 0
_two_numbers = struct.Struct("!HH").unpack_from


class Hello:
    """One ClientHello, read as it arrives. Each call gets all bytes so far."""

    __slots__ = ("_at", "_left", "_limit", "_message", "_whole")

    def __init__(self, limit: int) -> None:
        """Begin before the first byte; a hello that ends after `limit` bytes of stream is too long."""
        self._limit = limit
        self._at = 0  # bytes of the stream used up
        self._left = 0  # bytes of the current record's fragment not used up
        self._message = bytearray()
        self._whole = 0  # length of the message with its header; 0: not known yet

    def read(self, data: bytearray) -> Verdict | None:
        """Return the verdict on the hello so far, or None while it may still change."""
        while True:
            if not self._left:
                header = data[self._at : self._at + _RECORD_HEADER]
                if len(header) < _RECORD_HEADER:
                    return None
                self._left = header[3] << 8 | header[4]
                if header[:2] != HANDSHAKE or not 0 < self._left <= FRAGMENT_MAX:
                    return self._verdict(NONE)
                self._at += _RECORD_HEADER
            wanted = (self._whole or _MESSAGE_HEADER) - len(self._message)
            taken = data[self._at : self._at + min(self._left, wanted)]
            if not taken:
                return None
            self._message += taken
            self._at += len(taken)
            self._left -= len(taken)
            if self._message[0] != _CLIENT_HELLO:
                return Verdict(TLS, None, NONE)
            if len(self._message) == _MESSAGE_HEADER:
                self._whole = _MESSAGE_HEADER + int.from_bytes(self._message[1:], "big")
                if _RECORD_HEADER + self._whole > self._limit:
                    return Verdict(TLS, None, TOO_LONG)
            if len(self._message) == self._whole:
                return self._verdict(NONE)

    def close(self, data: bytearray, flaw: int) -> Verdict:  # noqa: ARG002 - the same shape as http.Head
        """Return the verdict when no more will be read, `flaw` saying why: UNFINISHED or TOO_LONG."""
        return Verdict(TLS, None, flaw) if flaw == TOO_LONG else self._verdict(flaw)

    def _verdict(self, absent: int) -> Verdict:
        return judge(TLS, map(canonical, server_names(bytes(self._message), self._whole)), absent)


def server_names(hello: bytes, whole: int) -> list[bytes]:
    """Return the raw host names in a ClientHello of `whole` bytes, of which `hello` is what has arrived."""
    names: list[bytes] = []
    size = len(hello)
    at = _MESSAGE_HEADER + 2 + 32  # version and random
    if size <= at:
        return names
    at += 1 + hello[at]  # session id
    if size < at + 2:
        return names
    at += 2 + (hello[at] << 8 | hello[at + 1])  # cipher suites
    if size <= at:
        return names
    at += 1 + hello[at]  # compression methods
    if size < at + 2:
        return names
    end = at + 2 + (hello[at] << 8 | hello[at + 1])  # extensions
    if end > whole:
        return names
    at += 2
    arrived = min(end, size)
    while at + 4 <= arrived:
        extension, length = _two_numbers(hello, at)
        after = at + 4 + length
        if after > arrived:
            break
        if extension == _SERVER_NAME:
            entries = _entries(hello[at + 4 : after])
            if entries is None:
                break
            names += entries
        at = after
    return names


def _entries(data: bytes) -> list[bytes] | None:
    """Return the host names of one server_name extension; None: its lengths do not fit."""
    size = len(data)
    if size < 2 or 2 + (data[0] << 8 | data[1]) != size:
        return None
    names = []
    at = 2
    while at < size:
        first = at + 3  # RFC 6066 3: every type of name has a 16-bit length
        if first > size:
            return None
        after = first + (data[at + 1] << 8 | data[at + 2])
        if after > size:
            return None
        if data[at] == _HOST_NAME:
            names.append(data[first:after])
        at = after
    return names
