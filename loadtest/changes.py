"""How long it takes to say what a large schedule adds and takes away; exit 1 when a count is wrong or it takes too long.

    .venv/bin/python loadtest/changes.py [--domains 2400000] [--seed S]

Makes size.py's schedule and a second one from it (some rows dropped, some blocked, some new), builds both indices and
compares them as `pentrap check` does. Writes loadtest/results/changes.json.
"""

import argparse
import json
import random
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bed.bench_result import machine
from size import ROOT, write_operation, write_schedule

from collector.orders.compile import compile_rules
from collector.orders.rules import Rules
from collector.orders.schedule_changes import Tally, domain_changes

SECONDS_MAX = 20.0
"""An officer waits for it, on a machine that serves at the same time."""
NEW = 5000


def changed(lines: Iterator[str], seed: int, count: dict[str, int]) -> Iterator[str]:
    """The second schedule's lines; each domain stands in one line of size.py's."""
    rng = random.Random(seed)
    yield next(lines)
    for line in lines:
        chance = rng.random()
        if chance < 0.002:
            count["taken away"] += 1
        elif chance < 0.003 and ",redirect," in line:
            count["changed"] += 1
            yield line.replace(",redirect,", ",block,")
        else:
            yield line
    count["added"] = NEW
    yield from (f"new-{number}.example-new.com,tinba,redirect,verisign,,\n" for number in range(NEW))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domains", type=int, default=2_400_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=ROOT / "loadtest" / "results" / "changes.json")
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pentrap-changes-"))
    wanted = {"added": 0, "taken away": 0, "changed": 0}
    try:
        first, second = folder / "first", folder / "second"
        for path in (first, second):
            path.mkdir()
            write_operation(path)
        write_schedule(first / "schedule.csv", chosen.domains, chosen.seed)
        with (first / "schedule.csv").open() as lines, (second / "schedule.csv").open("w") as target:
            target.writelines(changed(iter(lines), chosen.seed, wanted))
        before, after = (
            Rules.load(path / "rules", compile_rules([path / "operation.toml"], path / "rules"))
            for path in (first, second)
        )
        began, cpu = time.perf_counter(), time.process_time()
        tally = Tally()
        for change in domain_changes(before.index, after.index):
            tally.add(change)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    finally:
        shutil.rmtree(folder)
    found = {word: tally.of(word) for word in wanted}
    result = {
        "holds": found == wanted and seconds <= SECONDS_MAX,
        "domains": chosen.domains,
        "seed": chosen.seed,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu, 2),
        "seconds_at_most": SECONDS_MAX,
        "peak_mb_with_the_building_of_both": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "found": found,
        "wanted": wanted,
    }
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(result | machine(), indent=1) + "\n")
    print(json.dumps(result, indent=1))
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
