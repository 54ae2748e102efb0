"""Break a collector on purpose, and count what was lost of what it had answered.

    .venv/bin/python loadtest/crash.py [--kills 100] [--seed 1] [--durability write|sync] [--rate 300]
    .venv/bin/python loadtest/crash.py --every-call        kill at each durable system call once (needs strace)
    .venv/bin/python loadtest/crash.py --power-cut         image copies at random moments (needs root, mkfs.xfs, mkfs.ext4)

Results: loadtest/results/crash-<durability>.json, crash-every-call.json, crash-power-cut.json. Exit 1 where a
claim does not hold. Loads go to loopback only; each collector is this
command's own, on free ports, with data in a temporary folder.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ordeals import kills, world


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--every-call", action="store_true")
    what.add_argument("--power-cut", action="store_true")
    parser.add_argument("--kills", "--rounds", type=int, default=100, help="how many kills, or image copies")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--durability", choices=("write", "sync"), default="sync")
    parser.add_argument("--rate", type=float, default=300.0, help="check-ins a second")
    parser.add_argument("--keep", type=Path, help="a folder for the data, kept; else a temporary one")
    parser.add_argument("--no-result", action="store_true", help="do not write to loadtest/results")
    return parser.parse_args(words)


def main() -> int:
    chosen = arguments()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pentrap-crash-") as temporary:
        folder = chosen.keep or Path(temporary)
        name, found = ordeal(chosen, folder)
    result: dict[str, Any] = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "seconds": round(time.monotonic() - began, 1),
    } | found
    if not chosen.no_result:
        print(world.write_result(f"crash-{name}.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


def ordeal(chosen: argparse.Namespace, folder: Path) -> tuple[str, dict[str, Any]]:
    """The one that was asked for: its result's name, and what it found."""
    if chosen.every_call:
        from ordeals import every_call

        return "every-call", every_call.run(folder, seed=chosen.seed)
    if chosen.power_cut:
        from ordeals import power_cut

        return "power-cut", power_cut.run(folder, copies=chosen.kills, seed=chosen.seed, rate=chosen.rate)
    return chosen.durability, kills.run(
        folder, kills=chosen.kills, seed=chosen.seed, durability=chosen.durability, rate=chosen.rate
    )


if __name__ == "__main__":
    sys.exit(main())
