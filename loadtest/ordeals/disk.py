"""The disk says no: answers go on, what is not recorded is counted to the unit, recording comes back by itself.

full        data_dir on a small tmpfs that is filled to the last byte under load, and emptied again
refused     strace makes the journal's write or fdatasync fail, once or until it lets go
Judged alike: every machine was answered; rows in Parquet = recorded; answered and listed = rows + dropped_disk; none twice.
"""

import contextlib
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collectors import Collector

from ordeals.every_call import Setting, thread_of
from ordeals.world import Steady, audit, journals_left, judge, make_collector, start_whole

RATE = 250.0
RESUME_SECONDS = 10.0
TMPFS_MB = 8


@contextlib.contextmanager
def small_disk(place: Path, megabytes: int = TMPFS_MB) -> Iterator[Path]:
    """A tmpfs of that size at `place`. Needs root."""
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        for _ in range(50):
            if subprocess.run(["umount", str(place)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.1)


def fill(path: Path) -> None:
    """Take every byte that is left."""
    with path.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        for size in (1 << 16, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while ballast.write(bytes(size)) == size:
                    pass


def recorded(collector: Collector) -> int:
    """Check-ins recorded so far."""
    return int(collector.fates().get("recorded", 0))


def resumed_after(collector: Collector) -> float:
    """Seconds until a further check-in is recorded."""
    began, before = time.monotonic(), recorded(collector)
    while time.monotonic() - began < RESUME_SECONDS * 2:
        if recorded(collector) > before:
            return round(time.monotonic() - began, 2)
        time.sleep(0.05)
    return float("inf")


def full(folder: Path, *, durability: str, seed: int, seconds: float) -> dict[str, Any]:
    """Fill the disk under load for `seconds`, empty it again."""
    with small_disk(folder / "disk") as disk:
        collector, targets = make_collector(
            folder, disk / "data", intake__durability=durability, segments__seal_seconds=0.7
        )
        with collector:
            start_whole(collector)
            load = Steady(targets, folder / "ledger.csv", rate=RATE, seed=seed)
            time.sleep(1.5)
            ballast = disk / "ballast"
            until = time.monotonic() + seconds
            while time.monotonic() < until:  # the clerk frees what it converts: it is taken again
                fill(ballast)
                time.sleep(0.05)
            dropped = collector.fates().get("dropped_disk", 0)
            says = collector.ready()
            ballast.unlink()
            resumed = resumed_after(collector)
            time.sleep(1.0)
            return _judge(collector, load, resumed) | {
                "dropped_while_full": dropped,
                "said_not_recording_because": says["not_recording_because"],
            }


@contextlib.contextmanager
def failing(thread: int, output: Path, inject: str) -> Iterator[None]:
    """Calls of one thread fail as told until the end of the block."""
    command = ["strace", "-y", "-s", "0", "-o", str(output), "-p", str(thread)]
    command += ["-e", "trace=openat,close,write,fdatasync,fsync,ftruncate,rename,unlink"]
    for one in inject.split():
        command += ["-e", f"inject={one}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "attached" in process.stderr.readline()
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        process.stderr.close()


def refused(folder: Path, *, durability: str, inject: str, seed: int, seconds: float) -> dict[str, Any]:
    """Have calls of the journal's thread fail for `seconds`."""
    collector, targets = make_collector(folder, intake__durability=durability, segments__seal_seconds=0.7)
    trace = folder / "trace"
    with collector:
        start_whole(collector)
        _, thread = thread_of(collector, Setting("worker", durability))
        load = Steady(targets, folder / "ledger.csv", rate=RATE, seed=seed)
        time.sleep(0.5)
        with failing(thread, trace, inject):
            time.sleep(seconds)
        resumed = resumed_after(collector)
        time.sleep(0.7)
        found = _judge(collector, load, resumed)
    lines = trace.read_text().splitlines()
    injected = sum("(INJECTED)" in line for line in lines)
    broken = trusted_again(lines)
    return found | {
        "inject": inject,
        "injected": injected,
        "used_after_failure": broken,
        "holds": found["holds"] and injected > 0 and not broken,
    }


def trusted_again(lines: list[str]) -> list[str]:
    """Calls of a trace that write or sync a descriptor after a call on it had failed, before it was closed.

    With `-y` every call names its descriptor and file: `write(22</path>…`. ftruncate is no trust: it takes back.
    """
    failed: set[str] = set()
    found = []
    for line in lines:
        match = re.match(r"(?P<call>\w+)\((?P<descriptor>\d+<[^>]*>)", line)
        if match is None:
            continue
        descriptor, call = match["descriptor"], match["call"]
        if call == "close":
            failed.discard(descriptor)
        elif descriptor in failed and call in ("write", "fsync", "fdatasync"):
            found.append(line[:300])
        elif "= -1 E" in line and ".journal>" in descriptor:
            failed.add(descriptor)
    return found


def _judge(collector: Collector, load: Steady, resumed: float) -> dict[str, Any]:
    entries = load.stop()
    fates = collector.settled_fates(0)
    code = collector.stop(60)
    verdict, rows = judge(entries, collector.data)
    account = audit(collector.data, "stopped")[-1]
    unanswered = [e for e in entries if not e.answered and e.how != "fin" and e.kind != "silent_fin"]
    dropped = account["dropped_disk"]
    listed = sum(e.fate == "recorded" for e in entries)
    holds = (
        not unanswered
        and verdict.lost == dropped
        and not (verdict.unexpected or verdict.duplicate or verdict.wrong_domain)
        and len(rows) == account["recorded"]
        and len(rows) + dropped == listed
        and resumed <= RESUME_SECONDS
        and code == 0
        and not journals_left(collector.data)
    )
    return {
        "holds": holds,
        "made": len(entries),
        "answered": sum(e.answered for e in entries),
        "not_answered": [str(e) for e in unanswered[:5]],
        "listed": listed,
        "rows": len(rows),
        "recorded": account["recorded"],
        "dropped_disk": dropped,
        "missing": verdict.lost,
        "duplicate": verdict.duplicate,
        "unexpected": verdict.unexpected,
        "resumed_after_seconds": resumed,
        "exit": code,
        "fates_before_stop": fates,
        "journals_left": journals_left(collector.data),
    }
