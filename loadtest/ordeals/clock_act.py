"""kill -9 at every durable call of `pentrap clock --believe`, whose effect is a signal to a collector that runs on: never more
signals than entries, and the command given again is entered and heard.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collectors import PENTRAP, Collector
from return_world import SENSOR

from collector.audit.log import read_entries
from ordeals.lives import first, log_findings
from ordeals.living import text_of
from ordeals.points import Point, Strike, calls_in, strace, strike_all, struck_in

NAME = "clock"
HEARD_SECONDS = 5.0


def run(folder: Path, *, points_max: int = 0) -> dict[str, dict[str, Any]]:
    """One collector; each call of the command struck."""
    world = first(folder / "clock")
    collector = Collector(world.folder, settings={"sensor": SENSOR})
    words = [
        str(PENTRAP),
        "clock",
        "--believe",
        "--config",
        str(collector.config),
        "--reason",
        "compared with a watch",
    ]

    def command(trace: Path, inject: str = "") -> int:
        return subprocess.run(
            [*strace(trace, inject), *words], capture_output=True, check=False, timeout=60
        ).returncode

    def entered() -> int:
        return sum(entry.event == "clock_believed" for entry in read_entries(world.data / "audit"))

    def heard() -> int:
        return text_of(collector.log_file).count('"clock_believed"')

    def strike(point: Point, when: int, where: Path) -> Strike:
        where.mkdir(parents=True)
        code = command(where / "trace", f"{point.call}:signal=KILL:when={when}")
        if code not in (-9, 137):
            return Strike(None, [], [])
        time.sleep(0.05)  # a signal that was sent is heard by now
        entries, signals = entered(), heard()
        standing = [f"{signals} signals, {entries} entries"] if signals > entries else []
        standing += log_findings(world)
        again = command(where / "again")
        wrong = [f"exit {again}"] if again else []
        if not _within(lambda: heard() > signals):
            wrong.append("entered again, and not heard")
        if entered() != entries + 1:
            wrong.append(f"{entered() - entries} entries of the command given again")
        return Strike(
            struck_in(where / "trace", world.folder, point.call, when), standing, wrong + log_findings(world)
        )

    with collector.start():
        code = command(world.folder / "trace")
        assert (code, entered(), _within(lambda: heard() == 1)) == (0, 1, True)
        points = calls_in(world.folder / "trace", world.folder)
        assert any(point.call == "kill" for point in points)
        found = strike_all(points, strike, folder / "clock-strikes", NAME, every=20, points_max=points_max)
        assert collector.stop() == 0
    return {NAME: found}


def _within(true: Callable[[], bool]) -> bool:
    until = time.monotonic() + HEARD_SECONDS
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
