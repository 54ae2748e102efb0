"""Thousands that dawdle, and one honest machine among them; then hardly any descriptors.

    .venv/bin/python loadtest/slow.py [--connections 4000] [--seconds 15]        needs slowhttptest

Result: loadtest/results/slow.json. Exit 1 where a claim does not hold. Loopback only.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from ordeals import slow, world


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--connections", type=int, default=4000)
    parser.add_argument("--seconds", type=int, default=15, help="of each mode")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="pentrap-slow-") as temporary:
        for mode in slow.MODES:
            found[mode] = slow.dawdle(
                Path(temporary) / mode, mode=mode, connections=chosen.connections, seconds=chosen.seconds
            )
        for later in (False, True):
            found["descriptors taken" if later else "descriptors"] = slow.starve(
                Path(temporary) / f"starve-{later}", descriptors=120, connections=1000, later=later
            )
    result = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "holds": all(case["holds"] for case in found.values()),
        "cases": found,
    }
    print(world.write_result("slow.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
