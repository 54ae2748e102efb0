"""L-20a, coverage: numbers leave, but rows are read for them, so each order's reading stands in the log before the first."""

import json
import subprocess
from pathlib import Path

import pytest
from collectors import PENTRAP, SCHEDULE_HEADER, Collector, exchange, get, write_operation


@pytest.fixture
def collector(tmp_path: Path):
    """Two operations, each with a row of its own; stopped, so that everything is in Parquet."""
    one = SCHEDULE_HEADER + "one.com,a,redirect,r,,\nblocked.com,a,block,r,,\n"
    write_operation(tmp_path / "operations", schedule=one)
    write_operation(
        tmp_path / "operations", name="two", schedule=SCHEDULE_HEADER + "two.com,b,redirect,r,,\n"
    )
    with Collector(tmp_path) as made:
        made.start()
        for host in (b"one.com", b"two.com", b"blocked.com"):
            exchange(made.port, get(host))
        assert made.stop() == 0
        yield made


def coverage(collector: Collector, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(PENTRAP), "coverage", "--config", str(collector.config), "--json", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def entries(collector: Collector, event: str) -> list[dict]:
    lines = (collector.data / "audit/log.jsonl").read_text().splitlines()
    return [entry for entry in map(json.loads, lines) if entry["event"] == event]


def test_l20a_coverage_is_an_access_to_each_order_whose_rows_are_counted(collector):
    """One opening and one end an order, with purpose, reason and who; of one operation, to that one's order only."""
    assert coverage(collector).returncode == 0
    opened = entries(collector, "access_opened")
    assert [(entry["operation"], entry["order"], entry["purpose"], entry["reason"]) for entry in opened] == [
        ("op", "op-1", "coverage", "coverage"),
        ("two", "two-1", "coverage", "coverage"),
    ]
    assert all(entry["actor"].startswith("p-") for entry in opened)
    done = coverage(collector, "--operation", "two", "--reason", "registry r asks", "--domains")
    assert [row["domain"] for row in json.loads(done.stdout)["domains"]] == ["two.com"]
    [last] = entries(collector, "access_opened")[2:]
    assert (last["order"], last["reason"]) == ("two-1", "registry r asks")
    closed = entries(collector, "access_closed")
    assert sorted(entry["session"] for entry in closed) == sorted(
        entry["session"] for entry in entries(collector, "access_opened")
    )
    assert all(entry["end"] == "closed" and entry["duration_us"] > 0 for entry in closed)


def test_l20a_without_an_entry_coverage_counts_nothing(collector):
    """Where the log cannot be written, not a number comes out."""
    path = collector.data / "audit/log.jsonl"
    path.rename(path.with_name("kept"))
    path.mkdir()
    done = coverage(collector)
    assert done.returncode != 0
    assert done.stdout == ""


def test_l20a_what_leaves_holds_no_address(collector):
    """Neither form has a source or destination address, a port or a time of an unexpected check-in."""
    said = coverage(collector, "--domains").stdout
    assert "127.0.0.1" not in said
    [row] = [row for row in json.loads(said)["domains"] if row["domain"] == "blocked.com"]
    assert (row["state"], row["check_ins"]) == ("unexpected", 1)
    assert (row["hosts"], row["first_seen"], row["last_seen"]) == (None, None, None)
