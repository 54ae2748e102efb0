"""The rows of a schedule that concern a day, written as a relation that statements can speak of.

    place          int64    its number: the index's row, beside FORMER of an earlier schedule of the day
    operation, domain, family, registry, action    string
    valid_from, valid_until    int64, microseconds; null: unbounded
    in_date        bool     the row's own dates have something of the day
    due            bool     in date and not blocked: it should be reached
    records        bool     its dates, widened by grace, have something of the day and it is not blocked: it may be recorded
    former         bool     of a schedule that was not in force any more at the day's end

Rows of other days are left out, unless somebody asked for their names all the same, or all rows are wanted. What an exception
takes off is not listed. All columns are numpy's and Arrow's, CHUNK_ROWS rows at a time; names are taken from the mapped index.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from collector.ground.codes import Action
from collector.orders.entries import Entry
from collector.orders.index import MARKER, WINDOW, Index
from collector.orders.instants import ALWAYS_US, NEVER_US
from collector.orders.rules import GONE, Rules

SCHEMA = pa.schema(
    [
        pa.field("place", pa.int64(), nullable=False),
        pa.field("operation", pa.string(), nullable=False),
        pa.field("domain", pa.string(), nullable=False),
        pa.field("family", pa.string(), nullable=False),
        pa.field("registry", pa.string(), nullable=False),
        pa.field("action", pa.string(), nullable=False),
        pa.field("valid_from", pa.int64()),
        pa.field("valid_until", pa.int64()),
        pa.field("in_us", pa.int64(), nullable=False),
        pa.field("out_us", pa.int64(), nullable=False),
        pa.field("in_date", pa.bool_(), nullable=False),
        pa.field("due", pa.bool_(), nullable=False),
        pa.field("records", pa.bool_(), nullable=False),
        pa.field("former", pa.bool_(), nullable=False),
    ]
)
FORMER = 1 << 32
"""Added to the places of each earlier schedule; an index has fewer rows."""
CHUNK_ROWS = 1 << 17
_WINDOWS = np.dtype([("in_us", "<i8"), ("out_us", "<i8"), ("operation", "<u2"), ("zero", "V6")])
_ACTIONS = [Action(number).name.lower() for number in range(len(Action))]

Numbers = npt.NDArray[Any]


def write_listing(
    rules: Rules,
    within: tuple[int, int],
    asked_for: Iterable[Entry],
    path: Path,
    *,
    everything: bool = False,
    former: int = 0,
    only: str = "",
) -> None:
    """Write the rows that concern a time, [first, beyond) in microseconds, or those of `only` one operation.

    `asked_for`: names of which rows are wanted whatever their dates; `former`: how many schedules of the day came after this.
    """
    index = rules.index
    terms = _Terms(rules, within, only)
    wanted = terms.listed if everything else terms.listed & (terms.in_date | terms.records)
    of_rows = np.asarray(index.terms_of_rows)
    chosen = wanted[of_rows]
    for row in _rows_of(index, asked_for):
        chosen[row] = terms.listed[of_rows[row]]
    places = np.flatnonzero(chosen)
    names = pa.StringArray.from_buffers(
        index.count, pa.py_buffer(index.name_offsets), pa.py_buffer(index.name_bytes)
    )
    with pq.ParquetWriter(path, SCHEMA, compression="lz4") as writer:
        for first in range(0, len(places), CHUNK_ROWS):
            rows = places[first : first + CHUNK_ROWS]
            writer.write_table(_table(rules, terms, rows, of_rows[rows], names.take(pa.array(rows)), former))
    pa.default_memory_pool().release_unused()


class _Terms:
    """What is the same for all rows of a term; arrays by its number."""

    def __init__(self, rules: Rules, within: tuple[int, int], only: str) -> None:
        index = rules.index
        begins_us, ends_us = within
        windows = np.frombuffer(index.term_windows, _WINDOWS)
        self.in_us, self.out_us = windows["in_us"], windows["out_us"]
        self.valid_from, self.valid_until = np.asarray(index.term_from), np.asarray(index.term_until)
        self.action = np.asarray(index.actions_of_terms)
        self.operation = np.asarray(index.operations_of_terms)
        self.family, self.registry = (
            np.asarray(index.families_of_terms),
            np.asarray(index.registries_of_terms),
        )
        known = [
            number
            for number, name in enumerate(index.operations)
            if rules.index_operations[number] != GONE and only in ("", name)
        ]
        self.listed = np.isin(self.operation, known)
        self.listed[MARKER] = False
        self.in_date = (self.valid_from < ends_us) & (self.valid_until > begins_us)
        self.due = self.in_date & (self.action != Action.BLOCK)
        self.records = (self.in_us < self.out_us) & (self.in_us < ends_us) & (self.out_us > begins_us)


def _rows_of(index: Index, asked_for: Iterable[Entry]) -> Iterator[int]:
    numbers = {name: number for number, name in enumerate(index.operations)}
    for entry in asked_for:
        for row in index.rows_of(entry.domain.encode("ascii")):
            term = index.terms_of_rows[row]
            if term != MARKER and index.operations_of_terms[term] == numbers.get(entry.operation):
                yield row


def _table(
    rules: Rules, terms: _Terms, rows: Numbers, of_rows: Numbers, names: pa.StringArray, former: int
) -> pa.Table:
    index = rules.index
    columns = [
        pa.array(rows.astype(np.int64) + former * FORMER),
        _words(index.operations, terms.operation[of_rows]),
        names,
        _words(index.families, terms.family[of_rows]),
        _words(index.registries, terms.registry[of_rows]),
        _words(_ACTIONS, terms.action[of_rows]),
        _dates(terms.valid_from[of_rows], ALWAYS_US),
        _dates(terms.valid_until[of_rows], NEVER_US),
        pa.array(terms.in_us[of_rows]),
        pa.array(terms.out_us[of_rows]),
        *(pa.array(flags[of_rows]) for flags in (terms.in_date, terms.due, terms.records)),
        pa.array(np.full(len(rows), bool(former))),
    ]
    table = pa.Table.from_arrays(columns, schema=SCHEMA)
    taken_off = _excepted(rules, table)
    return table if taken_off is None else table.filter(pc.invert(taken_off))


def _words(words: list[str], numbers: Numbers) -> pa.StringArray:
    return pa.array(words, pa.string()).take(pa.array(numbers))


def _dates(moments: Numbers, unbounded: int) -> pa.Array:
    return pa.array(moments, mask=moments == unbounded)


def _excepted(rules: Rules, table: pa.Table) -> pa.ChunkedArray | None:
    """Which rows stand at or below an exception of their operation; None: there are no exceptions."""
    found = None
    for number, operation in enumerate(rules.operations):
        for name in sorted(rules.plan(number).exceptions):
            text = name.decode("ascii")
            below = pc.or_(pc.equal(table["domain"], text), pc.ends_with(table["domain"], f".{text}"))
            off = pc.and_(pc.equal(table["operation"], operation), below)
            found = off if found is None else pc.or_(found, off)
    return found


assert _WINDOWS.itemsize == WINDOW.size
