"""The side-by-side table: CPU a check-in, from connection to Parquet, of Pentrap, nginx and the bare C
floor.

make bench            or: python loadtest/bench.py [--rounds 9] [--seconds 5] [--domains 2400000]

Rounds are interleaved and their order rotates, so that a machine that grows slower during the run is
unfair to nobody. Server pinned to one core, client to another. Writes loadtest/results/bench-latest.json.
"""

import argparse
import json
import os
import random
import shutil
import sys
import time
from pathlib import Path

from bed import subjects
from bed.bench_result import machine, ratios, show, summarise
from bed.names import bench_rows
from bed.process import StartError
from bed.site import Site, free_ports, write_schedule, write_site
from bed.wrk import MissingError, compile_c, need, profiled, run_openloop, run_wrk

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
OPEN_LOOP_RATES = (2_000, 10_000)
HOSTS = 4096
BASELINES = 3
CANNED_ANSWER = b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""What the floor sends when no Pentrap takes part."""


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=5.0, help="of load, for each subject of a round")
    parser.add_argument("--domains", type=int, default=2_400_000, help="on the schedule")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--server-core", type=int, default=-1, help="default: the last one")
    parser.add_argument("--client-core", type=int, default=-1, help="default: the first one")
    parser.add_argument("--only", action="append", default=[], help="a subject; repeat for several")
    parser.add_argument("--no-open-loop", action="store_true")
    parser.add_argument(
        "--profile", action="store_true", help="perf on the server's core, once for each subject"
    )
    parser.add_argument("--directory", type=Path, default=BUILD / "bench", help="on a real disk, for sync")
    parser.add_argument(
        "--against",
        type=Path,
        help="another checkout with its .venv: its Pentrap takes part as before_write and before_sync",
    )
    parser.add_argument("--output", type=Path, default=HERE / "results" / "bench-latest.json")
    chosen = parser.parse_args(words)
    if not 1 <= chosen.rounds <= 100 or not 0.5 <= chosen.seconds <= 60:
        parser.error("--rounds 1 to 100, --seconds 0.5 to 60: loads are bounded")
    return chosen


def cores(chosen: argparse.Namespace) -> tuple[set[int], set[int]]:
    """The server's core and the client's."""
    usable = sorted(os.sched_getaffinity(0))
    server = chosen.server_core if chosen.server_core >= 0 else usable[-1]
    client = chosen.client_core if chosen.client_core >= 0 else usable[0]
    if server == client:
        raise MissingError("the bench needs two cores: one for the server, one for the client")
    return {server}, {client}


def prepare(chosen: argparse.Namespace, server: set[int]) -> tuple[list[subjects.Subject], Path]:
    """Everything that is made once: the schedule, its index, the sites, the C programs, the answer of the floor."""
    for program, package in (("nginx", "nginx-light"), ("wrk", "wrk"), ("cc", "gcc libc6-dev")):
        need(program, package)
    directory: Path = chosen.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    schedule = directory / f"schedule-{chosen.domains}-{chosen.seed}.csv"
    if not schedule.exists():
        write_schedule(schedule, bench_rows(chosen.domains, chosen.seed))
    hosts = directory / "hosts.txt"
    picked = random.Random(chosen.seed).sample(range(chosen.domains), min(HOSTS, chosen.domains))
    wanted = set(picked)
    with schedule.open() as file:
        next(file)
        names = [line.partition(",")[0] for number, line in enumerate(file) if number in wanted]
    random.Random(chosen.seed).shuffle(names)
    hosts.write_text("\n".join(names) + "\n")
    ports = free_ports(7)
    rules_cache = directory / "rules"
    shutil.rmtree(rules_cache, ignore_errors=True)  # made by this run's Pentrap, never by an earlier one's
    sites: dict[str, Site] = {}
    for number, durability in enumerate(("write", "sync")):
        sites[durability] = write_site(
            directory / f"pentrap_{durability}",
            listen=[f"tcp://127.0.0.1:{ports[number]}"],
            manage_port=ports[2 + 2 * number],
            schedule=schedule,
            durability=durability,
        )
    write = subjects.pentrap(sites["write"], rules_cache, ports[0], server)
    sync = subjects.pentrap(sites["sync"], rules_cache, ports[1], server)
    answer = CANNED_ANSWER
    if not chosen.only or any(name.startswith("pentrap") for name in chosen.only):
        print("building the index of the schedule, once …", file=sys.stderr)
        answer = first_answer(write, names[0])
    (directory / "answer.bin").write_bytes(answer)
    program = compile_c(HERE / "floor.c", BUILD)
    low = free_ports(1, ports[6] + 1)[0]
    web = subjects.nginx_parquet(directory / "nginx", ports[6], server)
    before = _before(chosen, directory, schedule, server) if chosen.against else []
    return [
        *before,
        subjects.Subject("floor", 64, subjects.floor(program, directory, low, server)),
        subjects.Subject("floor_one_segment", 64, subjects.floor(program, directory, low, server, more=True)),
        subjects.Subject("nginx_parquet", 64, web),
        subjects.Subject("pentrap_write", 64, write),
        subjects.Subject("nginx_parquet_512", 512, web),
        subjects.Subject("pentrap_sync", 512, sync),
    ], hosts


def _before(
    chosen: argparse.Namespace, directory: Path, schedule: Path, server: set[int]
) -> list[subjects.Subject]:
    """The other checkout's Pentrap, on sites and with an index of its own."""
    cache = directory / "rules_before"
    shutil.rmtree(cache, ignore_errors=True)
    made = []
    for number, (durability, connections) in enumerate((("write", 64), ("sync", 512))):
        port, manage = free_ports(2, 19_500 + 10 * number)
        site = write_site(
            directory / f"before_{durability}",
            listen=[f"tcp://127.0.0.1:{port}"],
            manage_port=manage,
            schedule=schedule,
            durability=durability,
        )
        program = chosen.against.resolve() / ".venv" / "bin" / "pentrap"
        measure = subjects.pentrap(site, cache, port, server, program)
        made.append(subjects.Subject(f"before_{durability}", connections, measure))
    return made


