"""The figures of a large schedule: 2.4 million domains, one index, one worker.

    .venv/bin/python loadtest/size.py [--domains N] [--seed S]

Makes a schedule as a takedown of generated domains has it (names that live for a day, a few months of names under one
registry, some below `co.uk` and dynamic DNS, some that nest), compiles it as `serve` would, opens it in a fresh process
and measures there. Prints a table, writes loadtest/results/size-latest.json. One process at a time.

Lookup times are of whole `decide` calls (name in, order out) in a Python loop, the loop included, over 100,000 hosts in
random order, so that the index is read from memory, not from the processor's cache: CPU time a call, median of nine
rounds (`_best_us`: the fastest one; the two are far apart when other work shares the machine's cores).
"""

import argparse
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from collector.orders.compile import compile_rules  # noqa: E402
from collector.orders.index import WINDOW, Index  # noqa: E402
from collector.orders.rules import Rules  # noqa: E402

RESULT = ROOT / "loadtest" / "results" / "size-latest.json"
HOSTS = 100_000
ROUNDS = 9
DAYS = 730
FIRST_DAY = date(2026, 11, 1)
PROBE_DAY = 20

FIGURES = {
    "index_mb": 160.0,
    "private_mb": 60.0,
    "build_s": 30.0,
    "open_s": 1.0,
    "listed_us": 2.0,
    "unlisted_us": 4.0,
    "longest_us": 10.0,
}
"""What proof.md asks for at most."""

# fmt: off
FAMILIES = [
    "andromeda", "bolek", "bugat/dridex", "citadel", "corebot", "gozi2", "goznym", "kins/vmzeus",
    "marcher", "matsnu", "nymaim", "pandabanker", "ranbyus", "rovnix", "smartapp", "smokeloader",
    "teslacrypt", "tinba", "trusteer", "urlzone", "vawtrak", "xswkit",
]
# fmt: on
ENDINGS = {
    "com": "verisign",
    "net": "verisign",
    "org": "pir",
    "info": "identity digital",
    "biz": "registry services",
    "ru": "cctld ru",
    "su": "cctld ru",
    "in": "nixi",
    "me": "domen",
    "cc": "verisign",
    "tk": "freenom",
    "eu": "eurid",
    "pw": "centralnic",
    "us": "registry services",
    "co.uk": "nominet",
    "com.br": "nic.br",
    "duckdns.org": "duckdns",
}  # fmt: skip
WEIGHTS = (30, 12, 8, 8, 6, 8, 2, 3, 3, 3, 4, 2, 3, 3, 2, 2, 1)


def write_schedule(path: Path, domains: int, seed: int) -> None:
    """A CSV of that many domains."""
    rng = random.Random(seed)
    seen: set[str] = set()
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    with path.open("w", encoding="ascii") as file:
        file.write("domain,family,action,registry,valid_from,valid_until\n")
        while len(seen) < domains:
            ending = rng.choices(list(ENDINGS), WEIGHTS)[0]
            name = "".join(rng.choices(letters, k=rng.randint(7, 20))) + "." + ending
            if len(seen) % 1000 == 0:
                name = "panel." + name
            if name in seen:
                continue
            seen.add(name)
            family = rng.choice(FAMILIES)
            action = rng.choices(("redirect", "register", "transfer", "block"), (60, 25, 10, 5))[0]
            day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
            file.write(f"{name},{family},{action},{ENDINGS[ending]},{day},{day + timedelta(days=1)}\n")


def write_operation(folder: Path) -> Path:
    """An operation with the schedule, in force on the probe's day."""
    starts = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
    path = folder / "operation.toml"
    path.write_text(
        f"""operation = "avalanche"
[injunction]
court = "Example District Court"
docket = "0:00-cv-00000"
issued = {starts:%Y-%m-%dT%H:%M:%SZ}
[answer]
header = "X-Sinkhole: malware"
[[domains]]
file = "schedule.csv"
grace_days = 1
[[services]]
transport = "udp"
port = 16464
family = "zeroaccess"
[[order]]
id = "avalanche-1"
kind = "pen-trap"
docket = "0:00-mc-00000"
issued = {starts:%Y-%m-%dT%H:%M:%SZ}
starts = {starts:%Y-%m-%dT%H:%M:%SZ}
ends = {starts + timedelta(days=60):%Y-%m-%dT%H:%M:%SZ}
officers = ["officer-1"]
""",
        encoding="ascii",
    )
    return path


def measure_build(folder: Path) -> dict[str, object]:
    """Run in a process of its own: compile, and what it took at its largest."""
    began = time.perf_counter()
    digest = compile_rules([folder / "operation.toml"], folder / "rules")
    seconds = time.perf_counter() - began
    of_processor = time.process_time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    compile_rules([folder / "operation.toml"], folder / "rules")
    return {
        "digest": digest,
        "build_s": seconds,
        "build_cpu_s": of_processor,
        "build_peak_mb": peak,
        "unchanged_s": time.perf_counter() - began,
    }


def measure_worker(folder: Path, digest: str, seed: int) -> dict[str, object]:
    """Run in a process of its own, as a worker: open, memory, lookups."""
    before = private_mb()
    began = time.perf_counter()
    rules = Rules.load(folder / "rules", digest)
    opened = time.perf_counter() - began
    index = rules.index
    rng = random.Random(seed)
    now_us = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() + PROBE_DAY * 86_400) * 1_000_000
    for row in rng.sample(range(index.count), 100_000):  # as a worker has touched the index after a while
        rules.decide(index.name(row), 6, bytes(16), 80, now_us)
    private = private_mb()
    hosts = sample_hosts(rules, rng)
    result: dict[str, object] = {
        "open_s": opened,
        "domains": index.header.domains,
        "rows": index.count,
        "terms": index.header.terms,
        "index_mb": index.path.stat().st_size / 1e6,
    }
    for name, sample in hosts.items():
        rounds = [one_round(rules.decide, sample, now_us) for _ in range(ROUNDS)]
        result[f"{name}_us"] = statistics.median(rounds)
        result[f"{name}_best_us"] = min(rounds)
    result["private_mb"] = private
    result["private_of_rules_mb"] = private - before
    result["load_average"] = os.getloadavg()[0]
    result["python_loop_ns"] = python_loop_ns()
    began = time.perf_counter()
    index.verify()
    result["verify_s"] = time.perf_counter() - began
    return result


