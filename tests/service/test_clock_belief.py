"""L-06: a stepped clock pauses recording; it resumes after a minute without a step, or at once when an officer says so."""

import json
import shutil
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, exchange, get
from test_days import LIBRARY, faked, set_clock

pytestmark = pytest.mark.skipif(
    LIBRARY is None or shutil.which("faketime") is None, reason="needs libfaketime: apt-get install faketime"
)


def clock(made: Collector, *more: str) -> subprocess.CompletedProcess[str]:
    """`pentrap clock --believe`."""
    command = [PENTRAP, "clock", "--config", made.config, "--believe", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def test_l06_an_officer_ends_the_doubt_at_once(tmp_path: Path) -> None:
    """After a step of an hour nothing is recorded; `pentrap clock --believe` is entered and recording goes on within a second;
    another step pauses it again. Everybody is answered throughout.
    """
    with faked(tmp_path, timedelta(0)) as made:
        made.start()
        assert b"malware" in exchange(made.port, get())
        set_clock(tmp_path, timedelta(hours=-1))
        assert b"malware" in exchange(made.port, get())
        assert made.settled_fates(2)["suppressed_clock"] == 1
        assert made.ready()["not_recording_because"] == ["clock unsure"]
        done = clock(made, "--reason", "checked against two radio clocks", "--actor", "j.doe")
        assert (done.returncode, done.stderr) == (0, "")
        time.sleep(0.5)
        assert b"malware" in exchange(made.port, get())
        assert made.settled_fates(3)["recorded"] == 2
        set_clock(tmp_path, timedelta(hours=1))
        assert b"malware" in exchange(made.port, get())
        assert made.settled_fates(4)["suppressed_clock"] == 2
        people = json.loads((made.data / "access/people.json").read_text())
        entry = next(
            json.loads(line)
            for line in (made.data / "audit/log.jsonl").read_text().splitlines()
            if "clock_believed" in line
        )
        assert people[entry["actor"]]["name"] == "j.doe"
        assert "j.doe" not in (made.data / "audit/log.jsonl").read_text()
        assert made.stop() == 0


def test_l06_without_a_collector_there_is_nothing_to_believe(tmp_path: Path) -> None:
    """Exit 1 and nothing entered where no collector runs; a reason is required."""
    with faked(tmp_path, timedelta(0)) as made:
        made.start()
        made.stop()
        before = (made.data / "audit/log.jsonl").read_bytes()
        done = clock(made, "--reason", "x")
        assert done.returncode == 1
        assert "no collector is running" in done.stderr
        assert clock(made).returncode == 2
        assert (made.data / "audit/log.jsonl").read_bytes() == before
