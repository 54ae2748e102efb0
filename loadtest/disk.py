"""Let the disk fill up and fail under load, and count: answered, recorded, dropped, back again after how long.

    .venv/bin/python loadtest/disk.py [--seed 1] [--seconds 4]        needs root (tmpfs) and strace

Result: loadtest/results/disk.json. Exit 1 where a claim does not hold. Loopback only.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from ordeals import disk, world

REFUSALS = (
    ("sync", "fdatasync:error=EIO:when=7"),
    ("sync", "fdatasync:error=EIO:when=7+"),
    ("sync", "fdatasync:error=EIO:when=3+5"),
    ("sync", "fsync:error=EIO:when=1+2"),
    ("sync", "rename:error=EIO:when=1+"),
    ("sync", "openat:error=EMFILE:when=1+"),
    ("write", "write:error=ENOSPC:when=9"),
    ("write", "write:error=ENOSPC:when=9+"),
    ("write", "write:error=EIO:when=2+3"),
    ("write", "write:error=ENOSPC:when=9+ ftruncate:error=EIO:when=1+"),
)
"""(durability, strace's injections): once, from then on, every so many."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long the disk refuses")
    chosen = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory(prefix="pentrap-disk-") as temporary:
        for durability in ("write", "sync"):
            found[f"full ({durability})"] = disk.full(
                Path(temporary) / f"full-{durability}",
                durability=durability,
                seed=chosen.seed,
                seconds=chosen.seconds,
            )
        for number, (durability, inject) in enumerate(REFUSALS):
            found[f"{inject} ({durability})"] = disk.refused(
                Path(temporary) / f"refused-{number}", durability=durability, inject=inject,
                seed=chosen.seed, seconds=chosen.seconds,
            )  # fmt: skip
    result = {
        "command": sys.argv,
        "seed": chosen.seed,
        "machine": world.machine(),
        "revision": world.revision(),
        "holds": all(case["holds"] for case in found.values()),
        "cases": found,
    }
    print(world.write_result("disk.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
