"""The audit log: an entry is on disk before its act, numbers go on over deaths, and a torn line never took effect."""

import contextlib
import json
import os
import resource

import pytest
from journal_world import NOON_US

from collector.audit.log import LOG_NAME, AuditLog


def entries(folder) -> list[dict]:
    """Every line of the log."""
    return [json.loads(line) for line in (folder / LOG_NAME).read_text().splitlines()]


def test_numbers_and_times_go_on_after_a_restart(tmp_path):
    """The log counts from 1 without a gap over any number of openings; the first entry's time is the installation's."""
    assert AuditLog(tmp_path).is_new
    for start in range(4):
        log = AuditLog(tmp_path)
        assert log.is_new == (start == 0)
        log.append("started", NOON_US + start, sensor="a")
        log.append("stopped", NOON_US + start)
    assert [entry["number"] for entry in entries(tmp_path)] == list(range(1, 9))
    assert AuditLog(tmp_path).installed_us == NOON_US
    assert entries(tmp_path)[0] == {
        "number": 1,
        "time": "2026-11-22T12:00:00.000000Z",
        "event": "started",
        "sensor": "a",
    }
    assert (tmp_path / LOG_NAME).stat().st_mode & 0o777 == 0o600


def test_a_log_cut_at_every_byte_keeps_the_whole_lines(tmp_path):
    """Whatever part of the last line a crash left: it is cut, what is before it stands, and its number is used again."""
    log = AuditLog(tmp_path)
    for number in range(3):
        log.append("started", NOON_US, text="x\n" * number)
    whole = (tmp_path / LOG_NAME).read_bytes()
    for cut in range(len(whole) + 1):
        (tmp_path / LOG_NAME).write_bytes(whole[:cut])
        kept = whole[:cut].rfind(b"\n") + 1
        again = AuditLog(tmp_path)
        assert (tmp_path / LOG_NAME).read_bytes() == whole[:kept]
        again.append("stopped", NOON_US)
        found = entries(tmp_path)
        assert [entry["number"] for entry in found] == list(range(1, len(found) + 1))
        assert found[-1]["event"] == "stopped"


def test_an_entry_is_written_and_synced_before_append_returns(tmp_path, monkeypatch):
    """L-21: the line is in the file when fdatasync is called, and fdatasync has returned when `append` does."""
    log = AuditLog(tmp_path)
    order = []
    real = os.fdatasync

    def watched(descriptor):
        order.append((tmp_path / LOG_NAME).read_bytes().count(b"\n"))
        real(descriptor)
        order.append("synced")

    monkeypatch.setattr(os, "fdatasync", watched)
    log.append("orders_loaded", NOON_US, rules="0" * 64)
    order.append("returned")
    assert order == [1, "synced", "returned"]


def test_an_entry_that_the_disk_refuses_is_not_there_and_says_so(tmp_path, monkeypatch):
    """A failed sync raises, leaves no entry behind and no number used: the act must not happen."""
    log = AuditLog(tmp_path)
    log.append("started", NOON_US)
    before = (tmp_path / LOG_NAME).read_bytes()

    def refused(_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refused)
        with pytest.raises(OSError, match="Input/output"):
            log.append("orders_loaded", NOON_US)
    assert (tmp_path / LOG_NAME).read_bytes() == before
    log.append("stopped", NOON_US)
    assert [(entry["number"], entry["event"]) for entry in entries(tmp_path)] == [
        (1, "started"),
        (2, "stopped"),
    ]


def test_a_short_write_of_an_entry_is_undone(tmp_path):
    """The file may not grow any more (EFBIG, for real): no half line stays, whatever part of it would fit."""
    log = AuditLog(tmp_path)
    log.append("started", NOON_US)
    before = (tmp_path / LOG_NAME).read_bytes()
    for room in (0, 1, 20, 60):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + room, hard))
        try:
            with pytest.raises(OSError, match=r"short write|too large"):
                log.append("orders_loaded", NOON_US, rules="0" * 64)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert (tmp_path / LOG_NAME).read_bytes() == before
    log.append("stopped", NOON_US)
    assert len(entries(tmp_path)) == 2


def test_facts_cannot_break_the_line(tmp_path):
    """Whatever a fact holds (newlines, quotes, any Unicode of the operator's files): one entry is one line of ASCII."""
    log = AuditLog(tmp_path)
    nasty = 'line\nbreak "quoted" \u2028 \u0000 \udc80 münchen'
    with contextlib.suppress(UnicodeEncodeError):
        log.append("started", NOON_US, configuration=nasty)
    raw = (tmp_path / LOG_NAME).read_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == 1
    assert entries(tmp_path)[0]["configuration"] == nasty