def first_answer(measure: subjects.Measure, host: str) -> bytes:
    """Start Pentrap once, which builds and caches the index, and ask it for its answer."""
    answers: list[bytes] = []

    def load(port: int) -> dict[str, float]:
        answers.append(subjects.ask_once(port, host))
        return {"requests": 1}

    measure(load)
    return answers[0]


def baseline(subject: subjects.Subject, seconds: float, host: str) -> int:
    """CPU time of the subject for one check-in and as long a wait as a load takes."""

    def load(port: int) -> dict[str, float]:
        subjects.ask_once(port, host)
        time.sleep(seconds)
        return {"requests": 1}

    found = sorted(subject.measure(load).cpu_us for _ in range(BASELINES))
    return found[len(found) // 2]


def one(subject: subjects.Subject, load: subjects.Load, base: int) -> dict[str, object]:
    """One measurement, checked against what the client counted."""
    cost = subject.measure(load)
    asked = int(cost.client.get("requests", cost.client.get("answered", 0)))
    return {
        "cpu_us": cost.cpu_us,
        "cpu_us_during_load": cost.load_us,
        "checkins": cost.checkins,
        "client": cost.client,
        "counts_agree": asked <= cost.checkins <= asked + subject.connections + 1,
        "during_load": round(cost.load_us / cost.checkins, 3),
        "gross": round(cost.cpu_us / cost.checkins, 3),
        "net": round((cost.cpu_us - base) / cost.checkins, 3),
        "server_core_busy": round(cost.busy, 3),
        "resident_kib": cost.resident_kib,
    }


def run(chosen: argparse.Namespace) -> dict[str, object]:
    server, client = cores(chosen)
    table, hosts = prepare(chosen, server)
    table = [subject for subject in table if not chosen.only or subject.name in chosen.only]
    first = hosts.read_text().split()[0]
    print("baselines …", file=sys.stderr)
    bases = {subject.name: baseline(subject, chosen.seconds, first) for subject in table}
    rounds: list[dict[str, object]] = []
    for number in range(chosen.rounds):
        turn = number % len(table)
        found: dict[str, object] = {}
        for subject in table[turn:] + table[:turn]:
            sheet = chosen.output.parent / f"bench-profile-{subject.name}.txt"
            profile = sheet if chosen.profile and number == 0 else None

            def load(
                port: int, connections: int = subject.connections, report: Path | None = profile
            ) -> dict[str, float]:
                with profiled(server, report):
                    return dict(run_wrk(port, connections, chosen.seconds, hosts, client))

            found[subject.name] = one(subject, load, bases[subject.name])
        rounds.append(found)
        told = "  ".join(f"{name} {row['net']}" for name, row in sorted(found.items()))  # type: ignore[index]
        print(f"round {number + 1}/{chosen.rounds}: {told}", file=sys.stderr)
    open_loop: dict[str, object] = {}
    if not chosen.no_open_loop:
        program = compile_c(HERE / "openloop.c", BUILD)
        for rate in OPEN_LOOP_RATES:
            for subject in table:
                if subject.name in {"nginx_parquet_512", "floor_one_segment"}:
                    continue

                def steady(port: int, rate: int = rate) -> dict[str, float]:
                    return run_openloop(program, port, rate, chosen.seconds, hosts, client)

                open_loop[f"{subject.name}@{rate}"] = one(subject, steady, bases[subject.name])
    return {
        **summarise(rounds),
        "ratios": ratios(rounds),
        "open_loop": open_loop,
        "baseline_cpu_us": bases,
        "domains": chosen.domains,
        "rounds": rounds,
        "settings": {"rounds": chosen.rounds, "seconds": chosen.seconds, "server_core": sorted(server),
                     "client_core": sorted(client), "connections": {s.name: s.connections for s in table}},
        **machine(),
    }  # fmt: skip


def main() -> int:
    chosen = arguments()
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    try:
        result = run(chosen)
    except (MissingError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    chosen.output.write_text(json.dumps(result, indent=1) + "\n")
    show(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