def sample_hosts(rules: Rules, rng: random.Random) -> dict[str, list[bytes]]:
    """Hosts to look up, by what they are."""
    index = rules.index
    rows = [row for row in rng.sample(range(index.count), HOSTS + 5000) if index.terms_of_rows[row]][:HOSTS]
    listed = [index.name(row) for row in rows]
    two_labels = [name for name in listed if name.count(b".") == 1]
    alive = in_force_rows(index)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["".join(rng.choices(letters, k=rng.randint(6, 18))) for _ in range(HOSTS)]
    return {
        "listed": listed,
        "listed_in_force": [index.name(rng.choice(alive)) for _ in range(HOSTS)],
        "listed_two_labels": two_labels,
        "listed_subdomain": [b"www." + name for name in listed],
        "unlisted": [f"www.{word}.com".encode() for word in words],
        "unlisted_below_marker": [f"www.{word}.co.uk".encode() for word in words],
        "longest": [long_host(rng, b"." + index.name(rng.choice(rows))) for _ in range(20_000)],
        "longest_of_one_letter_labels": [(b"a." * 127)[: 253 - 7] + word.encode()[:3] + b".com" for word in words[:20_000]],
    }  # fmt: skip


def in_force_rows(index: Index) -> list[int]:
    """Rows whose window holds the probe's day."""
    now_us = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() + PROBE_DAY * 86_400) * 1_000_000
    windows = WINDOW.iter_unpack(index.term_windows)
    fitting = {term for term, (in_us, out_us, _) in enumerate(windows) if in_us <= now_us < out_us}
    return [row for row, term in enumerate(index.terms_of_rows) if term in fitting]


def long_host(rng: random.Random, ending: bytes) -> bytes:
    """253 bytes of random labels that end so."""
    room = 253 - len(ending)
    text = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz-.", k=room)).encode().replace(b"..", b"ab")
    return b"x" + text[1:-1] + b"x" + ending


def one_round(decide: Callable[..., object], hosts: list[bytes], now_us: int) -> float:
    """Microseconds a call."""
    dst = bytes(16)
    began = time.process_time_ns()
    for host in hosts:
        decide(host, 6, dst, 80, now_us)
    return (time.process_time_ns() - began) / len(hosts) / 1000


def python_loop_ns() -> float:
    """CPU time of one turn of an empty loop: tells a busy or slow machine from a slow program."""
    began = time.process_time_ns()
    for _ in range(5_000_000):
        pass
    return (time.process_time_ns() - began) / 5_000_000


def private_mb() -> float:
    """Private memory of this process without the index's mapping, which all workers share."""
    total = 0
    counted = True
    for line in Path("/proc/self/smaps").read_text(encoding="ascii", errors="replace").splitlines():
        if line[:1].islower() or line[:1].isdigit():
            counted = not line.endswith(".index")
        elif counted and line.startswith(("Private_Clean:", "Private_Dirty:")):
            total += int(line.split()[1])
    return total / 1000


def run_part(part: str, *arguments: str) -> dict[str, object]:
    """One measurement in a fresh interpreter."""
    command = [sys.executable, __file__, "--part", part, *arguments]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    """Make, build, measure, print, write."""
    parser = argparse.ArgumentParser(description="figures of a large schedule")
    parser.add_argument("--domains", type=int, default=2_400_000)
    parser.add_argument("--seed", type=int, default=20161130)
    parser.add_argument("--keep", action="store_true", help="keep the schedule and the index, and say where")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--digest", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part == "build":
        print(json.dumps(measure_build(given.folder)))
        return
    if given.part == "worker":
        print(json.dumps(measure_worker(given.folder, given.digest, given.seed)))
        return
    folder = Path(tempfile.mkdtemp(prefix="pentrap-size-"))
    print(f"seed {given.seed}, {given.domains} domains, in {folder}", file=sys.stderr)
    try:
        write_schedule(folder / "schedule.csv", given.domains, given.seed)
        write_operation(folder)
        built = run_part("build", "--folder", str(folder))
        worker = run_part(
            "worker", "--folder", str(folder), "--digest", str(built["digest"]), "--seed", str(given.seed)
        )
    finally:
        if not given.keep:
            shutil.rmtree(folder)
    report(given.domains, given.seed, {**built, **worker})


def report(domains: int, seed: int, measured: dict[str, object]) -> None:
    """The table to stdout, everything to the results."""
    print(f"{'figure':32}{'measured':>12}{'at most':>12}")
    for name, value in measured.items():
        if isinstance(value, (int, float)):
            most = FIGURES.get(name)
            verdict = "" if most is None else ("" if value <= most else "  MISSED")
            print(f"{name:32}{value:>12.3f}{most if most is not None else '':>12}{verdict}")
    revision = subprocess.run(
        ["git", "-C", str(ROOT), "rev-parse", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    document = {
        "command": f".venv/bin/python loadtest/size.py --domains {domains} --seed {seed}",
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": revision,
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "figures_at_most": FIGURES,
        "measured": measured,
    }
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=2) + "\n", encoding="ascii")


def processor() -> str:
    """The processor's name, as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
