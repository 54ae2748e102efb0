"""What a segment's footer tells without its rows being read: the orders it may hold, its first and last instant.

Statistics name the least and the greatest value of each row group. Where both are one order's id, that is the order of
all rows; where they differ, the column `order_id` alone is read, which is dictionary-coded and small.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.ground.errors import CorruptError
from collector.orders.instants import to_us


class Group(NamedTuple):
    """One row group. `order` is None where its rows belong to several."""

    number: int
    rows: int
    order: str | None
    first_us: int
    last_us: int


def groups_of(path: Path) -> list[Group]:
    """The row groups of a segment. Raises OSError, CorruptError."""
    try:
        with pq.ParquetFile(path) as file:
            footer = file.metadata
            places = {footer.schema.column(place).name: place for place in range(footer.num_columns)}
            return [
                _group(number, footer.row_group(number), places) for number in range(footer.num_row_groups)
            ]
    except (pa.ArrowInvalid, KeyError, AttributeError) as error:
        raise _unreadable(path, error) from None


def orders_in(path: Path) -> frozenset[str]:
    """The ids of the orders that a segment's rows belong to. Raises OSError, CorruptError."""
    groups = groups_of(path)
    known = {group.order for group in groups if group.order is not None}
    mixed = [group.number for group in groups if group.order is None]
    if mixed:
        try:
            with pq.ParquetFile(path) as file:
                known |= set(pc.unique(file.read_row_groups(mixed, ["order_id"])["order_id"]).to_pylist())
        except pa.ArrowInvalid as error:
            raise _unreadable(path, error) from None
    return frozenset(known)


def _group(number: int, group: Any, places: dict[str, int]) -> Group:
    order = group.column(places["order_id"]).statistics
    time = group.column(places["timestamp"]).statistics
    return Group(
        number,
        group.num_rows,
        order.min if order.min == order.max else None,
        _us(time.min),
        _us(time.max),
    )


def _us(moment: datetime) -> int:
    return to_us(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def _unreadable(path: Path, error: Exception) -> CorruptError:
    cause = f"is unreadable ({type(error).__name__})"
    return CorruptError("read segment", str(path), "the footer", cause, "Restore the segment from a copy")
