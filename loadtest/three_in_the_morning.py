"""Five things that wake an operator, each tried: what alerts, commands and runbook say, and whether that was enough.

    .venv/bin/python loadtest/three_in_the_morning.py [--only disk_full …]        root (tmpfs), Debian's prometheus and faketime

disk_full        the data's disk is filled to the last byte under load; room is made
restarted_full   the same, and somebody restarts the collector, which the runbook forbids
order_expired    an order ends under load; its extension is loaded later
worker_killed    a worker is killed again and again, as the kernel's memory killer does
worker_cannot    a worker cannot start: the compiled rules were damaged
token_revoked    a partner that fetches every second has its token revoked, and is given another
clock_stepped    the machine's clock jumps an hour ahead and stays there; later it is put right

Each on a collector and a Prometheus of its own, with the deployed rules thirty times faster (ordeals/night.py). Raw result:
loadtest/results/three-in-the-morning.json; what it means, and what was changed because of it, is told in
loadtest/results/three-in-the-morning.md. Exit 1 where an alert that should come does not, another comes, the remedy is none,
or a machine was not answered. Some five minutes.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ordeals import night_endings, night_machine, world

TRIALS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "disk_full": night_machine.disk_full,
    "restarted_full": night_machine.restarted_full,
    "order_expired": night_endings.order_expired,
    "worker_killed": night_endings.worker_killed,
    "worker_cannot": night_endings.worker_cannot,
    "token_revoked": night_endings.token_revoked,
    "clock_stepped": night_machine.clock_stepped,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=tuple(TRIALS), help="may be given again")
    parser.add_argument("--no-result", action="store_true", help="do not write to loadtest/results")
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="pentrap-night-") as temporary:
        for name, trial in TRIALS.items():
            if chosen.only and name not in chosen.only:
                continue
            print(f"{name} …", file=sys.stderr, flush=True)
            found[name] = trial(Path(temporary) / name)
            verdict = "as it should be" if found[name]["holds"] else "; ".join(found[name]["wrong"])
            print(f"{name}: {verdict}", file=sys.stderr, flush=True)
    result = {
        "command": ["loadtest/three_in_the_morning.py", *sys.argv[1:]],
        "machine": world.machine(),
        "revision": world.revision(),
        "holds": all(one["holds"] for one in found.values()),
        "trials": found,
    }
    if not chosen.no_result:
        print(world.write_result("three-in-the-morning.json", result), file=sys.stderr)
    for name, one in found.items():
        print(f"\n{name}")
        for alert, facts in sorted(one["alerts"].items(), key=lambda item: item[1]["began"]):
            print(f"  {facts['began']:>6} s  {facts['severity']:<8} {alert}: {facts['summary']}")
        for step in one["steps"]:
            print(f"  {step['at']:>6} s  {step['what']}  {step.get('exit', '')}")
            said = step.get("said", [])
            for line in said if isinstance(said, list) else [json.dumps(said)]:
                print(f"              {line}")
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
