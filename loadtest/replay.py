"""Replay captured client connections against a collector of its own; exit 1 on any disagreement.

python loadtest/replay.py [--captures ../shared/captures/streams.jsonl] [--rounds 3]

A schedule is made from the hosts named in the captures; the collector runs in a temporary directory, with
an order in force today, on loopback ports. Each stream is one connection from a source address of its
own, its segments sent one by one; whatever is captured is sent to the end, answers are read un-reset.
After a clean stop the Parquet is read with pyarrow and with DuckDB and compared, stream by stream, with
what each should give. Nothing of the captures is kept. Writes loadtest/results/replay-latest.json.
"""

import argparse
import contextlib
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from bed import collector
from bed.bench_result import machine
from bed.process import StartError
from bed.rows import Event, count_arrow, count_duckdb, events, journal_files, read_arrow, segment_files
from bed.site import Row, free_ports, write_schedule, write_site
from clients.captures import Stream, Wanted, read_streams, schedule_of, wanted
from clients.ledger import answered
from clients.metrics import Counters, balanced, fate_counts, settled
from clients.targets import source_address

ROOT = Path(__file__).resolve().parents[1]
GAP_SECONDS = 0.005
TIMEOUT_SECONDS = 20.0
AT_ONCE = 16


class Played(NamedTuple):
    """One stream, played."""

    stream: Stream
    want: Wanted
    source: str
    answer: bytes
    how: str
    """fin, rst or timeout"""

    @property
    def answered(self) -> bool:
        if self.want.application is None:
            return self.how == "fin"
        return answered(self.want.application, self.answer, self.how)


def play(stream: Stream, source: str, port: int, gap_seconds: float) -> Played:
    """One connection; all of the stream is sent, whether or not the answer came before its end."""
    answer, how = b"", "fin"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", port))
        try:
            for number, segment in enumerate(stream.segments):
                if number:
                    time.sleep(gap_seconds)
                sock.sendall(segment)
            while data := sock.recv(65536):
                answer += data
        except TimeoutError:
            how = "timeout"
        except OSError:
            how = "rst"
    return Played(stream, wanted(stream), source, answer, how)


def disagreements(played: list[Played], rows: list[Event]) -> list[dict[str, object]]:
    """Streams whose rows are not what they should be, and rows of no stream."""
    by_source: dict[str, list[Event]] = {}
    for row in rows:
        by_source.setdefault(row.key[0], []).append(row)
    found: list[dict[str, object]] = []
    for one in played:
        there = by_source.pop(one.source, [])
        problems = []
        if len(there) != int(one.want.recorded):
            problems.append(f"{len(there)} rows, expected {int(one.want.recorded)}")
        problems += [
            f"domain {row.domain!r}, expected {one.want.domain!r}"
            for row in there
            if row.domain != one.want.domain
        ]
        problems += [
            f"application {row.application}, expected {one.want.application}"
            for row in there
            if row.application != one.want.application
        ]
        if not one.answered:
            problems.append(f"not answered: {one.how}, {len(one.answer)} bytes")
        if problems:
            found.append({"id": one.stream.identity, "source": one.stream.source, "problems": problems})
    found += [{"id": None, "source": source, "problems": ["rows of no stream"]} for source in by_source]
    return found


def fates_wanted(played: list[Played]) -> Counter[str]:
    """All that is not recorded has no listed name: out of scope, or a head of no use."""
    return Counter("recorded" if one.want.recorded else "other" for one in played)


def run(chosen: argparse.Namespace, directory: Path) -> dict[str, object]:
    streams = read_streams(chosen.captures)
    domains = schedule_of(streams)
    schedule = directory / "captured.csv"
    write_schedule(schedule, (Row(domain) for domain in domains))
    ports = free_ports(4)
    site = write_site(
        directory,
        listen=[f"tcp://127.0.0.1:{ports[0]}", f"tcp://127.0.0.1:{ports[1]}"],
        manage_port=ports[2],
        schedule=schedule,
        workers=2,
        volume=True,
    )
    process = collector.start(site)
    began = time.monotonic()
    try:
        jobs = [
            (stream, source_address(chosen.rounds * 10_000 + turn * len(streams) + number), ports[number % 2])
            for turn in range(chosen.rounds)
            for number, stream in enumerate(streams)
        ]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            played = list(pool.map(lambda job: play(*job, chosen.gap_ms / 1000), jobs))
        seconds = time.monotonic() - began
        counters = settled(site.metrics)
        code, _ = process.stop()
    except BaseException:
        with contextlib.suppress(OSError):
            process.kill()
        raise
    return judge(site.data, played, counters, code) | {
        "streams": len(streams),
        "rounds": chosen.rounds,
        "seconds": round(seconds, 1),
        "domains_listed": len(domains),
    }


def judge(data: Path, played: list[Played], counters: Counters, code: int) -> dict[str, object]:
    """The comparison."""
    files = segment_files(data)
    rows = events(read_arrow(files))
    found = disagreements(played, rows)
    fates = {fate: count for fate, count in fate_counts(counters).items() if count}
    want = fates_wanted(played)
    others = fates.get("suppressed_scope", 0) + fates.get("rejected_parse", 0)
    checks = {
        "streams_agree": not found,
        "pyarrow_and_duckdb_count_the_same": count_arrow(rows) == count_duckdb(files),
        "recorded_by_metrics": fates.get("recorded", 0) == want["recorded"] == len(rows),
        "everything_else_by_metrics": others == want["other"] and sum(fates.values()) == len(played),
        "equation_balanced": balanced(counters),
        "stopped_cleanly": code == 0 and not journal_files(data),
    }
    return {
        "holds": all(checks.values()),
        "checks": checks,
        "connections": len(played),
        "answered": sum(one.answered for one in played),
        "rows": len(rows),
        "rows_by_application": Counter(row.application for row in rows),
        "fates": fates,
        "streams_by_reason": Counter(one.want.reason for one in played),
        "disagreements": found,
    }


def show(result: dict[str, object]) -> None:
    for name in ("streams", "rounds", "connections", "answered", "domains_listed", "rows", "rows_by_application",
                 "fates", "streams_by_reason", "seconds"):  # fmt: skip
        value = result[name]
        print(f"  {name:<20} {dict(value) if isinstance(value, Counter) else value}")
    checks, found = result["checks"], result["disagreements"]
    assert isinstance(checks, dict)
    assert isinstance(found, list)
    for name, good in checks.items():
        print(f"  {name:<36} {'yes' if good else 'NO'}")
    for row in found[:40]:
        print(f"  {row['id']} {row['source']}: {'; '.join(row['problems'])}")
    print("captures and rows agree" if result["holds"] else f"{len(found)} DISAGREEMENTS")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--captures", type=Path, default=ROOT.parent / "shared" / "captures" / "streams.jsonl"
    )
    parser.add_argument("--rounds", type=int, default=1, choices=range(1, 101), metavar="1…100")
    parser.add_argument("--gap-ms", type=float, default=GAP_SECONDS * 1000, help="between two segments")
    parser.add_argument("--output", type=Path, default=ROOT / "loadtest" / "results" / "replay-latest.json")
    chosen = parser.parse_args()
    if not chosen.captures.exists():
        print(f"{chosen.captures}: no captures here; name them with --captures", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="pentrap-replay-") as directory:
        try:
            result = run(chosen, Path(directory))
        except StartError as error:
            print(error, file=sys.stderr)
            return 1
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(result | machine(), indent=1) + "\n")
    show(result)
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
