"""The power goes: an image of the collector's disk as it was at some moment is mounted anew, and a collector started on it.

The data directory lies on ext4 in an image file that is loop-mounted, and the image file lies on XFS, where FICLONE copies it
in one step between two writes of the loop device: the copy is what the disk held at that instant, journal of the
file system and all, with whatever was still in memory lost. (The loop device keeps the order in which the file system
writes; it does not lose what a disk's own volatile cache would lose. That is left to the file system's flushes.)

For each copy: e2fsck replays and repairs, it is mounted, a collector starts on it, checks that it answers, stops cleanly.
Then every listed check-in that had been answered before the copy began is in its Parquet exactly once, no row belongs to
nobody, every Parquet file can be read whole, and no journal is left.
"""

import contextlib
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bed.rows import segment_files

from ordeals.world import Steady, checks_in, judge, make_collector, start_measured

IMAGE_MB = 64
STORE_MB = 640
DOMAIN_MIX = "http=70,tls=20,unlisted=10"


def ready() -> str:
    """Why it cannot run here; empty where it can."""
    for tool in ("mkfs.xfs", "mkfs.ext4", "e2fsck", "mount"):
        if subprocess.run(["which", tool], capture_output=True, check=False).returncode:
            return f"{tool} is not installed"
    return "" if Path("/dev/loop-control").exists() else "no loop devices"


def call(*words: str | Path, codes: tuple[int, ...] = (0,)) -> str:
    """Run a tool; what it said. Raises where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode not in codes:
        raise RuntimeError(f"{words}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """An image, mounted."""
    place.mkdir(parents=True, exist_ok=True)
    call("mount", "-o", "loop", image, place)
    try:
        yield place
    finally:
        for _ in range(100):
            if subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)


def sparse(path: Path, megabytes: int) -> Path:
    """An empty file of that size."""
    with path.open("wb") as file:
        file.truncate(megabytes << 20)
    return path


def run(folder: Path, *, copies: int, seed: int, rate: float) -> dict[str, Any]:
    """Copy `copies` times under load, then bring each copy back to life."""
    if why := ready():
        return {"holds": False, "cannot_run": why}
    rng = random.Random(f"{seed}/power-cut")
    folder.mkdir(parents=True, exist_ok=True)
    store = sparse(folder / "store.xfs", STORE_MB + copies * 24)
    call("mkfs.xfs", "-q", "-m", "reflink=1", store)
    with mounted(store, folder / "store") as shelf:
        image = sparse(shelf / "disk.ext4", IMAGE_MB)
        call("mkfs.ext4", "-q", image)
        taken: list[tuple[int, Path]] = []
        with mounted(image, folder / "disk") as disk:
            collector, targets = make_collector(
                folder / "first", disk / "data", intake__durability="sync", intake__workers=2,
                segments__seal_seconds=1,
            )  # fmt: skip
            with collector:
                start_measured(collector)
                load = Steady(targets, folder / "ledger.csv", rate=rate, seed=seed, mix=DOMAIN_MIX)
                time.sleep(1)
                for number in range(copies):
                    time.sleep(rng.uniform(0.05, 1.5))
                    before_us = time.time_ns() // 1000
                    copy = shelf / f"copy-{number}.ext4"
                    call("cp", "--reflink=always", image, copy)
                    taken.append((before_us, copy))
                entries = load.stop()
                collector.stop()
        cases = [
            _revive(folder / f"life-{n}", copy, before, entries) for n, (before, copy) in enumerate(taken)
        ]
    return {
        "holds": len(cases) == copies and all(case["holds"] for case in cases),
        "copies": copies,
        "seed": seed,
        "rate": rate,
        "made": len(entries),
        "start_seconds_max": max(case["start_seconds"] for case in cases),
        "lost": sum(case["lost"] for case in cases),
        "duplicate": sum(case["duplicate"] for case in cases),
        "replayed": sum(case["journal_replayed"] for case in cases),
        "cases": cases,
    }


def _revive(folder: Path, copy: Path, before_us: int, entries: list[Any]) -> dict[str, Any]:
    """Mount a copy, start a collector on it, stop it, compare."""
    said = call("e2fsck", "-p", copy, codes=(0, 1))
    with mounted(copy, folder / "disk") as disk:
        unfinished = sorted(path.name for path in (disk / "data" / "journal").glob("*/*.journal"))
        temporaries = sum(1 for _ in (disk / "data").rglob(".tmp-*"))
        collector, _ = make_collector(
            folder, disk / "data", intake__durability="sync", segments__seal_seconds=1
        )
        with collector:
            seconds = start_measured(collector)
            answers = checks_in(collector.port)
            code = collector.stop(60)
        # Whoever was answered before the copy began must be there; whoever came later may be.
        before = [e for e in entries if e.end_us <= before_us]
        rest = [e._replace(answered=False) for e in entries if e.end_us > before_us]
        verdict, rows = judge(before + rest, collector.data)
        unreadable = []
        for path in segment_files(collector.data):
            try:
                table = pq.ParquetFile(path, page_checksum_verification=True).read()
                first, last = (int(part) for part in path.stem.rsplit("-", 2)[1:])
                if table.num_rows != last - first + 1:
                    unreadable.append(f"{path.name}: {table.num_rows} rows")
            except (OSError, ValueError) as error:
                unreadable.append(f"{path.name}: {error}")
        left = sorted(path.name for path in (collector.data / "journal").rglob("*") if path.is_file())
        damaged = [name for name in left if name.endswith(".damaged")]
        left = [name for name in left if not name.endswith(".damaged")]
    holds = verdict.holds and not unreadable and not left and answers and code == 0 and seconds <= 5.0
    return {
        "holds": holds,
        "start_seconds": round(seconds, 3),
        "answered_before": sum(e.answered and e.fate == "recorded" for e in before),
        "rows": len(rows),
        "lost": verdict.lost,
        "duplicate": verdict.duplicate,
        "unexpected": verdict.unexpected,
        "unreadable": unreadable,
        "journal_replayed": "recovering journal" in said,
        "journals_found": len(unfinished),
        "temporaries_found": temporaries,
        "journals_left": left,
        "set_aside": damaged,
        "exit": code,
    }
