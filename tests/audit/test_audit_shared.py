"""What several processes share: locks are waited for, a growing log is read on from where it was left."""

import os
import subprocess
import sys
import time

from audit_world import fill, key_of

from collector.audit import access, texts
from collector.audit.events import check_facts
from collector.audit.ledger import Ledger
from collector.audit.log import LOG_NAME, AuditLog, LogReader, read_entries
from collector.audit.people import People

HOLDER = """
import fcntl, os, sys, time
lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(lock, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(0.6)
"""


def held(path) -> subprocess.Popen:
    """Another process that holds this lock for 0.6 seconds, from now."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_an_append_waits_for_whoever_appends(tmp_path):
    """The log's lock is taken: while another process holds it nothing is appended."""
    log = AuditLog(tmp_path / "audit", key_of())
    holder = held(tmp_path / "audit" / "lock")
    began = time.monotonic()
    log.append("uninstalled", 1, actor="p-1", reason="x")
    assert time.monotonic() - began > 0.4
    holder.wait()


def test_the_register_waits_for_whoever_writes_it(tmp_path):
    """Two commands at once give one person one id."""
    people = People(tmp_path)
    first = people.actor("somebody")
    holder = held(tmp_path / "access" / "lock")
    began = time.monotonic()
    assert people.actor("somebody") == first
    assert time.monotonic() - began > 0.4
    holder.wait()


def test_a_reader_goes_on_where_it_was(tmp_path):
    """Each entry is given once, in order, and a line only when it is whole."""
    log = AuditLog(tmp_path / "audit", key_of())
    reader = LogReader(tmp_path / "audit")
    assert reader.new() == []
    fill(log, 3)
    assert [entry.number for entry in reader.new()] == [1, 2, 3]
    assert reader.new() == []
    fill(log, 2)
    path = tmp_path / "audit" / LOG_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    assert [entry.number for entry in reader.new()] == [4]
    path.write_bytes(whole)
    assert [entry.number for entry in reader.new()] == [5]
    assert reader.new() == []


def test_durations_are_microseconds_and_an_unknown_end_says_so(tmp_path, monkeypatch):
    """What a closed reading says of its length; what one says that nobody closed."""
    log = AuditLog(tmp_path / "audit", key_of())
    ticks = iter([10**9, 10**9 + 1_500_000])
    monkeypatch.setattr(access.time, "monotonic_ns", lambda: next(ticks))
    facts = {"operation": "o", "order": "o-1", "actor": "p-1", "reason": "r", "purpose": "open"}
    with access.access(tmp_path, log, **facts):
        pass
    log.append("access_opened", 1, session="s-gone", **facts)
    assert access.close_orphans(tmp_path, log) == 1
    closed = [e.facts for e in read_entries(tmp_path / "audit") if e.event == "access_closed"]
    assert [(one["end"], one["duration_us"]) for one in closed] == [("closed", 1500), ("unknown", None)]
    assert not list((tmp_path / "access" / "sessions").iterdir())


def test_a_removed_order_is_remembered_with_its_instant(tmp_path):
    """Retention needs to know of an order that has left its file."""
    log = AuditLog(tmp_path / "audit", key_of())
    order = {"operation": "o", "order": "o-1"}
    log.append("order_loaded", 1, **order, kind="pen-trap", starts="a", ends="b", fields=[])
    log.append("order_removed", 7_000_000, **order)
    ledger = Ledger.of(read_entries(tmp_path / "audit"))
    assert ledger.former_orders["o-1"]["removed_us"] == 7_000_000
    check_facts("operation_removed", {"operation"})


def test_texts_are_listed_by_their_hashes(tmp_path):
    """Short and long, compressed or not."""
    short, long = texts.keep(tmp_path, b"short"), texts.keep(tmp_path, b"long" * 40_000)
    assert texts.kept(tmp_path) == sorted([short, long])
    assert os.path.exists(tmp_path / "texts" / f"{long}.gz")
