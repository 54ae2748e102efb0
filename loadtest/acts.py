"""kill -9 at every durable system call of every act on collected data (needs strace).

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
from ordeals import acts, world


def main() -> int:
    """Run it and write what it came to."""
    assert ordeals  # lays the paths
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", default=[], choices=[act.name for act in acts.ACTS])
    parser.add_argument("--points", type=int, default=0, help="only so many of each act, spread over it")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pentrap-acts-") as temporary:
        found = acts.run(Path(temporary), points_max=chosen.points, only=tuple(chosen.only))
    result: dict[str, Any] = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "seconds": round(time.monotonic() - began, 1),
    } | found
    if not chosen.only and not chosen.points:
        print(world.write_result("acts.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
