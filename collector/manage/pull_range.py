"""Which bytes a request asks for (RFC 9110, sections 13 and 14), as a verdict; pure.

One range is given. Several, a malformed one, or another unit than bytes is ignored, which the RFC allows (14.2): the whole file
comes with 200. A range that begins beyond the file is 416. Range counts with GET only; with If-Range, only where the tag is
exactly ours (13.1.5: strong comparison; a date never is, for we send none).

Tags are compared as they stand between commas: ours are hexadecimal digits, so a comma within somebody's tag splits
what could not have matched.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII | re.IGNORECASE)


class Wanted(NamedTuple):
    """What is to be sent: `size` bytes from `offset`, with this status (200, 206, 304, 412 or 416)."""

    status: int
    offset: int
    size: int


def wanted(
    size: int, tag: str, ranges: Sequence[str], if_range: str, if_match: str | None, if_none_match: str | None
) -> Wanted:
    """For a file of `size` bytes with the entity tag `tag`, quotes included. The order is that of RFC 9110, 13.2.2.

    `ranges` are the Range fields of a GET, none for HEAD; `if_range` is empty where there is none.
    """
    if if_match is not None and not _names(if_match, tag, weak=False):
        return Wanted(412, 0, 0)
    if if_none_match is not None and _names(if_none_match, tag, weak=True):
        return Wanted(304, 0, 0)
    whole = Wanted(200, 0, size)
    if len(ranges) != 1 or (if_range and if_range.strip() != tag):
        return whole
    match = _RANGE.fullmatch(ranges[0].strip())
    if match is None or match[1] == match[2] == "":
        return whole
    if match[1] == "":
        length = min(int(match[2]), size)
        return Wanted(206, size - length, length) if length else Wanted(416, 0, 0)
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return whole  # 14.1.1: invalid, and so not a range at all
    if first >= size:
        return Wanted(416, 0, 0)
    return Wanted(206, first, min(last, size - 1) - first + 1)


def _names(field: str, tag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags, or `*`, names ours; `weak` takes W/ tags for what they stand for (8.8.3.2)."""
    listed = (one.strip() for one in field.split(","))
    return any(one in ("*", tag) or (weak and one == "W/" + tag) for one in listed)
