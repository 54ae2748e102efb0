"""Downloads through a line that is cut at random: the short form of loadtest/pull_cuts.py."""

import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "loadtest"))

from ordeals import cutting


def test_downloads_that_are_cut_and_resumed_are_right(served, tmp_path):
    """Twenty downloads through more than thirty cuts have the published bytes, and what was there is not fetched again."""
    served.publish(0, 1, rows=10_000)
    seed = secrets.token_hex(4)
    found = cutting.many(
        ("127.0.0.1", served.port),
        served.token.read_text().strip(),
        served.exports.public,
        served.exports.tree,
        tmp_path,
        count=20,
        seed=seed,
    )
    assert found["holds"], (seed, found)
    assert found["cuts"] > 30, (seed, found)
    assert found["resumed"] > found["cuts"] // 2, (seed, found)
    assert found["bytes_over_the_line_per_byte"] < 1.2, (seed, found)
