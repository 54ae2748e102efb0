"""A thousand downloads cut at random and resumed: the same bytes every time.

    .venv/bin/python loadtest/pull_cuts.py [--downloads 1000] [--seed N] [--rows 100000]

`pentrap pull`'s client against the real partners' interface, through a proxy on loopback that cuts every connection
after a random number of bytes; one client in five is given up in the middle besides. Result:
loadtest/results/pull_cuts.json. Exit 1 where one download differs from what was published. Loopback only.
"""

import argparse
import json
import secrets
import sys
import tempfile
from pathlib import Path

from ordeals import cutting, world

for _place in ("exports", "pull"):
    sys.path.insert(0, str(world.ROOT / "tests" / _place))


def main() -> int:
    from partner_side import serving

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--downloads", type=int, default=1000)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--rows", type=int, default=100_000, help="of each of two publications")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="pentrap-cuts-") as temporary, serving(Path(temporary)) as served:
        served.publish(0, 1, rows=chosen.rows)
        found = cutting.many(
            ("127.0.0.1", served.port),
            served.token.read_text().strip(),
            served.exports.public,
            served.exports.tree,
            Path(temporary),
            count=chosen.downloads,
            seed=chosen.seed,
        )
    result = {
        "command": sys.argv,
        "machine": world.machine(),
        "revision": world.revision(),
        "seed": chosen.seed,
        **found,
    }
    print(world.write_result("pull_cuts.json", result), file=sys.stderr)
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
