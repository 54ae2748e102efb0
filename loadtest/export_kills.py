"""kill -9 at every durable system call of an export, or of a withdrawal, in each of its threads (needs strace).

    .venv/bin/python loadtest/export_kills.py [--act withdraw] [--points N]

Two partners' supplements and a third's first publication, in all formats (loadtest/ordeals/exporting.py). Result:
loadtest/results/export_kills.json or withdraw_kills.json; `calls` there were, `points` of them were struck (a hundred take
ten minutes or more). Exit 1 where a publication is half there, or a row lost or doubled.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ordeals
from ordeals import exporting, points, world


def main() -> int:
    """Run it and write what it came to."""
    assert ordeals  # lays the paths
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=0, help="only so many, spread over the export")
    parser.add_argument("--act", choices=sorted(exporting.ACTS), default="export", help="what is struck")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pentrap-export-kills-") as temporary:
        found = exporting.run(Path(temporary), chosen.act, every=24, points_max=chosen.points)
    result: dict[str, Any] = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "seconds": round(time.monotonic() - began, 1),
        "holds": points.holds(found),
        **found,
    }
    print(world.write_result(f"{chosen.act}_kills.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
