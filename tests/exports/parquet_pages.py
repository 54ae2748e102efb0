"""The pages of a Parquet file, from their own headers (Apache Thrift, compact protocol): Arrow tells none of their sizes."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

DATA_PAGES = (0, 3)
"""PageType: DATA_PAGE, DATA_PAGE_V2; 2 is DICTIONARY_PAGE."""


class Page(NamedTuple):
    """One page, with sizes in bytes."""

    column: str
    kind: int
    plain: int
    compressed: int


def pages(path: Path) -> list[Page]:
    """All pages of all columns."""
    content = path.read_bytes()
    found = []
    metadata = pq.ParquetFile(path).metadata
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for place in range(group.num_columns):
            chunk = group.column(place)
            at = chunk.dictionary_page_offset or chunk.data_page_offset
            end = at + chunk.total_compressed_size
            while at < end:
                header, at = _struct(content, at)
                at += header[3]
                found.append(Page(chunk.path_in_schema, header[1], header[2], header[3]))
            assert at == end
    return found


def _struct(content: bytes, at: int) -> tuple[dict[int, Any], int]:
    fields: dict[int, Any] = {}
    field = 0
    while content[at]:
        delta, kind = content[at] >> 4, content[at] & 15
        at += 1
        if not delta:
            field, at = _zigzag(content, at)
        field += delta
        fields[field], at = _value(content, at, kind)
    return fields, at + 1


def _value(content: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (1, 2):
        return kind == 1, at
    if kind in (4, 5, 6):
        return _zigzag(content, at)
    if kind == 8:
        size, at = _varint(content, at)
        return content[at : at + size], at + size
    if kind == 12:
        return _struct(content, at)
    raise AssertionError(f"a page header has no field of Thrift's kind {kind}")


def _zigzag(content: bytes, at: int) -> tuple[int, int]:
    value, at = _varint(content, at)
    return (value >> 1) ^ -(value & 1), at


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (content[at] & 127) << shift
        shift += 7
        at += 1
        if content[at - 1] < 128:
            return value, at
