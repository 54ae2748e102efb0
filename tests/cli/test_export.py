"""`pentrap export`, and the clerk that runs it daily: as an operator uses them, with a real collector's day."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, exchange, get, write_operation

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))

from publication_world import SENSOR, Exports

from collector.cli import main
from collector.segments.catalogue import marker_path, seal_day

LIBRARY = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
needs_faketime = pytest.mark.skipif(LIBRARY is None, reason="needs Debian's faketime")
NOW = datetime.now(UTC).replace(microsecond=0)
TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
ANNEX = """
[[order.annex]]
partner = "cert-a"
tlp = "AMBER"
[[order.annex]]
partner = "cert-b"
families = ["citadel"]
tlp = "GREEN"
"""
PARTNERS = "".join(
    f"""[[partner]]
name = "{name}"
contact = "desk"
purpose = "warn victims"
datasets = ["events", "hosts"]
formats = ["parquet"]
retention_days = 30
"""
    for name in ("cert-a", "cert-b")
)


def made(folder: Path, **settings) -> Collector:
    collector = Collector(folder)
    write_operation(
        folder / "operations",
        starts=NOW - timedelta(days=10),
        ends=NOW + timedelta(days=20),
        extra=ANNEX,
    )
    (folder / "partners.toml").write_text(PARTNERS)
    collector.settings = {"export.at": "00:00", "intake.disk_reserve_mb": 10, **settings}
    return collector


def export(collector: Collector, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(PENTRAP), "export", "--config", str(collector.config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def manifests(collector: Collector, partner: str) -> list[dict]:
    root = collector.data / "exports" / partner
    return [json.loads((path / "manifest.json").read_text()) for path in sorted(root.glob("0*"))]


def wait_for(condition, what: str, collector: Collector, wait: float = 40) -> None:
    until = time.monotonic() + wait
    while not condition():
        assert time.monotonic() < until, (what, collector.log_file.read_text())
        time.sleep(0.2)


@needs_faketime
def test_l32_yesterday_is_published_by_the_running_collector(tmp_path: Path) -> None:
    """Check-ins of yesterday, a restart today: the day is sealed and published unasked; metrics and entries tell it."""
    with made(tmp_path) as collector:
        collector.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME": "-1d",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        collector.start()
        for _ in range(3):
            exchange(collector.port, get())
        exchange(collector.port, get(b"evil-two.net"))
        assert collector.stop() == 0
        collector.environment = {}
        collector.start()
        wait_for(lambda: manifests(collector, "cert-b"), "no publication", collector)
        success = "pentrap_export_last_success_timestamp_seconds{partner=%s}"
        wait_for(
            lambda: all(collector.metrics()[success % name] for name in ("cert-a", "cert-b")),
            "no metric",
            collector,
        )
        (one,), (other,) = manifests(collector, "cert-a"), manifests(collector, "cert-b")
        metrics = collector.metrics()
        status = export(collector, "--due", "--json")
        assert collector.stop() == 0
    assert (one["date"], one["complete"], one["kind"]) == (YESTERDAY.isoformat(), True, "day")
    assert one["rows"]["recorded"] == 4
    assert one["checkins"]["fates"]["recorded"] == 4
    assert one["checkins"]["accepted"] == 4
    rows = {file["dataset"]: file["rows"] for file in one["files"]}
    assert rows == {"events": 4, "hosts": 2}
    assert sum(file["rows"] for file in other["files"] if file["dataset"] == "events") < 4
    assert metrics["pentrap_export_rows_total{partner=cert-a}"] == 6
    assert metrics[success % "cert-a"] > time.time() - 100
    assert metrics["pentrap_export_rows_withheld_total{reason=filtered}"] == 0
    assert status.returncode == 0
    assert [day["publications"] for day in map(json.loads, status.stdout.splitlines())] == [[]]
    log = (collector.data / "audit" / "log.jsonl").read_text()
    assert log.count('"exported"') == 2


def test_today_is_not_over_but_a_demonstration_may(tmp_path: Path) -> None:
    """Refused with the remedy; with [export] unfinished_days it goes out as incomplete; what comes later is a supplement."""
    with made(tmp_path, **{"export.unfinished_days": False}) as collector:
        collector.start()
        exchange(collector.port, get())
        refused = export(collector, "--date", TODAY.isoformat())
        assert collector.stop() == 0
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "the day is not over" in refused.stderr
        assert "remedy" in refused.stderr

        collector.settings["export.unfinished_days"] = True
        collector.write_config()
        done = export(collector, "--date", TODAY.isoformat())
        assert done.returncode == 0, done.stderr
        assert "incomplete, not sealed by test-1" in done.stdout
        assert "recorded 1 = delivered 1 + withheld" in done.stdout
        again = export(collector, "--date", TODAY.isoformat())
        assert "nothing is owed" in again.stdout
        (one,) = manifests(collector, "cert-a")
        assert (one["complete"], one["missing_sensors"], one["checkins"]) == (False, ["test-1"], None)

        collector.start()
        exchange(collector.port, get())
        assert collector.stop() == 0
        late = json.loads(
            export(collector, "--date", TODAY.isoformat(), "--json", "--partner", "cert-a").stdout
        )
        (made_late,) = late["publications"]
        assert (made_late["kind"], made_late["supplement"]) == ("supplement", 1)
        assert len(manifests(collector, "cert-b")) == 1


def test_what_cannot_be_exported_is_told_and_nothing_is_published(tmp_path: Path) -> None:
    """No log; no such partner; a day that is no date; an operation file that was not loaded: exit 2, and what to do."""
    with made(tmp_path, **{"export.unfinished_days": True}) as collector:
        collector.write_config()
        never = export(collector, "--date", TODAY.isoformat())
        assert never.returncode == 2
        assert "no audit log" in never.stderr
        collector.start()
        exchange(collector.port, get())
        assert collector.stop() == 0
        unknown = export(collector, "--date", TODAY.isoformat(), "--partner", "cert-x")
        assert unknown.returncode == 2
        assert "one of cert-a, cert-b" in unknown.stderr
        assert export(collector, "--date", "2026-13-01").returncode == 2
        assert export(collector).returncode == 2
        write_operation(tmp_path / "operations", name="new")
        fresh = export(collector, "--date", TODAY.isoformat())
        assert fresh.returncode == 2
        assert "never loaded" in fresh.stderr
        (tmp_path / "operations" / "new.toml").unlink()
        path = tmp_path / "operations" / "op.toml"
        path.write_text(path.read_text() + "# edited\n")
        edited = export(collector, "--date", TODAY.isoformat())
        assert edited.returncode == 2
        assert "changed since it was loaded" in edited.stderr
        assert not list((collector.data / "exports").glob("*/0*"))


@needs_faketime
def test_an_export_that_fails_is_tried_again_and_hurts_nobody(tmp_path: Path) -> None:
    """Its child ends badly: the log says so, machines are answered, nothing is half published; mended, it is made by hand."""
    with made(tmp_path) as collector:
        collector.environment = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME": "-1d",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        collector.start()
        exchange(collector.port, get())
        assert collector.stop() == 0
        collector.environment = {}
        blocked = collector.data / "exports"
        shutil.rmtree(blocked, ignore_errors=True)
        blocked.write_text("not a folder")
        collector.start()
        wait_for(lambda: "export_failed" in collector.log_file.read_text(), "no failure told", collector)
        assert b"malware" in exchange(collector.port, get())
        assert collector.ready()["ready"]
        blocked.unlink()
        assert export(collector, "--due").returncode == 0
        assert collector.stop() == 0
    assert len(manifests(collector, "cert-a")) == 1


class Owed(Exports):
    """The two days before today, sealed and empty; both are owed to both partners."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        starts, ends = NOW - timedelta(days=10), NOW + timedelta(days=20)
        path = write_operation(folder / "operations", starts=starts, ends=ends, extra=ANNEX)
        (folder / "partners.toml").write_text(PARTNERS)
        self.config.write_text(self.config.read_text() + "[intake]\ndisk_reserve_mb = 1\n")
        moment = int((NOW - timedelta(days=10)).timestamp()) * 1_000_000
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self.log.append(
            "operation_loaded", moment, operation="op", configuration=digest, schedules=[], answer="0" * 64
        )
        window = {"starts": starts.isoformat(), "ends": ends.isoformat(), "fields": [], "retention_days": 90}
        self.log.append("order_loaded", moment, operation="op", order="op-1", kind="pen-trap", **window)
        self.days = [TODAY - timedelta(days=2), YESTERDAY]
        for day in self.days:
            seal_day(self.data, SENSOR, day, sealed_at=NOW, kernel_dropped={"tcp": 0, "udp": 0})
        self.log.close()

    def export(self, *words: str) -> int:
        return main(["export", "--config", str(self.config), *words])

    def published(self) -> set[str]:
        paths = (self.data / "exports").glob("*/0*/manifest.json")
        return {json.loads(path.read_text())["date"] for path in paths}


