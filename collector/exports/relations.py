"""The relations that an export's statements speak of, named over the files of a day.

events       the day's segments
addresses    its distinct source addresses, enriched (`addresses`)
withdrawn    stream and record of the rows that were found wrong (`withdrawn`)

And what is done with them in pieces, so that memory is that of a piece, whatever the day's size: `distinct_addresses`,
`stage_in_order`, `stage_hosts`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from collector.exports import query
from collector.exports.addresses import write_addresses
from collector.exports.engine import Engine
from collector.exports.enrich import Enrichment
from collector.exports.source import DaySource
from collector.exports.withdrawn import KEYS, list_path
from collector.segments.segment import Segment
from collector.segments.table import EVENTS

ROWS_AT_ONCE = 1 << 24
"""Of which distinct addresses are sought, or which are sorted, at once. In 512 MB DuckDB 2.0 can do either with 20 million
rows, and neither with 144 million, whatever it may spill."""
HOST_ROWS_AT_ONCE = 1 << 19
"""Of which hosts are counted at once: as many as the processor's caches bear with. 2.0 us a row, against 4.2 at four times as
many and 5.5 at sixteen times (loadtest/export.py's day of 144 million)."""


def name_relations(
    engine: Engine,
    data_dir: Path,
    source: DaySource,
    networks: Sequence[tuple[str, ...]],
    enrichment: Enrichment,
) -> None:
    """Name them. `within_<n>` of an address belongs to `networks[n]`. Raises EngineError."""
    engine.view("events", [segment.path(data_dir) for segment in source.segments], EVENTS)
    path = engine.folder / "addresses.parquet"
    write_addresses(distinct_addresses(engine, data_dir, source.segments), networks, enrichment, path)
    engine.view("addresses", [path], EVENTS)
    lists = {one.sha256: list_path(data_dir, source.day, one.sha256) for one in source.withdrawn}
    engine.view("withdrawn", list(lists.values()), KEYS)


def distinct_addresses(engine: Engine, data_dir: Path, segments: Sequence[Segment]) -> Iterator[pa.Array]:
    """Every source address of some segments, once: of so many at once, then of what these had. Raises EngineError."""
    if not segments:
        return
    pieces: list[list[Path]] = []
    left = 0
    for segment in segments:
        if segment.rows > left:
            pieces.append([])
            left = ROWS_AT_ONCE
        pieces[-1].append(segment.path(data_dir))
        left -= segment.rows
    for number, paths in enumerate(pieces):
        engine.name(f"piece_{number}", paths)
    engine.stage("seen", [query.distinct_addresses(f"piece_{number}") for number in range(len(pieces))])
    for batch in engine.stream(query.distinct_addresses("seen"), in_order=False):
        yield batch.column(0)
    engine.drop("seen")


def stage_in_order(engine: Engine, name: str, relation: str, order: query.Order = query.IN_PLACE) -> None:
    """Stage a relation's rows sorted, by pieces of so many at once; each reads the relation anew. Raises EngineError."""
    pieces = _pieces(engine, relation, order, ROWS_AT_ONCE)
    statements = [query.in_order(relation, order, piece) for piece in pieces]
    engine.stage(name, statements or [query.in_order(relation, order)])


def stage_hosts(engine: Engine, name: str, ordered: str, flags: int) -> None:
    """Stage the hosts of rows that are sorted by place, by runs of addresses. Raises EngineError."""
    pieces = _pieces(engine, ordered, query.IN_PLACE, HOST_ROWS_AT_ONCE)
    engine.stage(name, [query.hosts(ordered, piece, flags) for piece in pieces or [(0, 0)]])


def _pieces(engine: Engine, relation: str, order: query.Order, rows: int) -> list[tuple[int, int]]:
    """First and last number of the order's grain of runs of at most so many rows, or of one grain that has more."""
    pieces: list[tuple[int, int]] = []
    left = 0
    for grain, count in engine.rows(query.grains(relation, order)):
        if count > left:
            pieces.append((grain, grain))
            left = rows
        pieces[-1] = (pieces[-1][0], grain)
        left -= count
    return pieces
