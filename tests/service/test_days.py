"""UTC days and clocks that jump, with libfaketime under a real collector."""

import json
import shutil
import socket
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collectors import Collector, exchange, get, write_operation

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
pytestmark = pytest.mark.skipif(
    LIBRARY is None or shutil.which("faketime") is None, reason="needs libfaketime: apt-get install faketime"
)

TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def set_clock(folder: Path, ahead: timedelta) -> None:
    """How far the collector's wall clock is ahead of ours. The file lies where a caged worker may read: among its rules."""
    clock = folder / "data" / "rules" / "clock"
    clock.parent.mkdir(parents=True, exist_ok=True)
    fresh = clock.with_name("clock.new")
    fresh.write_text(f"{ahead.total_seconds():+f}\n")
    fresh.replace(clock)


def faked(folder: Path, ahead: timedelta) -> Collector:
    """A collector whose wall clock is `ahead` and can be stepped; its monotonic clock is left alone."""
    made = Collector(folder)
    set_clock(folder, ahead)
    made.environment = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(folder / "data" / "rules" / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    write_operation(folder / "operations", starts=TODAY - timedelta(days=10), ends=TODAY + timedelta(days=20))
    return made


def test_l32_midnight_parts_two_days_and_seals_the_first(tmp_path: Path) -> None:
    """Each row stands in the day of its arrival, a straggler's too; the day that is over gets its marker, the other none."""
    midnight = TODAY + timedelta(days=1)
    ahead = midnight - timedelta(seconds=12) - datetime.now(UTC)
    with faked(tmp_path, ahead) as made:
        made.settings |= {"intake.durability": "sync", "intake.head_deadline_seconds": 15}
        made.start()
        exchange(made.port, get())
        with socket.create_connection(("127.0.0.1", made.port)) as straggler:
            straggler.sendall(get()[:10])
            left = midnight - (datetime.now(UTC) + ahead)
            assert timedelta(0) < left < timedelta(seconds=12), "the machine is too slow for this test"
            time.sleep(left.total_seconds() + 0.5)
            exchange(made.port, get(b"evil-two.net"))
            straggler.sendall(get()[10:])
            assert b"malware" in straggler.recv(1000)
        first, second = (f"date={(midnight - timedelta(days=back)).date()}" for back in (1, 0))
        marker = made.data / "segments" / first / "sealed-test-1.json"
        until = time.monotonic() + 60
        while not marker.exists():
            assert time.monotonic() < until, made.log_file.read_text()
            time.sleep(0.2)
        told = json.loads(marker.read_text())
        assert (told["rows"], told["day"]) == (2, first.removeprefix("date="))
        made.stop()
        assert not (made.data / "segments" / second / "sealed-test-1.json").exists()
        days: dict[str, int] = {}
        for path in made.data.glob("segments/*/*.parquet"):
            start, last = map(int, path.stem.split("-")[-2:])
            days[path.parent.name] = days.get(path.parent.name, 0) + last - start + 1
        assert days == {first: 2, second: 1}
        for row in made.rows():
            assert row["timestamp"].date() in (midnight.date(), midnight.date() - timedelta(days=1))
            assert (row["domain"] == "evil-two.net") == (row["timestamp"] >= midnight)


@pytest.mark.parametrize("step", [timedelta(hours=1), timedelta(days=-1), timedelta(seconds=-1.5)])
def test_a_step_of_the_clock_pauses_recording_and_not_answering(tmp_path: Path, step: timedelta) -> None:
    """After a jump of more than a second: answered, suppressed_clock, /readyz says why."""
    with faked(tmp_path, timedelta(0)) as made:
        made.start()
        exchange(made.port, get())
        set_clock(tmp_path, step)
        time.sleep(0.1)
        assert b"malware" in exchange(made.port, get())
        assert made.settled_fates(2) == {"recorded": 1, "suppressed_clock": 1, "accepted": 2, "open": 0}
        assert "clock unsure" in made.ready()["not_recording_because"]
        made.stop()
        assert len(made.rows()) == 1


def test_a_small_drift_changes_nothing(tmp_path: Path) -> None:
    """Half a second is what NTP may do; recording goes on."""
    with faked(tmp_path, timedelta(0)) as made:
        made.start()
        exchange(made.port, get())
        set_clock(tmp_path, timedelta(seconds=0.5))
        exchange(made.port, get())
        assert made.settled_fates(2) == {"recorded": 2, "accepted": 2, "open": 0}


def test_an_order_ends_to_the_second_under_load(tmp_path: Path) -> None:
    """Check-ins across an order's end: all answered, each with a row exactly if it arrived before the end."""
    with faked(tmp_path, timedelta(0)) as made:
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=4)
        write_operation(tmp_path / "operations", starts=TODAY - timedelta(days=10), ends=ends)
        made.start()
        asked = 0
        while datetime.now(UTC) < ends + timedelta(seconds=0.7):
            assert b"malware" in exchange(made.port, get())
            asked += 1
        fates = made.settled_fates(asked)
        assert fates["accepted"] == asked == fates["recorded"] + fates["suppressed_window"]
        assert fates["suppressed_window"] > 0
        made.stop()
        rows = made.rows()
        assert len(rows) == fates["recorded"] > 0
        assert all(row["timestamp"] < ends for row in rows)
