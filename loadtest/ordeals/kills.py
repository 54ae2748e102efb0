"""kill -9 at random moments under load, round after round; nothing that was answered may be missing or doubled.

One round is six kills of one collector, which lives three times on one data directory:

    first life      a worker, then the clerk, then every process at once
    second life     every process at once, at a random moment of its first second (recovery is under way)
    third life      a worker, then the clerk, then a clean stop

After the third life all answers of the whole run so far are compared with all rows in Parquet; and the third life's own
final account (audit entry "stopped") with the rows of its streams: recorded is exactly what is in Parquet.
While it runs, /metrics is read five times a second, and the equation must hold at every reading.
"""

import contextlib
import random
import threading
import time
from pathlib import Path
from typing import Any

from clients.ledger import Entry
from collectors import Collector

from ordeals.world import (
    Steady,
    audit,
    journals_left,
    judge,
    kill,
    make_collector,
    roles,
    start_measured,
)

WORKERS = 2
SETTLE_SECONDS = 0.6


class Watch:
    """Reads /metrics over and over; `unbalanced` keeps every reading in which the equation did not hold."""

    def __init__(self, collector: Collector) -> None:
        self._collector = collector
        self._stopping = threading.Event()
        self.readings = 0
        self.unbalanced: list[str] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(0.2):
            try:
                self._collector.fates()
                self.readings += 1
            except AssertionError as error:
                self.unbalanced.append(str(error)[:500])
            except (OSError, ValueError, KeyError):
                continue  # the clerk is dead, or not there yet

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)


def kill_role(collector: Collector, rng: random.Random, role: str) -> bool:
    """Kill a process of a role; False where none of it is alive just now."""
    if role == "all":
        collector.kill()
        return True
    until = time.monotonic() + 8
    while time.monotonic() < until:
        found = [
            pid for name, pid in roles(collector).items() if name.startswith(role) and name != "supervisor"
        ]
        if found and (role == "clerk" or len(found) == WORKERS):
            kill(rng.choice(found))
            return True
        time.sleep(0.01)
    return False


def run(folder: Path, *, kills: int, seed: int, durability: str, rate: float) -> dict[str, Any]:
    """`kills` kills or a few more (whole rounds); the result, `holds` in it."""
    rng = random.Random(f"{seed}/kills")
    collector, targets = make_collector(
        folder, intake__durability=durability, intake__workers=WORKERS, segments__seal_seconds=0.7
    )
    load = Steady(targets, folder / "ledger.csv", rate=rate, seed=seed)
    watch = Watch(collector)
    done = {"worker": 0, "clerk": 0, "all": 0}
    starts: list[float] = []
    lives: list[dict[str, Any]] = []
    missed: list[str] = []

    def life(roles_to_kill: list[str], moment: tuple[float, float]) -> None:
        starts.append(round(start_measured(collector), 3))
        for role in roles_to_kill:
            time.sleep(rng.uniform(*moment))
            if kill_role(collector, rng, role):
                done[role] += 1
            else:
                missed.append(role)

    try:
        while sum(done.values()) < kills:
            life(["worker", "clerk", "all"], (0.1, 1.2))
            life(["all"], (0.0, 1.0))
            began = time.time_ns() // 1000
            life(["worker", "clerk"], (0.1, 1.2))
            time.sleep(SETTLE_SECONDS)
            code = collector.stop(90)
            lives.append(_account(collector, began, code))
    finally:
        watch.stop()
        entries = load.stop()
        collector.kill()
    verdict, rows = judge(entries, collector.data)
    for account in lives:
        began, ended = account.pop("span_us")
        mine = sum(1 for row in rows if began <= int(row.identity[0].rpartition(".")[2]) <= ended)
        account["rows"] = mine
    holds = (
        verdict.holds
        and not watch.unbalanced
        and not missed
        and all(a["recorded"] == a["rows"] and a["exit"] == 0 and not a["journals_left"] for a in lives)
        and max(starts) <= 5.0
        and verdict.answered_recorded > 0
    )
    return {
        "holds": holds,
        "kills": done,
        "kills_missed": missed,
        "durability": durability,
        "rate": rate,
        "seed": seed,
        "ledger": _ends(entries),
        "verdict": verdict._asdict(),
        "start_seconds": {"max": max(starts), "median": sorted(starts)[len(starts) // 2], "all": starts},
        "equation_readings": watch.readings,
        "equation_unbalanced": watch.unbalanced,
        "dropped_crash": sum(a["dropped_crash"] for a in lives),
        "third_lives": lives,
    }


def _account(collector: Collector, began_us: int, code: int) -> dict[str, Any]:
    """What a life said of itself when it stopped cleanly."""
    facts: dict[str, Any] = {}
    with contextlib.suppress(IndexError):
        facts = audit(collector.data, "stopped")[-1]
    return {
        "exit": code,
        "accepted": facts.get("accepted"),
        "recorded": facts.get("recorded"),
        "dropped_crash": facts.get("dropped_crash", 0),
        "open": facts.get("open"),
        "journals_left": journals_left(collector.data),
        "span_us": (began_us, time.time_ns() // 1000),
    }


def _ends(entries: list[Entry]) -> dict[str, int]:
    """How check-ins ended, and how many were answered."""
    ends: dict[str, int] = {"made": len(entries), "answered": sum(entry.answered for entry in entries)}
    for entry in entries:
        ends[entry.how] = ends.get(entry.how, 0) + 1
    return ends
