"""Memory of a collector: KiB for each open idle connection, and resident size over a million check-ins.

    .venv/bin/python loadtest/memory.py [--count 1000000] [--rate 4000] [--seed 1]

Result: loadtest/results/memory.json. Exit 1 where a claim does not hold. Loopback only.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from ordeals import memory, world


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=4000.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pentrap-memory-") as temporary:
        idle = memory.idle(Path(temporary) / "idle")
        flat = memory.flat(Path(temporary) / "flat", count=chosen.count, rate=chosen.rate, seed=chosen.seed)
    result = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "holds": idle["holds"] and flat["holds"],
        "idle": idle,
        "flat": flat,
    }
    print(world.write_result("memory.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
