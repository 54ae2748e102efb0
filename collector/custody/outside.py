"""Rows that were recorded after the end that their order turned out to have.

An officer's termination may come later than its instant: until the reload, rows were recorded that the order, as it now
stands, does not cover. They are part of what was collected, so they stay and are told: the return names how many there
are, and exports leave them out. Footers answer for most files; rows are read only where a row group straddles an edge or
belongs to several orders.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.custody.footer import Group, groups_of
from collector.custody.known_orders import KnownOrder
from collector.segments.catalogue import days, segments_of

_READ = ["timestamp", "order_id"]


@dataclass
class Outside:
    """What one order has in the segments: all its rows, and those outside [starts, ends) with their first and last instant.

    An order that neither a file nor the log knows has all its rows outside.
    """

    rows: int = 0
    outside: int = 0
    first_us: int | None = None
    last_us: int | None = None

    def take(self, rows: int, outside: int, first_us: int | None = None, last_us: int | None = None) -> None:
        """Add what was counted; the instants are those of the rows outside."""
        self.rows += rows
        self.outside += outside
        if first_us is not None and last_us is not None:
            self.first_us = first_us if self.first_us is None else min(self.first_us, first_us)
            self.last_us = last_us if self.last_us is None else max(self.last_us, last_us)


def standing(data_dir: Path) -> list[Path]:
    """Every segment that is neither aside nor deleted."""
    return [segment.path(data_dir) for day in days(data_dir) for segment in segments_of(data_dir, day)]


def rows_outside(paths: Iterable[Path], orders: Mapping[str, KnownOrder]) -> dict[str, Outside]:
    """By order id. Raises OSError, CorruptError."""
    found: dict[str, Outside] = {}
    for path in paths:
        unclear = []
        for group in groups_of(path):
            if group.order is None or _straddles(group, orders.get(group.order)):
                unclear.append(group.number)
                continue
            order = orders.get(group.order)
            inside = order is not None and order.starts_us <= group.first_us and group.last_us < order.ends_us
            counts = found.setdefault(group.order, Outside())
            if inside:
                counts.take(group.rows, 0)
            else:
                counts.take(group.rows, group.rows, group.first_us, group.last_us)
        if unclear:
            with pq.ParquetFile(path) as file:
                _count(file.read_row_groups(unclear, _READ), orders, found)
    return found


def _straddles(group: Group, order: KnownOrder | None) -> bool:
    """Whether some of a group's rows may be inside and some outside."""
    if order is None:
        return False
    within = order.starts_us <= group.first_us and group.last_us < order.ends_us
    return not within and group.last_us >= order.starts_us and group.first_us < order.ends_us


def _count(table: pa.Table, orders: Mapping[str, KnownOrder], found: dict[str, Outside]) -> None:
    times = table["timestamp"].cast(pa.int64()).to_numpy()
    codes = table["order_id"].combine_chunks().dictionary_encode()
    numbers = codes.indices.to_numpy()
    for number, order_id in enumerate(codes.dictionary.to_pylist()):
        own = times[numbers == number]
        order = orders.get(order_id)
        beyond = own if order is None else own[(own < order.starts_us) | (own >= order.ends_us)]
        counts = found.setdefault(order_id, Outside())
        if len(beyond):
            counts.take(len(own), len(beyond), int(beyond.min()), int(beyond.max()))
        else:
            counts.take(len(own), 0)
