"""The collected rows of a return: counted, copied as they are, or extracted where a segment holds other orders' rows too.

A segment whose rows all belong to the return goes into the bundle byte for byte, so that its SHA-256 is the one that the
day's marker names. From any other only the return's rows are written, in their order, to `…-extract.parquet`; nothing of
the clock or the machine goes in, so it is the same each time (with one release of Arrow).

In memory at once: a row group, and the distinct addresses of a day and of the whole return (4 bytes each for IPv4).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.segments.write import ZSTD_LEVEL

COUNTED = ("application", "transport", "source_trust", "family")
"""Columns whose values are counted."""
_COLUMNS = ("timestamp", "src_ip", "order_id", *COUNTED)
_MERGE_FROM = 1 << 18
"""Addresses that wait before they are joined with those known."""

Numbers = npt.NDArray[Any]
Windows = Mapping[str, tuple[int, int]]
"""By order's id: the first microsecond of its window, and the first after it."""


@dataclass
class SegmentCount:
    """What one segment holds."""

    rows: int = 0
    by_order: Counter[str] = field(default_factory=Counter)
    """Rows of the return only."""
    outside: int = 0
    """Rows of the return whose time is outside of their order's window as it is known now."""

    @property
    def ours(self) -> int:
        """Rows of the return."""
        return self.by_order.total()


class Distinct:
    """Counts distinct addresses exactly. IPv4 takes 4 bytes each, so that a million of them are nothing; IPv6 stays text."""

    def __init__(self) -> None:
        self._ipv4: list[Numbers] = []
        self._others: list[Any] = []
        self._waiting = 0
        self._merged = 0

    def add(self, texts: Any) -> None:
        """Take a column of addresses."""
        distinct = pc.unique(texts)
        long = pc.match_substring(distinct, ":")
        octets = pc.list_flatten(pc.split_pattern(distinct.filter(pc.invert(long)), "."))
        self._ipv4.append(_packed(octets.cast(pa.uint8()).to_numpy(zero_copy_only=False)))
        self._others.append(distinct.filter(long))
        self._count(len(distinct))

    def update(self, other: "Distinct") -> None:
        """Take all that another one has."""
        for ipv4, others in other.parts():
            self._ipv4.append(ipv4)
            self._others.append(others)
            self._count(len(ipv4) + len(others))

    def parts(self) -> Iterator[tuple[Numbers, Any]]:
        """Everything, each once."""
        self._merge()
        yield from zip(self._ipv4, self._others, strict=True)

    def count(self) -> int:
        """How many there are."""
        self._merge()
        return self._merged

    def _count(self, fresh: int) -> None:
        self._waiting += fresh
        if self._waiting > max(_MERGE_FROM, self._merged):
            self._merge()

    def _merge(self) -> None:
        if self._waiting:
            self._ipv4 = [_distinct(np.concatenate(self._ipv4))]
            self._others = [pa.chunked_array(self._others, pa.string()).unique()]
        self._merged = sum(map(len, (*self._ipv4, *self._others)))
        self._waiting = 0


def _distinct(numbers: Numbers) -> Numbers:
    """Each number once. (np.unique hashes, and takes ten times as long for millions.)"""
    numbers.sort()
    fresh = np.ones(len(numbers), dtype=np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=fresh[1:])
    return numbers[fresh]


def _packed(octets: Numbers) -> Numbers:
    """IPv4 addresses as one number each, from their octets in a row."""
    return np.ascontiguousarray(octets.reshape(-1, 4)).view(">u4").reshape(-1).astype(np.uint32)


class Tally:
    """What all segments of a return come to. Give it days in their order."""

    def __init__(self) -> None:
        self.by: dict[str, Counter[str]] = {name: Counter() for name in (*COUNTED, "order", "day")}
        self.hosts_by_day: dict[str, int] = {}
        self.outside: Counter[str] = Counter()
        self.first_us: int | None = None
        self.last_us: int | None = None
        self._day = ""
        self._today = Distinct()
        self._ever = Distinct()

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.by["day"].total()

    def hosts(self) -> int:
        """Distinct source addresses in all; closes the last day."""
        self._turn("")
        return self._ever.count()

    def take(self, day: str, table: Any) -> None:
        """Add rows of the return that belong to a day."""
        if day != self._day:
            self._turn(day)
        for name in COUNTED:
            for item in table.column(name).value_counts():
                self.by[name][item["values"].as_py()] += item["counts"].as_py()
        self.by["day"][day] += len(table)
        self._today.add(table.column("src_ip"))
        times = pc.min_max(table.column("timestamp").cast(pa.int64())).as_py()
        self.first_us = times["min"] if self.first_us is None else min(self.first_us, times["min"])
        self.last_us = times["max"] if self.last_us is None else max(self.last_us, times["max"])

    def _turn(self, day: str) -> None:
        if self._day:
            self.hosts_by_day[self._day] = self._today.count()
            self._ever.update(self._today)
        self._day, self._today = day, Distinct()


def count_segment(path: Path, day: str, windows: Windows, tally: Tally) -> SegmentCount:
    """Read a segment's counted columns and add the return's rows to the tally."""
    found = SegmentCount()
    for batch in _groups(path, _COLUMNS):
        found.rows += len(batch)
        table = _own(batch, windows)
        if not len(table):
            continue
        times = table.column("timestamp").cast(pa.int64())
        for item in table.column("order_id").value_counts():
            order, count = item["values"].as_py(), item["counts"].as_py()
            found.by_order[order] += count
            tally.by["order"][order] += count
            starts, ends = windows[order]
            within = pc.and_(pc.greater_equal(times, starts), pc.less(times, ends))
            outside = pc.and_(pc.equal(table.column("order_id"), order), pc.invert(within))
            count = pc.sum(outside).as_py() or 0
            found.outside += count
            tally.outside[order] += count
        tally.take(day, table)
    return found


def write_extract(source: Path, windows: Windows, target: IO[bytes]) -> int:
    """Write the return's rows of a segment as Parquet; how many."""
    file = pq.ParquetFile(source)
    marks = {
        key: value for key, value in (file.metadata.metadata or {}).items() if key.startswith(b"pentrap.")
    }
    rows = 0
    options: dict[str, Any] = {"compression": "zstd", "compression_level": ZSTD_LEVEL, "store_schema": False}
    with pq.ParquetWriter(target, file.schema_arrow.remove_metadata(), **options) as writer:
        for group in _groups(source, tuple(file.schema_arrow.names)):
            table = _own(group, windows)
            if len(table):
                writer.write_table(table)
                rows += len(table)
        writer.add_key_value_metadata(
            {key.decode(): value.decode() for key, value in sorted(marks.items())}
            | {"pentrap.extract_of": source.name, "pentrap.extract_orders": " ".join(sorted(windows))}
        )
    return rows


def _groups(path: Path, columns: tuple[str, ...]) -> Iterator[Any]:
    """A segment by row groups, in their order."""
    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(
                number, columns=list(columns), use_threads=False
            ).replace_schema_metadata(None)
    pa.default_memory_pool().release_unused()


def _own(table: Any, windows: Windows) -> Any:
    mask = pc.is_in(table.column("order_id"), value_set=pa.array(sorted(windows), pa.string()))
    return table if pc.all(mask).as_py() else table.filter(mask)
