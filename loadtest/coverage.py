"""`pentrap coverage` of a made day over a schedule of millions of domains, held against a plain count: seconds, memory, disk.

    .venv/bin/python loadtest/coverage.py [--domains 2400000] [--events 20000000] [--addresses 2000000] [--keep FOLDER]

Every domain of the schedule is in its dates, one in twenty is blocked, and one registry's are reached by nobody; the day is
`made_day.py`'s, every address asking for fifty domains of its own. 20,000 names that are blocked are asked for as well, by the
clerk's book. Runs the command itself: the summary, then the list of all domains as CSV, which is compared line by line with
numpy's count of the same check-ins. Exit 1 where a line differs, or over MEMORY_MB_MAX. Result:
loadtest/results/coverage-<events>.json.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "loadtest")]

import numpy as np  # noqa: E402
from made_day import DAY, SENSOR, day_start_us, make  # noqa: E402
from ordeals.world import machine, revision, write_result  # noqa: E402
from size import ENDINGS, FAMILIES, WEIGHTS  # noqa: E402

SILENT = "nominet"
UNEXPECTED = 20_000
MEMORY_MB_MAX = 1024
NOON_US = day_start_us() + 86_400_000_000 // 2
OPERATION = """operation = "avalanche"
[injunction]
court = "Example District Court"
docket = "0:00-cv-00000"
issued = 2026-11-01T00:00:00Z
[answer]
header = "X-Sinkhole: malware"
[[domains]]
file = "schedule.csv"
[[order]]
id = "avalanche-1"
kind = "pen-trap"
docket = "0:00-mc-00000"
issued = 2026-11-01T00:00:00Z
starts = 2026-11-01T00:00:00Z
ends = 2026-12-31T00:00:00Z
officers = ["officer-1"]
"""


def write_schedule(path: Path, domains: int, seed: int) -> None:
    """A CSV of that many domains, all in their dates."""
    import random

    rng = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    seen: set[str] = set()
    with path.open("w", encoding="ascii") as file:
        file.write("domain,family,action,registry,valid_from,valid_until\n")
        while len(seen) < domains:
            ending = rng.choices(list(ENDINGS), WEIGHTS)[0]
            name = "".join(rng.choices(letters, k=rng.randint(8, 20))) + "." + ending
            if name not in seen:
                seen.add(name)
                action = rng.choices(("redirect", "register", "transfer", "block"), (60, 25, 10, 5))[0]
                file.write(f"{name},{rng.choice(FAMILIES)},{action},{ENDINGS[ending]},,\n")


class Count:
    """The plain count: check-ins, distinct addresses, first and last instant by row of the index."""

    def __init__(self, rows: int) -> None:
        self.check_ins = np.zeros(rows, np.int64)
        self.first = np.full(rows, np.iinfo(np.int64).max)
        self.last = np.zeros(rows, np.int64)
        self._pairs: list[Any] = []

    def take(self, subjects: Any, who: Any, at: Any) -> None:
        """A segment's."""
        rows = subjects.astype(np.int64)
        self.check_ins += np.bincount(rows, minlength=len(self.check_ins))
        np.minimum.at(self.first, rows, at)
        np.maximum.at(self.last, rows, at)
        self._pairs.append(rows << 32 | who)

    def hosts(self) -> Any:
        """By row."""
        pairs = np.concatenate(self._pairs)
        pairs.sort()
        fresh = np.ones(len(pairs), bool)
        fresh[1:] = pairs[1:] != pairs[:-1]
        return np.bincount(pairs[fresh] >> 32, minlength=len(self.check_ins))


