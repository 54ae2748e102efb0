"""What is done piece by piece, however large the day: finding distinct addresses, sorting, counting hosts."""

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


@pytest.mark.parametrize(("rows", "at_once"), [(0, 10), (3000, 1), (3000, 200), (3000, 3000)])
def test_hosts_counted_in_pieces_are_the_same(tmp_path, monkeypatch, rows, at_once):
    """Each host once, in the order of places, with counts that a plain GROUP BY gives, however many pieces there are."""
    monkeypatch.setattr(relations, "HOST_ROWS_AT_ONCE", at_once)
    made = (
        "SELECT hash(i) % 500 AS place, (hash(i) % 500)::TEXT AS src_ip, 'f' || hash(i + 3) % 3 AS family, 'tcp' AS transport,"
        " 80 AS dst_port, 'http' AS application, 'o' AS order_id, make_timestamptz(1000000 * i) AS timestamp, 's' AS stream,"
        " i AS record, (hash(i + 5) % 9)::INTEGER AS src_port, 'd' AS domain, '192.0.2.1' AS dst_ip, 'handshake' AS"
        " source_trust, 'i' AS infection, 1 AS src_asn, 'DE' AS src_geo, NULL AS mark, true AS within_0"
        f" FROM range({rows}) r(i) ORDER BY place, timestamp"
    )
    keys = "place, src_ip, family"
    with Engine(tmp_path, 128, 1) as engine:
        engine.stage("ordered", [made])
        relations.stage_hosts(engine, "hosts", "ordered", 1)
        found = engine.rows(f"SELECT {keys}, check_ins, src_ports, last_seen, src_port FROM hosts")
        again = engine.rows(
            f"SELECT {keys}, count(*), count(DISTINCT src_port), max(timestamp), arg_max(src_port, record) FROM ordered"
            f" GROUP BY {keys} ORDER BY {keys}"
        )
        files = len(list(tmp_path.glob("hosts-*.parquet")))
    assert found == again
    assert sum(row[3] for row in found) == rows
    assert (files > 1) == (rows > at_once)
