"""Nights: a sound collector under load and its Prometheus; something breaks; what do alerts and commands say, and is the
runbook's remedy one?

Rules are the deployed ones with their windows and waits made shorter by SPEED, so that a night takes a minute; everything else
is real: processes, disk, clock (libfaketime), tokens, commands as an operator types them. A Night notes when each alert began
and ended, in seconds since the break.
"""

import json
import re
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from collectors import PENTRAP, ROOT, Collector

from ordeals.world import Steady, checks_in, start_whole

sys.path.insert(0, str(ROOT / "tests" / "deploy"))

from prometheus_server import Prometheus
from rules_file import RULES

SPEED = 30
RATE = 40.0
LISTED = b"evil-one.com"
BESIDE = {"PentrapWatchdog", "PentrapDiskFilling"}
"""Not looked at: the one always fires, the other would forecast three days from some seconds."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def faster(rules: str) -> str:
    """The rules with every window, offset and wait SPEED times shorter, two seconds at least."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match["number"]) * _UNITS[match["unit"]] / SPEED
        return f"{match['before']}{max(2, round(seconds))}s"

    return re.sub(r"(?P<before>\[|offset |for: )(?P<number>\d+)(?P<unit>[smhdw])\b", shorter, rules)


class Night:
    """One trial. `step` notes what was done; `watch` waits for alerts to begin or end."""

    def __init__(self, collector: Collector, server: Prometheus, load: Steady | None) -> None:
        self.collector, self.server, self.load = collector, server, load
        self._broken = 0.0
        self.alerts: dict[str, dict[str, Any]] = {}
        self.steps: list[dict[str, Any]] = []

    def breaks(self, what: str) -> None:
        """Now."""
        self._broken = time.monotonic()
        self.step(what)

    def step(self, what: str, **found: Any) -> None:
        """Note something done or seen."""
        self.steps.append({"at": self._now(), "what": what, **found})

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A `pentrap` command on this collector, as an operator types it; noted with its exit code and what it said."""
        done = subprocess.run(
            [str(PENTRAP), *words, "--config", str(self.collector.config)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        said = (done.stdout + done.stderr).strip().splitlines()
        self.step(f"pentrap {' '.join(words)}", exit=done.returncode, said=said[:14])
        return done

    def look(self) -> None:
        """What `/readyz` and `pentrap status` say."""
        try:
            said = self.collector.get("/readyz")
        except urllib.error.HTTPError as error:  # 503: machines are not answered; it says so all the same
            said = error.read()
        self.step("/readyz", said=json.loads(said))
        self.command("status")

    def watch(self, begin: Iterable[str] = (), end: Iterable[str] = (), seconds: float = 60.0) -> list[str]:
        """Wait until these alerts have begun and those have ended; which have not in `seconds`."""
        begin, end = set(begin), set(end)
        until = time.monotonic() + seconds
        while True:
            firing = self.server.firing()
            self._note(firing)
            missing = sorted({*(begin - set(self.alerts)), *(name for name in end if name in firing)})
            if not missing or time.monotonic() > until:
                return missing
            time.sleep(0.1)

    def holds_for(self, seconds: float) -> None:
        """Go on noting alerts for a while."""
        self.watch(begin=("nothing is called this",), seconds=seconds)

    def records_again(self, seconds: float) -> float | None:
        """Seconds until a listed check-in is recorded; None where none is in time."""
        before = self._recorded()
        port = self.collector.port
        return within(lambda: checks_in(port, host=LISTED) and self._recorded() > before, seconds)

    def unanswered(self) -> list[str]:
        """Ends the load; in a word, how many of its machines were not answered."""
        assert self.load is not None
        broken = [entry for entry in self.load.stop() if entry.how not in ("fin", "sent")]
        return [f"{len(broken)} of {self.load.made} machines were not answered"] if broken else []

    def _recorded(self) -> int:
        return int(self.collector.fates().get("recorded", 0))

    def _note(self, firing: dict[str, dict[str, Any]]) -> None:
        for name, alert in firing.items():
            if name not in BESIDE and name not in self.alerts:
                said = alert["annotations"]
                self.alerts[name] = {
                    "began": self._now(),
                    "severity": alert["labels"]["severity"],
                    "summary": said["summary"],
                    "description": said["description"],
                    "runbook": said["runbook_url"],
                }
        for name, noted in self.alerts.items():
            if name in firing:
                noted.pop("ended", None)
            else:
                noted.setdefault("ended", self._now())

    def _now(self) -> float:
        return round(time.monotonic() - self._broken, 1) if self._broken else 0.0


@contextmanager
def night(
    folder: Path, collector: Collector, targets: list[Any] | None, *, started: bool = False
) -> Iterator[Night]:
    """A collector that runs, is scraped and wakes nobody, under a steady load where `targets` says at what."""
    folder.mkdir(parents=True, exist_ok=True)
    rules = folder / "pentrap.yml"
    rules.write_text(faster(RULES.read_text()))
    with collector:
        if not started:
            start_whole(collector)
        load = Steady(targets, folder / "ledger.csv", rate=RATE, seed=3) if targets else None
        target = f"127.0.0.1:{collector.manage_port}"
        secret = "not asked for on loopback"
        with Prometheus(folder / "prometheus", target, secret, rules=rules, every="1s") as server:
            server.until(lambda: server.query("count_over_time(up[1h]) > 5"), "too few scrapes")
            try:
                yield Night(collector, server, load)
            finally:
                if load is not None:
                    load.stop()


def told(made: Night, expected: set[str], allowed: set[str], flaws: list[str]) -> dict[str, Any]:
    """What a trial found; it holds where every expected alert came, none but the allowed beside them, all ended, and nothing
    else is wrong.
    """
    made.watch(end=set(made.alerts), seconds=60)
    wrong = [f"{name} never fired" for name in sorted(expected - set(made.alerts))]
    wrong += [
        f"{name} fired, which is beside the point" for name in sorted(set(made.alerts) - expected - allowed)
    ]
    wrong += [f"{name} did not end" for name, alert in made.alerts.items() if "ended" not in alert]
    return {
        "holds": not wrong and not flaws,
        "wrong": wrong + flaws,
        "alerts": made.alerts,
        "steps": made.steps,
        "fates": made.collector.fates() if made.collector.process is not None else {},
    }


def within(condition: Callable[[], bool], seconds: float) -> float | None:
    """Seconds until something is so; None where it is not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return round(time.monotonic() - began, 1)
        time.sleep(0.05)
    return None


def clock_file(folder: Path, ahead: timedelta) -> Path:
    """How far a collector's wall clock is ahead, for libfaketime; among its rules, where a caged worker may read."""
    place = folder / "data" / "rules" / "clock"
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name("clock.new")
    fresh.write_text(f"{ahead.total_seconds():+f}\n")
    fresh.replace(place)
    return place