def test_a_day_that_the_system_refuses_leaves_the_others(tmp_path: Path, capsys) -> None:
    """With --due: a marker that cannot be read is told with its path, the reason and what to do; the day after is published;
    exit 1. Mended, the first follows.
    """
    world = Owed(tmp_path)
    broken = marker_path(world.data, SENSOR, world.days[0])
    aside = broken.rename(tmp_path / "aside")
    broken.mkdir()
    assert world.export("--due", "--json") == 1
    said = capsys.readouterr()
    assert f"pentrap export {world.days[0]}: {broken}: Is a directory\n    remedy:   " in said.err
    assert [json.loads(line)["day"] for line in said.out.splitlines()] == [world.days[1].isoformat()]
    assert world.published() == {world.days[1].isoformat()}
    broken.rmdir()
    aside.rename(broken)
    assert world.export("--due") == 0
    assert world.published() == {day.isoformat() for day in world.days}


def test_a_full_disk_is_told_though_the_system_names_no_file(tmp_path: Path, capsys, monkeypatch) -> None:
    """ENOSPC of a write has no path: the data directory is named, with the remedy; nothing is published."""
    world = Owed(tmp_path)

    def refuse(*_args: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("collector.exports.publication._write", refuse)
    assert world.export("--date", YESTERDAY.isoformat()) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"pentrap export {YESTERDAY}: {world.data}: No space left on device\n    remedy:   make room"
    )
    assert world.published() == set()


def test_a_folder_that_stands_in_the_way_is_told_by_every_command(tmp_path: Path, capsys) -> None:
    """A day's export, and other verbs: operation, path, reason and remedy, exit 1, no traceback."""
    world = Owed(tmp_path)
    (world.data / "exports").write_text("not a folder")
    assert world.export("--date", YESTERDAY.isoformat()) == 1
    assert f"{world.data}/exports" in capsys.readouterr().err
    (world.data / "access" / "tokens.json").mkdir(parents=True)
    assert main(["partner", "show", "--config", str(world.config)]) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        f"pentrap partner: {world.data}/access/tokens.json: Is a directory\n    remedy:   "
    )
