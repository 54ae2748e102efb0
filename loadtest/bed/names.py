"""Domains as generation algorithms make them, for schedules of any size. Fixed by the seed."""

import random
from collections.abc import Iterator

from bed.site import Row

FAMILIES = ("andromeda", "citadel", "goznym", "matsnu", "nymaim", "ranbyus", "rovnix", "tinba", "urlzone")
ENDINGS = ("com", "net", "org", "info", "biz", "ru", "eu", "de", "us", "top")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def bench_rows(count: int, seed: int) -> Iterator[Row]:
    """`count` distinct second-level domains of 8 to 20 letters."""
    rng = random.Random(f"{seed}/names")
    seen: set[str] = set()
    while len(seen) < count:
        name = "".join(rng.choices(LETTERS, k=rng.randrange(8, 21))) + "." + rng.choice(ENDINGS)
        if name not in seen:
            seen.add(name)
            yield Row(name, rng.choice(FAMILIES))
