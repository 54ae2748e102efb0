"""A clerk that is replaced begins its work whatever it finds: else it would be replaced for ever, and nothing sealed."""

import contextlib
import errno
import json
import socket
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from collectors import Collector, exchange, get

from collector.audit.log import AuditLog
from collector.exports.manifest import CheckIns
from collector.ground import logs
from collector.ground.counters import CELL, Board
from collector.service.clerk import Clerk
from collector.service.day_counts import DayCounts
from collector.service.settings import load

DAY_US = 86_400_000_000
START_US = 1_795_305_600_000_000


def _day(later: int) -> date:
    return date(2026, 11, 22) + timedelta(days=later)


def until(holds: Callable[[], object], seconds: float = 15.0) -> bool:
    """Whether it came to hold in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            if holds():
                return True
        time.sleep(0.05)
    return False


def test_an_address_that_is_taken_meanwhile_does_not_hinder_sealing(collector: Collector) -> None:
    """While somebody else has the management address, journals become segments; once he is gone, the clerk answers there."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        collector.kill_child("clerk")

        def taken() -> bool:
            other.bind(("127.0.0.1", collector.manage_port))
            return True

        assert until(taken)
        other.listen()
        exchange(collector.port, get())
        assert until(collector.rows), collector.log_file.read_text()
        assert "manage_not_listening" in collector.log_file.read_text()
    assert until(lambda: collector.ready()["ready"])
    assert collector.log_file.read_text().count('"process_died"') == 1
    assert collector.stop() == 0


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"null", b"{}", b'{"days": 1}'])
def test_counts_that_cannot_be_read_are_unknown(tmp_path: Path, content: bytes) -> None:
    """Today and yesterday state no equation and no clock, earlier days neither; tomorrow does, and the kernel's drops of this
    run are told.
    """
    path = tmp_path / "day-counts.json"
    path.write_bytes(content)
    board = Board(1)
    board.workers[0].counts[CELL["accepted_tcp"]] = 5
    board.workers[0].counts[CELL["fate_recorded"]] = 5
    board.workers[0].counts[CELL["kernel_dropped_udp"]] = 3
    board.workers[0].publish()
    counts = DayCounts(path, board, START_US)
    assert counts.unreadable
    counts.note(START_US)
    counts.note(START_US + DAY_US)
    for back in (0, 1, 2):
        said = counts.of(_day(-back))
        assert (said["checkins"], said["clock"]) == (None, None)
    assert counts.of(_day(0))["kernel_dropped"]["udp"] == 3
    assert counts.of(_day(1))["checkins"] is not None
    CheckIns(**counts.of(_day(1))["checkins"])
    again = DayCounts(path, board, START_US + DAY_US)
    assert not again.unreadable
    assert again.of(_day(0))["checkins"] is None


@pytest.mark.parametrize("mutilate", ["days", "last", "saved_us"])
def test_counts_of_another_form_are_unknown(tmp_path: Path, mutilate: str) -> None:
    """A file that is JSON and lacks a part is not believed, not even in its rest."""
    path, board = tmp_path / "day-counts.json", Board(1)
    DayCounts(path, board, START_US).note(START_US)
    content = json.loads(path.read_text())
    assert DayCounts(path, board, START_US).unreadable == ""
    content[mutilate] = {"2026-11-22": {}}
    path.write_text(json.dumps(content))
    counts = DayCounts(path, board, START_US)
    assert counts.unreadable
    counts.note(START_US)
    assert counts.of(_day(0))["checkins"] is None


def test_a_clerk_begins_beside_rotten_counts(collector: Collector) -> None:
    """An empty file of counts is logged once; the clerk that finds it goes on sealing."""
    assert until((collector.data / "day-counts.json").exists)
    time.sleep(0.1)
    (collector.data / "day-counts.json").write_bytes(b"")
    collector.kill_child("clerk")
    assert until(lambda: "day_counts_unreadable" in collector.log_file.read_text())
    assert until(lambda: collector.ready()["ready"])
    exchange(collector.port, get())
    assert until(collector.rows)
    assert collector.log_file.read_text().count("day_counts_unreadable") == 1
    assert collector.stop() == 0


def test_a_clerk_begins_while_the_disk_refuses_to_sign(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows the log's entries all the same, seals, and does not say that it has signed."""
    exchange(collector.port, get())
    assert collector.stop() == 0

    def refuse(_: AuditLog) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(AuditLog, "sign", refuse)
    clerk = Clerk(load(collector.config), Board(1), START_US, logs.get("clerk"))
    assert clerk.work() == 0
    assert clerk.snapshot({}).audit_checkpoint_seconds == 0
    monkeypatch.undo()
    clerk.work()
    assert clerk.snapshot({}).audit_checkpoint_seconds > START_US / 1e6