def build(folder: Path, chosen: argparse.Namespace) -> dict[str, list[str]]:
    """A data directory with the day; what each domain's line must say from `state` on."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from collector.audit.key import checkpoint_key, make_key
    from collector.audit.log import AuditLog
    from collector.coverage.book import SCHEMA, book_path
    from collector.ground.codes import Action
    from collector.orders.compile import compile_rules
    from collector.orders.rules import Rules

    data = folder / "data"
    (folder / "operations").mkdir(parents=True)
    write_schedule(folder / "operations/schedule.csv", chosen.domains, chosen.seed)
    (folder / "operations/avalanche.toml").write_text(OPERATION)
    (folder / "pentrap.toml").write_text(f'data_dir = "data"\nsensor = "{SENSOR}"\n')
    digest = compile_rules([folder / "operations/avalanche.toml"], data / "rules")
    (data / "rules/current").write_text(digest + "\n")
    rules = Rules.load(data / "rules", digest)
    index = rules.index
    key = folder / "signing.key"
    make_key(key)
    log = AuditLog(data / "audit", checkpoint_key(key, SENSOR))
    before = day_start_us() - 86_400_000_000
    log.append("installed", before, sensor=SENSOR, version="0", actor="p-1")
    window = {
        "starts": "2026-11-01T00:00:00Z",
        "ends": "2026-12-31T00:00:00Z",
        "fields": [],
        "retention_days": 90,
    }
    log.append("order_loaded", before, operation="avalanche", order="avalanche-1", kind="pen-trap", **window)
    log.append("orders_loaded", before, rules=digest, orders=1)
    log.close()

    terms = np.asarray(index.terms_of_rows)
    listed = np.flatnonzero(terms)
    blocked = np.asarray(index.actions_of_terms)[terms] == Action.BLOCK
    silent = np.asarray(index.registries_of_terms)[terms] == index.registries.index(SILENT)
    count = Count(index.count)
    subjects = listed[~blocked[listed] & ~silent[listed]].astype(np.uint32)
    make(data, chosen.events, chosen.addresses, chosen.seed, DAY, (rules, subjects), count.take)
    unexpected = np.zeros(index.count, np.int64)
    asked = listed[blocked[listed]][:UNEXPECTED]
    unexpected[asked] = np.arange(len(asked)) % 7 + 1
    book = [
        {
            "run": 1,
            "operation": "avalanche",
            "domain": index.name(row).decode(),
            "check_ins": int(unexpected[row]),
        }
        for row in asked.tolist()
    ]
    (data / "coverage").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(book, SCHEMA), book_path(data, day_start_us() // 86_400_000_000))
    return expected(index, listed.tolist(), count, unexpected)


def expected(index: Any, rows: list[int], count: Count, unexpected: Any) -> dict[str, list[str]]:
    """By domain, its line from `state` on: state, check_ins, unrecorded, hosts, first_seen, last_seen."""
    hosts = count.hosts()
    found = {}
    for row in rows:
        came, odd = int(count.check_ins[row]), int(unexpected[row])
        state = "reached" if came else "unexpected" if odd else "silent"
        seen = [text(count.first[row]), text(count.last[row])] if came else ["", ""]
        number = "" if odd and not came else str(hosts[row])
        found[index.name(row).decode()] = [state, str(came + odd), str(odd), number, *seen]
    return found


def text(moment_us: int) -> str:
    """An instant as the list has it."""
    return datetime.fromtimestamp(int(moment_us) // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + (
        f".{int(moment_us) % 1_000_000:06d}Z"
    )


def run(folder: Path, output: Path, *options: str) -> dict[str, Any]:
    """The command in a process of its own; seconds, its greatest memory, and the most that lay in its folder."""
    command = [
        sys.executable,
        "-m",
        "collector.cli",
        "coverage",
        "--config",
        str(folder / "pentrap.toml"),
        *options,
    ]
    began = time.monotonic()
    peak, disk = 0, 0
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, cwd=ROOT)
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                lines = dict(line.split(":", 1) for line in status.splitlines())
                peak = max(peak, int(lines.get("VmHWM", "0 kB").split()[0]))
                there = (folder / "data/coverage/work").rglob("*")
                disk = max(disk, sum(path.stat().st_size for path in there if path.is_file()))
            except OSError:
                pass
            threading.Event().wait(0.1)
    if process.returncode:
        raise SystemExit(f"coverage {' '.join(options)} ended with {process.returncode}")
    return {
        "options": options,
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": peak // 1024,
        "work_mb": disk // 1_000_000,
        "output_mb": round(output.stat().st_size / 1e6, 1),
    }


def compare(output: Path, wanted: dict[str, list[str]]) -> int:
    """How many lines differ or are missing."""
    differences = 0
    with output.open(newline="") as file:
        for row in csv.DictReader(file):
            told = [
                row[name] for name in ("state", "check_ins", "unrecorded", "hosts", "first_seen", "last_seen")
            ]
            if wanted.pop(row["domain"], None) != told:
                differences += 1
    return differences + len(wanted)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--domains", type=int, default=2_400_000)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--addresses", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="make the day in this folder and leave it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pentrap-coverage-") as temporary:
        folder = chosen.keep or Path(temporary)
        wanted = build(folder, chosen)
        day = ("--date", DAY.isoformat())
        runs = [
            run(folder, folder / "summary.json", *day, "--json"),
            run(folder, folder / "domains.csv", *day, "--csv", "--domains"),
        ]
        differences = compare(folder / "domains.csv", wanted)
        summary = json.loads((folder / "summary.json").read_text())
    silent = [one["registry"] for one in summary["registries"] if one["state"] == "silent"]
    peak = max(one["peak_mb"] for one in runs)
    holds = {"lines": not differences, "silent": silent == [SILENT], "memory": peak <= MEMORY_MB_MAX}
    result = {
        "command": sys.argv,
        "machine": machine(),
        "revision": revision(),
        "domains": chosen.domains,
        "events": chosen.events,
        "addresses": chosen.addresses,
        "runs": runs,
        "lines_that_differ": differences,
        "registries": summary["registries"],
        "holds": holds,
    }
    print(write_result(f"coverage-{chosen.events}.json", result), file=sys.stderr)
    print(json.dumps({key: value for key, value in result.items() if key != "registries"}, indent=1))
    return 0 if all(holds.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
