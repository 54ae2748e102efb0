"""Addresses as text, many at a time: no Python runs per address.

One address after the other, `ipaddress` takes 1 to 3 µs, which alone is more than a row may cost. Here
every address is laid out in a matrix of characters, one row each and wide enough for the longest text,
beside a matrix that says which characters stay; numpy then squeezes the matrix into one run of bytes, and
the running count of what stays gives the offsets of an Arrow string array.

    IPv4 (15 columns)     d d d . d d d . d d d . d d d             leading zeros go
    IPv6 (41 columns)     : h h h h : h h h h … : h h h h :         leading zeros go (RFC 5952 4.1)

A colon stands before each group, and one after the last. Which of them stay depends only on which groups
are zero: 256 patterns, worked out once. `first` and `end` delimit the longest run of at least two zero
groups, the first of equals (RFC 5952 4.2.2, 4.2.3); the groups inside go. The colon before a group that
stays stays, unless it opens the text; that before `first` stays, even if it opens the text; and where the
run reaches the end, so does the last colon. That makes "::" stand in its place, at either edge too.

An address of ::ffff:0:0/96 is an IPv4 address held in 16 bytes (RFC 4291 2.5.5.2) and always has IPv4's
text. No other address has a dotted form, not even those of ::/96.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

ADDRESS_BYTES = 16
GROUPS = 8
_GROUP_WIDTH = 5
_IPV6_WIDTH = GROUPS * _GROUP_WIDTH + 1
_IPV4_WIDTH = 4 * 4 - 1
_COMPRESSED_GROUPS_MIN = 2
"""A lone zero group is not shortened (RFC 5952 4.2.2)."""
_MAPPED = 0xFFFF0000
"""Bytes 8..11 of an IPv4 address held in 16, read as a little-endian number."""
_BATCH = 1 << 16
"""Addresses in the matrices at once: bounds them to 6 MB, whatever the run's length."""


def address_texts(addresses: Bytes) -> pa.StringArray:
    """Texts of `addresses` (n x 16 bytes, network order), in their order."""
    words = addresses.view("<u4")
    ipv4 = (words[:, 0] == 0) & (words[:, 1] == 0) & (words[:, 2] == _MAPPED)
    if ipv4.all():
        return ipv4_texts(addresses[:, 12:])
    if not ipv4.any():
        return ipv6_texts(addresses)
    ipv6 = ~ipv4
    both = pa.concat_arrays([ipv4_texts(addresses[ipv4, 12:]), ipv6_texts(addresses[ipv6])])
    places = np.empty(len(addresses), dtype=np.int64)
    places[ipv4] = np.arange(np.count_nonzero(ipv4))
    places[ipv6] = np.arange(np.count_nonzero(ipv4), len(addresses))
    return both.take(pa.array(places))


def ipv4_texts(octets: Bytes) -> pa.StringArray:
    """Dotted texts of n x 4 octets."""
    return _in_batches(octets, _ipv4_batch)


def ipv6_texts(addresses: Bytes) -> pa.StringArray:
    """RFC 5952 texts of n x 16 bytes."""
    return _in_batches(addresses, _ipv6_batch)


def _in_batches(rows: Bytes, texts: Any) -> pa.StringArray:
    if len(rows) <= _BATCH:
        return texts(rows)
    return pa.concat_arrays([texts(rows[start : start + _BATCH]) for start in range(0, len(rows), _BATCH)])


def _ipv4_batch(octets: Bytes) -> pa.StringArray:
    digits, stays = _octet_table()
    width = _IPV4_WIDTH + 1  # the table ends each octet with a dot; the last one goes
    shown = digits[octets].view(np.uint8).reshape(-1, width)
    kept = stays[octets].view(np.bool_).reshape(-1, width)
    kept[:, -1] = False
    return _squeeze(shown, kept)


def _ipv6_batch(addresses: Bytes) -> pa.StringArray:
    groups = np.ascontiguousarray(addresses).view(">u2").astype(np.uint16)
    patterns = np.packbits(groups == 0, axis=1).reshape(-1)
    digits, stays = _group_table()
    colons, inside = _pattern_table()
    shown = np.full((len(groups), _IPV6_WIDTH), ord(":"), dtype=np.uint8)
    kept = np.empty((len(groups), _IPV6_WIDTH), dtype=np.bool_)
    kept[:, ::_GROUP_WIDTH] = colons[patterns]
    kept_digits = stays[groups]
    kept_digits[inside[patterns]] = 0
    slots = (len(groups), GROUPS, _GROUP_WIDTH)
    shown[:, :-1].reshape(slots)[:, :, 1:] = digits[groups].view(np.uint8).reshape(-1, GROUPS, 4)
    kept[:, :-1].reshape(slots)[:, :, 1:] = kept_digits.view(np.bool_).reshape(-1, GROUPS, 4)
    return _squeeze(shown, kept)


def _squeeze(shown: Bytes, kept: Flags) -> pa.StringArray:
    """Row by row, the characters that stay, as an Arrow string array."""
    offsets = np.zeros(len(shown) + 1, dtype=np.int32)
    np.cumsum(np.count_nonzero(kept, axis=1), out=offsets[1:])
    return pa.StringArray.from_buffers(len(shown), pa.py_buffer(offsets), pa.py_buffer(shown[kept]))


@cache
def _octet_table() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """For each octet its three digits and a dot, and which of them stay; four bytes each, as one number."""
    texts = [f"{octet:3d}." for octet in range(256)]
    return _packed(texts), _packed("".join("\0" if c == " " else "\1" for c in text) for text in texts)


@cache
def _group_table() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """For each group its four hexadecimal digits, and which of them stay (a group of 0 keeps one)."""
    digits = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    numbers = np.arange(1 << 16)
    shown = np.stack([digits[(numbers >> shift) & 15] for shift in (12, 8, 4, 0)], axis=1)
    stays = np.stack([numbers >= 1 << shift for shift in (12, 8, 4)] + [numbers >= 0], axis=1)
    return shown.view(np.uint32).reshape(-1), np.ascontiguousarray(stays).view(np.uint32).reshape(-1)


@cache
def _pattern_table() -> tuple[Flags, Flags]:
    """For each pattern of zero groups (bit 7: the first group): which colons stay and which groups go."""
    colons = np.zeros((256, GROUPS + 1), dtype=np.bool_)
    inside = np.zeros((256, GROUPS), dtype=np.bool_)
    for pattern in range(256):
        first, end = _longest_run([bool(pattern >> (7 - group) & 1) for group in range(GROUPS)])
        inside[pattern, first:end] = True
        colons[pattern, 1:GROUPS] = ~inside[pattern, 1:]
        if end:
            colons[pattern, first] = True
            colons[pattern, end] = True
    return colons, inside


def _longest_run(zeros: list[bool]) -> tuple[int, int]:
    """First group and end of the run that "::" replaces; (0, 0) where there is none."""
    best = (0, 0)
    for first in range(GROUPS):
        end = first
        while end < GROUPS and zeros[end]:
            end += 1
        if end - first >= max(_COMPRESSED_GROUPS_MIN, best[1] - best[0] + 1):
            best = (first, end)
    return best


def _packed(texts: Any) -> npt.NDArray[np.uint32]:
    return np.frombuffer("".join(texts).encode("ascii"), dtype=np.uint32)
