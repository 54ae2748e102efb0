"""What is done piece by piece, however large the day: finding distinct addresses, and sorting."""

from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from collector.exports import query, relations
from collector.exports.engine import Engine
from collector.segments.segment import Segment

DAY = date(2026, 11, 22)


@pytest.mark.parametrize("at_once", [1, 25, 40, 10_000])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_address_is_found_once_however_many_rows_are_looked_at_at_once(
    tmp_path, monkeypatch, at_once, count
):
    """Segments of ten rows that share half of their addresses with the next: alone, two, four or all in a piece."""
    monkeypatch.setattr(relations, "ROWS_AT_ONCE", at_once)
    segments = [Segment(DAY, "sinkhole-1.0.1795305600000000", 10 * n, 10 * n + 9) for n in range(count)]
    for number, segment in enumerate(segments):
        segment.path(tmp_path).parent.mkdir(parents=True, exist_ok=True)
        texts = [f"192.0.2.{5 * number + n}" for n in range(10)]
        pq.write_table(pa.table({"src_ip": texts}), segment.path(tmp_path))
    folder = tmp_path / "engine"
    folder.mkdir()
    with Engine(folder, 128, 1) as engine:
        found = [
            text
            for texts in relations.distinct_addresses(engine, tmp_path, segments)
            for text in texts.to_pylist()
        ]
    assert sorted(found) == sorted(f"192.0.2.{n}" for n in range(5 * count + 5 if count else 0))


@pytest.mark.parametrize("order", [query.IN_PLACE, query.IN_TIME])
@pytest.mark.parametrize(
    ("rows", "at_once"), [(0, 10), (1, 10), (5000, 1), (5000, 300), (5000, 5000), (5000, 10_000)]
)
def test_sorted_in_pieces_is_sorted(tmp_path, monkeypatch, order, rows, at_once):
    """Every row once, each after the one before, whether one grain is a piece, several are, or all."""
    monkeypatch.setattr(relations, "ROWS_AT_ONCE", at_once)
    made = (
        "SELECT hash(i) % 1000 AS place, make_timestamptz((hash(i + 7) % 90 * 60000000)::BIGINT) AS timestamp,"
        f" 's' AS stream, i AS record FROM range({rows}) r(i)"
    )
    with Engine(tmp_path, 128, 1) as engine:
        engine.stage("rows", [made])
        relations.stage_in_order(engine, "sorted", "rows", order)
        found = engine.rows(f"SELECT {order.by} FROM sorted")
        again = engine.rows(f"SELECT {order.by} FROM rows ORDER BY {order.by}")
        files = len(list(tmp_path.glob("sorted-*.parquet")))
    assert found == again
    assert len(found) == rows
    assert (files > 1) == (rows > at_once)
