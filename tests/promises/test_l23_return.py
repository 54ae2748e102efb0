"""L-23: one command makes the bundle, which a stranger checks with plain Python; the whole story of a real collector."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, exchange, get, write_operation

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
NOW = datetime.now(UTC).replace(microsecond=0)


def pentrap(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as an officer would."""
    command = [str(PENTRAP), *words[:2], "--config", str(config), *words[2:]]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def unpack(bundle: Path, folder: Path) -> Path:
    """The folder that a bundle unpacks to."""
    with tarfile.open(bundle) as tar:
        tar.extractall(folder)
    return next(folder.glob("return-*"))


def holds(folder: Path) -> bool:
    """Whether the bundle's own verifier, in an empty environment without any package, says so."""
    command = [sys.executable, "-I", "-S", "verify.py"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={}, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 0 and done.stdout.endswith("HOLDS: complete, closed and unchanged.\n")


@pytest.mark.skipif(LIBRARY is None or shutil.which("faketime") is None, reason="needs libfaketime")
def test_l23_record_end_return_verify_deliver(tmp_path):
    """A collector records under an order three days ago and is killed; the order ends; the next start seals its days;
    the return holds at a stranger's, has each row, and is delivered.
    """
    ahead = timedelta(days=-3)
    clock = tmp_path / "data" / "rules" / "clock"
    clock.parent.mkdir(parents=True)
    clock.write_text(f"{ahead.total_seconds():+f}\n")
    starts = NOW + ahead - timedelta(hours=30)
    write_operation(tmp_path / "operations", starts=starts, ends=starts + timedelta(hours=54))
    made = Collector(tmp_path)
    made.environment = {
        "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip
    with made:
        made.settings = {"segments.seal_seconds": 3600}
        made.start()
        for _ in range(5):
            exchange(made.port, get(path=b"/canary-of-content?id=1"))
        exchange(made.port, get(b"evil-two.net"))
        exchange(made.port, get(b"unlisted.example"))
        made.settled_fates(7)
        refused = pentrap(
            made.config, "order", "return", "--order", "op-1", "--to", str(tmp_path / "early.tar")
        )
        assert refused.returncode == 1
        made.kill()
    waiting = pentrap(made.config, "order", "return", "--order", "op-1", "--to", str(tmp_path / "early.tar"))
    assert (waiting.returncode, "holds 6 rows that are in no segment yet" in waiting.stderr) == (1, True), (
        waiting.stderr
    )
    made.environment, made.settings = {}, {}
    with made:
        made.start()  # three days later: the order is over, and its days are sealed
        exchange(made.port, get())
        until = time.monotonic() + 30
        days = {(starts + timedelta(hours=step)).date() for step in (30, 53)}
        markers = [made.data / f"segments/date={day}/sealed-test-1.json" for day in days]
        while not all(marker.exists() for marker in markers):
            assert time.monotonic() < until, made.log_file.read_text()
            time.sleep(0.1)
        made.stop()
    bundle = tmp_path / "return.tar"
    done = pentrap(
        made.config, "order", "return", "--order", "op-1", "--to", str(bundle), "--reason", "the order ended"
    )
    assert done.returncode == 0, done.stderr
    folder = unpack(bundle, tmp_path / "court")
    assert holds(folder)
    record = json.loads((folder / "record.json").read_text())
    assert record["iv_collected"]["rows"] == len(made.rows()) == 6
    assert record["iv_collected"]["by_family"] == [
        {"family": "andromeda", "rows": 5},
        {"family": "urlzone", "rows": 1},
    ]
    assert [run["end"] for run in record["ii_times"]["runs"]] == ["cut off"]
    assert record["not_recorded"]["runs_without_counts"] == 1
    assert record["i_officers"]["named_in_orders"] == {"op-1": ["Officer A"]}
    assert not any(b"canary" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
    words = (
        "order",
        "delivered",
        "--order",
        "op-1",
        "--bundle",
        str(bundle),
        "--reason",
        "handed to the clerk",
    )
    assert pentrap(made.config, *words).returncode == 0
    (folder / "collected.json").write_bytes((folder / "collected.json").read_bytes() + b" ")
    assert not holds(folder)


def test_l23_what_travels_in_the_bundle_is_the_verifier_of_the_source(tmp_path):
    """verify.py is collector/court/verifier.py byte for byte, and runs where nothing of ours is installed."""
    sys.path.append(str(Path(__file__).parent.parent / "court"))
    from return_world import make_world

    make_world(tmp_path / "w", rows=3).make(tmp_path / "r.tar")
    folder = unpack(tmp_path / "r.tar", tmp_path / "court")
    source = Path(__file__).parents[2] / "collector" / "court" / "verifier.py"
    assert (folder / "verify.py").read_bytes() == source.read_bytes()
    assert holds(folder)
    assert not [name for name in os.listdir(folder) if "pycache" in name]
