"""What a decision and a fate cost, without the sockets: `python loadtest/settle_speed.py [--against CHECKOUT]`.

Nanoseconds of CPU a call, by what was asked for: a listed name in its dates, an unlisted one, one that is listed as `block`.
`decide` is the rules alone; `settle` is the desk's whole work on a verdict (rules, record or count), as check-ins over TLS and
those that no fast path takes have it. With `--against` the same is run on another checkout, turn by turn, each turn in a
fresh process: the median of each, and of the ratios of each turn. Results go to loadtest/results/settle-speed.json.
"""

import argparse
import inspect
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "loadtest" / "results" / "settle-speed.json"
NAMES = 20_000
CALLS = 20_000
LAPS = 5
TURNS = 9
NOW_US = 1_795_348_800_000_000  # 2026-11-22T12:00:00Z
OPERATION = """operation = "op"
[injunction]
court = "c"
docket = "d"
issued = 2026-11-01T00:00:00Z
[answer]
header = "X-Sinkhole: malware"
[[domains]]
file = "op.csv"
[[order]]
id = "op-1"
kind = "pen-trap"
docket = "d"
issued = 2026-11-01T00:00:00Z
starts = 2026-11-01T00:00:00Z
ends = 2026-12-30T00:00:00Z
officers = ["o"]
"""


def measure(checkout: Path) -> dict[str, float]:
    """One turn, in this process, with the collector of that checkout."""
    sys.path.insert(0, str(checkout))
    from collector.orders.compile import compile_rules
    from collector.orders.rules import Rules

    with tempfile.TemporaryDirectory(prefix="pentrap-settle-") as name:
        folder = Path(name)
        rows = [f"d{n}-evil.com,tinba,{'block' if n % 10 == 0 else 'redirect'},reg,,\n" for n in range(NAMES)]
        (folder / "op.csv").write_text(
            "domain,family,action,registry,valid_from,valid_until\n" + "".join(rows)
        )
        (folder / "op.toml").write_text(OPERATION)
        rules = Rules.load(folder / "rules", compile_rules([folder / "op.toml"], folder / "rules"))
        hosts = {
            "listed": [b"d%d-evil.com" % n for n in range(NAMES) if n % 10],
            "listed_below": [b"www.d%d-evil.com" % n for n in range(NAMES) if n % 10],
            "unlisted": [b"www.u%d-fine.com" % n for n in range(NAMES)],
            "blocked": [b"d%d-evil.com" % n for n in range(NAMES) if not n % 10] * 10,
        }
        settle = _settle(rules, folder)
        dst, decide = bytes(16), rules.decide
        found = {}
        for kind, sample in hosts.items():
            found[f"decide_{kind}"] = _least(lambda host: decide(host, 6, dst, 80, NOW_US), sample)
            found[f"settle_{kind}"] = _least(settle, sample)
        return found


def _least(call: Callable[[bytes], object], sample: list[bytes]) -> float:
    """Nanoseconds a call, the loop included: the least of some laps."""
    laps = []
    for _ in range(LAPS):
        began = time.process_time_ns()
        for host in sample[:CALLS]:
            call(host)
        laps.append((time.process_time_ns() - began) / len(sample[:CALLS]))
    return min(laps)


def _settle(rules: Any, folder: Path) -> Callable[[bytes], None]:
    """The desk's `settle` of a TLS check-in, whose batch never fills."""
    import asyncio

    from collector.ground.clock import ClockWatch
    from collector.ground.counters import Board
    from collector.intake.commit import Committer
    from collector.intake.desk import Desk, Party
    from collector.intake.farewell import Farewell
    from collector.journal.writer import Journal

    loop = asyncio.new_event_loop()
    board = Board(1)
    journal = Journal(folder / "journal", "speed-1", 0, sync=False, seal_us=1 << 60, settle_us=1 << 60)
    committer = Committer(loop, journal, board.workers[0], Farewell(loop), rules.digest, None, lambda: None)
    committer.turn(NOW_US)
    given: dict[str, Any] = {
        "rules": rules,
        "default_answer": b"",
        "clock": ClockWatch(require_sync=False),
        "committer": committer,
        "page": board.workers[0],
        "served": board.notices[0],
        "probe": None,
        "proxy": None,
    }
    if "unexpected" in inspect.signature(Desk).parameters:
        given["unexpected"] = board.unexpected[0]
    desk = Desk(**given)
    party = Party(NOW_US, bytes(16), 40_000, bytes(16), 443, 6, 0)
    batch = committer.batch

    def settle(host: bytes) -> None:
        batch.count = 0
        desk.settle(party, host, 2, 0, 300, None)

    return settle


def turn(checkout: Path) -> dict[str, float]:
    """One turn in a fresh interpreter."""
    command = [sys.executable, str(Path(__file__).resolve()), "--part", str(checkout)]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", type=Path, help="another checkout, measured in turn with this one")
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.part:
        print(json.dumps(measure(chosen.part)))
        return
    ours, theirs = [], []
    for _ in range(chosen.turns):
        ours.append(turn(ROOT))
        if chosen.against:
            theirs.append(turn(chosen.against))
    figures = {}
    for name in ours[0]:
        figures[name] = {"ns": round(statistics.median(one[name] for one in ours))}
        if theirs:
            figures[name]["against_ns"] = round(statistics.median(one[name] for one in theirs))
            ratio = statistics.median(
                one[name] / other[name] for one, other in zip(ours, theirs, strict=True)
            )
            figures[name]["ratio"] = round(ratio, 3)
        print(f"{name:20}", *(f"{key} {value}" for key, value in figures[name].items()))
    document = {
        "command": "python loadtest/settle_speed.py" + (" --against CHECKOUT" if theirs else ""),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "against": _revision(chosen.against) if theirs else None,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()[0]},
        "turns": chosen.turns,
        "figures": figures,
    }
    RESULT.write_text(json.dumps(document, indent=1) + "\n")


def _revision(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
