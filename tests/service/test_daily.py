"""The daily export's child: whatever it says, and however it ends, the clerk takes it in and goes on."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from collector.ground.counters import Board
from collector.manage.deliveries import Deliveries
from collector.service import settings
from collector.service.daily import DailyExport

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)
PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn victims"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""


class World:
    """A clerk's export whose child says what a test wants, and then does what a test wants."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder, self._patch = folder, patch
        (folder / "pentrap.toml").write_text('data_dir = "data"\nsensor = "sinkhole-1"\n')
        (folder / "partners.toml").write_text(PARTNERS)
        self.withheld = Board(1).rows_withheld
        loaded = settings.load(folder / "pentrap.toml", {})
        self.export = DailyExport(loaded, Deliveries(self.withheld), structlog.get_logger())

    def child(self, said: bytes, then: str = "exit 0") -> None:
        """What stands in the place of `python -m collector.cli export`."""
        (self._folder / "said").write_bytes(said)
        script = self._folder / "child"
        script.write_text(f"#!/bin/sh\ncat {self._folder}/said\n{then}\n")
        script.chmod(0o700)
        self._patch.setattr(sys, "executable", str(script))

    def look_until_ended(self) -> None:
        def ended() -> bool:
            self.export.look(NOW)
            return not self.export.pid

        self.wait_for(ended)

    def wait_for(self, what: Callable[[], bool]) -> None:
        until = time.monotonic() + 20
        while not what():
            assert time.monotonic() < until, "waited too long for the child"
            time.sleep(0.02)


@pytest.fixture
def world(tmp_path, monkeypatch):
    made = World(tmp_path, monkeypatch)
    yield made
    made.export.stop()


def day_told(publications: int) -> bytes:
    """A day as `pentrap export --json` prints it."""
    files = [{"name": f"2026-11-23-p{part:03d}.csv", "bytes": 1, "rows": 1} for part in range(5)]
    made = [
        {"partner": "cert-a", "sequence": number, "kind": "day", "rows": 5, "files": files}
        for number in range(1, publications + 1)
    ]
    rows = {"withheld": {"filtered": 3}}
    return json.dumps({"day": "2026-11-23", "rows": rows, "publications": made}).encode() + b"\n"


def test_an_export_that_has_much_to_say_ends(world):
    """More than a pipe holds (64 KiB), as after a week's catch-up: all of it is told and counted, once."""
    said = day_told(400)
    assert len(said) > 1 << 17
    world.child(said)
    with structlog.testing.capture_logs() as told:
        world.export.look(NOW)
        world.look_until_ended()
    assert [one["sequence"] for one in told if one["event"] == "exported"] == list(range(1, 401))
    assert not [one for one in told if one["event"] == "export_failed"]
    assert dict(world.withheld.items()) == {("filtered",): 3}


def test_an_export_killed_in_the_middle_of_a_sentence_has_failed(world, tmp_path):
    """The days that it told whole count; the half one is a failure that is logged, and the next child is taken in as ever."""
    world.child(day_told(1) + day_told(9)[:100], f"touch {tmp_path}/told; exec sleep 60")
    with structlog.testing.capture_logs() as told:
        world.export.look(NOW)
        world.wait_for((tmp_path / "told").exists)
        os.kill(world.export.pid, signal.SIGKILL)
        world.look_until_ended()
    assert [one["event"] for one in told] == ["exported", "export_failed"]
    assert (told[1]["code"], told[1]["told_whole"]) == (-9, False)
    world.child(day_told(2))
    world.export._next = 0.0
    with structlog.testing.capture_logs() as told:
        world.export.look(NOW)
        world.look_until_ended()
    assert [one["event"] for one in told] == ["exported", "exported"]


@pytest.mark.parametrize("said", [b"\xff\n", b"[]\n", b"7\n", b'{"rows": null}\n', b"[" * 100_000 + b"\n"])
def test_whatever_the_child_says_the_clerk_goes_on(world, said):
    """No text, no day, no publications, a sentence without end: `export_failed` though its code is 0, and no exception."""
    world.child(said)
    with structlog.testing.capture_logs() as told:
        world.export.look(NOW)
        world.look_until_ended()
    assert [(one["event"], one["code"], one["told_whole"]) for one in told] == [("export_failed", 0, False)]
