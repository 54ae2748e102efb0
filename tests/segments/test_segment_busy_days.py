"""A day is not sealed while a journal may hold any of it, whatever becomes of the journal meanwhile."""

import errno
from datetime import date
from pathlib import Path
from typing import IO, Any

import pytest
from segment_world import DAY_US, NOON_US

from collector.ground import logs
from collector.ground.counters import Board
from collector.journal.format import BLOCK_SIZE
from collector.journal.names import JournalName, list_journals
from collector.journal.stream import Stream
from collector.segments.catalogue import is_sealed
from collector.service.sealer import Sealer

DAY = date(2026, 11, 22)
SENSOR = "sinkhole-1"


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    """A journal of DAY that a worker still writes."""
    folder = tmp_path / "journal"
    folder.mkdir()
    made = Stream(folder, f"{SENSOR}.0.0000000000000001", NOON_US // DAY_US, sync=False)
    made.append(bytearray(BLOCK_SIZE + 58), 1, 0, "0" * 64, 1)
    return made


def sealer(data: Path) -> Sealer:
    """A clerk's, installed at noon of DAY."""
    return Sealer(data, SENSOR, NOON_US, 10_000_000, Board(1), logs.get("clerk"))


def test_a_journal_that_is_renamed_meanwhile_keeps_its_day_open(
    tmp_path: Path, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given its sealed name between the listing and the opening, it is still one of its day: nothing is sealed."""
    listed = 0

    def list_and_seal(root: Path) -> list[tuple[Path, JournalName]]:
        nonlocal listed
        found = list_journals(root)
        listed += 1
        if listed == 2:  # the first is the conversion's
            stream.seal()
        return found

    monkeypatch.setattr("collector.service.sealer.list_journals", list_and_seal)
    sealer(tmp_path).work(NOON_US + DAY_US)
    assert listed == 2
    assert len(list_journals(tmp_path / "journal")) == 1
    assert not is_sealed(tmp_path, SENSOR, DAY)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
def test_a_journal_that_cannot_be_opened_may_hold_any_day(
    tmp_path: Path,
    stream: Stream,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    """Where the disk or the limit of descriptors refuses, no day is sealed and the log says so; once the journal is gone,
    the day is sealed.
    """
    clerk = sealer(tmp_path)
    opened = Path.open

    def refuse(path: Path, *given: Any, **more: Any) -> IO[Any]:
        if path.suffix == ".journal":
            raise OSError(number, "refused")
        return opened(path, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        clerk.work(NOON_US + DAY_US)
    assert not is_sealed(tmp_path, SENSOR, DAY)
    assert "day_not_sealed" in "".join(capsys.readouterr())
    clerk.work(NOON_US + DAY_US)
    assert not is_sealed(tmp_path, SENSOR, DAY)
    for path, _ in list_journals(tmp_path / "journal"):
        path.unlink()
    clerk.work(NOON_US + DAY_US)
    assert is_sealed(tmp_path, SENSOR, DAY)
