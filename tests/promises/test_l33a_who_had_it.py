"""L-33a: who was given rows of an order can be told from the log alone, and nobody is given any but through an entry."""

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, exchange, get

from collector.audit.log import read_entries

SOURCE = "127.0.0.77"
"""The address of an infected machine that nothing else here has."""


def pentrap(made: Collector, *words: object, given: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run a command on the collector's data."""
    return subprocess.run(
        [PENTRAP, *map(str, words)],
        capture_output=True,
        check=False,
        input=given.encode(),
        env=dict(os.environ),
    )


@pytest.fixture
def filled(collector: Collector) -> Collector:
    """A collector with one row in Parquet, stopped."""
    exchange(collector.port, get(), source=SOURCE)
    assert collector.stop() == 0
    assert [row["src_ip"] for row in collector.rows()] == [SOURCE]
    return collector


def test_l33a_the_log_alone_tells_who_was_given_rows_when_and_why(filled: Collector, tmp_path: Path) -> None:
    """Two officers read, one return is made: each stands in the log with order, actor, reason, purpose and time, the return
    with the hash of what left the house; no other entry is about rows that were given away.
    """
    config = ("--config", filled.config)
    for actor, reason in (("anna", "which hosts"), ("bert", "a victim asks")):
        done = pentrap(
            filled,
            "open",
            *config,
            "--order",
            "op-1",
            "--reason",
            reason,
            "--actor",
            actor,
            "-c",
            "SELECT * FROM events",
        )
        assert SOURCE.encode() in done.stdout, done.stderr
    bundle = tmp_path / "return.tar"
    done = pentrap(
        filled, "order", "return", *config, "--order", "op-1", "--to", bundle, "--interim", "--actor", "carla"
    )
    assert done.returncode == 0, done.stderr
    entries = read_entries(filled.data / "audit")
    people = json.loads((filled.data / "access/people.json").read_text())
    given = [
        (people[e.facts["actor"]]["name"], e.facts["order"], e.facts["purpose"], e.facts["reason"])
        for e in entries
        if e.event == "access_opened"
    ]
    assert given[:2] == [("anna", "op-1", "open", "which hosts"), ("bert", "op-1", "open", "a victim asks")]
    assert given[2][:3] == ("carla", "op-1", "return")
    assert len(given) == 3
    [returned] = [e for e in entries if e.event == "returned"]
    assert returned.facts["orders"] == ["op-1"]
    assert returned.facts["with_rows"] is True
    assert len([e for e in entries if e.event == "access_closed" and e.facts["end"] == "closed"]) == 3


def test_l33a_every_way_to_rows_goes_through_an_entry(filled: Collector, tmp_path: Path) -> None:
    """Of all commands only `open` and `order return` ever give an address away, and both have entered it before; whatever
    the others print, no row is in it.
    """
    config = ("--config", filled.config)
    segment = next(filled.data.glob("segments/*/*.parquet"))
    silent = [
        ("check", *config), ("check", *config, "--json"), ("status", *config), ("order", "show", *config),
        ("order", "show", *config, "--json"), ("order", "figures", *config, "--year", "2026", "--json"),
        ("people", *config), ("hold", *config, "--json"), ("purge", *config, "--dry-run", "--json"),
        ("quarantine", *config, "--list", "--json"), ("verify", *config, "--json"), ("verify", filled.data, segment),
        ("quarantine", *config, segment, "--reason", "looks odd"),
        ("quarantine", *config, segment, "--release", "--reason", "is not"),
        ("hold", *config, "--order", "op-1", "--reason", "counsel asks"), ("purge", *config, "--order", "op-1"),
        ("clock", *config, "--believe", "--reason", "looked at it"),
        ("order", "delivered", *config, "--order", "op-1", "--sha256", "0" * 64, "--reason", "x"),
        ("open", *config, "--order", "nonesuch", "--reason", "x", "-c", "SELECT * FROM events"),
    ]  # fmt: skip
    for words in silent:
        done = pentrap(filled, *words)
        assert SOURCE.encode() not in done.stdout + done.stderr, words
        opened = [e for e in read_entries(filled.data / "audit") if e.event == "access_opened"]
        assert opened == [], words
    bundle = tmp_path / "return.tar"
    done = pentrap(filled, "order", "return", *config, "--order", "op-1", "--to", bundle, "--interim")
    assert done.returncode == 0, done.stderr
    [opened] = [e for e in read_entries(filled.data / "audit") if e.event == "access_opened"]
    with tarfile.open(bundle) as tar:
        names = [name for name in tar.getnames() if name.endswith(".parquet")]
    assert names
    assert opened.time_us <= int(bundle.stat().st_mtime * 1e6)


def test_l33a_rows_are_not_given_where_the_entry_cannot_be_written(filled: Collector, tmp_path: Path) -> None:
    """With a log that is not what its checkpoint was signed over, `open` and `order return` refuse, and show no row."""
    path = filled.data / "audit/log.jsonl"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"event":"installed"', b'"event":"instaLLed"', 1))
    config = ("--config", filled.config)
    for words in (
        ("open", *config, "--order", "op-1", "--reason", "x", "-c", "SELECT * FROM events"),
        ("order", "return", *config, "--order", "op-1", "--to", tmp_path / "return.tar", "--interim"),
    ):
        done = pentrap(filled, *words)
        assert done.returncode == 1
        assert SOURCE.encode() not in done.stdout
    assert not (tmp_path / "return.tar").exists()
