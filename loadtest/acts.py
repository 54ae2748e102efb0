"""kill -9 at every durable system call of every act: the officers' and the collector's own (needs strace, and root to attach).

    .venv/bin/python loadtest/acts.py [--only hold --only purge …]

Result: loadtest/results/acts.json. Exit 1 where an effect stands without its entry, or an act could not be completed by
doing it again. Everything is this command's own, in a temporary folder.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "court"))
import ordeals
from ordeals import acts, clock_act, lives, points, world

LIVES = tuple(f"{life.name}: {role}" for life in lives.LIVES for role in life.roles)


def main() -> int:
    """Run it and write what it came to."""
    assert ordeals  # lays the paths
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*(act.name for act in acts.ACTS), clock_act.NAME, *LIVES]
    parser.add_argument(
        "--only", action="append", default=[], choices=names, metavar="ACT", help=", ".join(names)
    )
    parser.add_argument("--points", type=int, default=0, help="only so many of each act, spread over it")
    chosen = parser.parse_args()
    only = tuple(chosen.only) or tuple(names)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pentrap-acts-") as temporary:
        folder = Path(temporary)
        found = acts.run(folder / "acts", points_max=chosen.points, only=only)
        if clock_act.NAME in only:
            found |= clock_act.run(folder, points_max=chosen.points)
        found |= lives.run(folder / "lives", points_max=chosen.points, only=only)
    result: dict[str, Any] = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "seconds": round(time.monotonic() - began, 1),
        "holds": all(points.holds(one) for one in found.values()),
        **{what: sum(one[what] for one in found.values()) for what in ("points", "struck", "deaths")},
        "acts": found,
    }
    if not chosen.only and not chosen.points:
        print(world.write_result("acts.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
