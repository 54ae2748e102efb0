"""Ten thousand check-ins across an order's end; exit 1 unless all are answered and none is recorded beyond it.

python loadtest/order_end.py [--count 10000] [--seconds 20]

A collector of its own, on loopback, with an order that ends in the middle of the load. Check-ins are spread evenly
around that instant, one connection and one source address each; a client notes when it began to connect and when it
had its answer. Afterwards: recorded + suppressed_window = all; every row's time is before the end; who was answered
before the end has a row; who began to connect at the end or later has none. Writes loadtest/results/order-end.json.
"""

import argparse
import contextlib
import json
import re
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bed import collector
from bed.bench_result import machine
from bed.process import StartError
from bed.rows import count_arrow, count_duckdb, events, journal_files, read_arrow, segment_files
from bed.site import Row, Site, free_ports, write_schedule, write_site
from clients.metrics import balanced, fate_counts, settled
from clients.targets import source_address

ROOT = Path(__file__).resolve().parents[1]
DOMAIN = "evil-one.com"
HEAD = f"GET / HTTP/1.1\r\nHost: {DOMAIN}\r\n\r\n".encode()
AT_ONCE = 32
START_SECONDS = 5.0
"""Left for the collector to start, before the load begins."""
TIMEOUT_SECONDS = 20.0


class Asked(NamedTuple):
    """One check-in, by the client's clock in microseconds, which is the collector's."""

    source: tuple[str, int]
    began_us: int
    answered_us: int
    answered: bool


def ask(number: int, port: int, at: float) -> Asked:
    """Connect at an instant of the monotonic clock, send a head, read to the end."""
    time.sleep(max(0.0, at - time.monotonic()))
    answer, how = b"", "fin"
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(TIMEOUT_SECONDS)
        sock.bind((source_address(number), 0))
        began_us = time.time_ns() // 1000
        source = sock.getsockname()
        try:
            sock.connect(("127.0.0.1", port))
            sock.sendall(HEAD)
            while data := sock.recv(4096):
                answer += data
        except OSError:
            how = "broken"
    whole = how == "fin" and answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"\r\n\r\n")
    return Asked((source[0], source[1]), began_us, time.time_ns() // 1000, whole)


def ending_at(site: Site, ends: datetime) -> None:
    """Give the site's order this end."""
    text = site.operation.read_text()
    text = re.sub(r"(?m)^ends = .*$", f"ends = {ends.isoformat().replace('+00:00', 'Z')}", text)
    site.operation.write_text(text)


def run(chosen: argparse.Namespace, directory: Path) -> dict[str, object]:
    schedule = directory / "schedule.csv"
    write_schedule(schedule, [Row(DOMAIN)])
    ports = free_ports(3)
    site = write_site(
        directory,
        listen=[f"tcp://127.0.0.1:{ports[0]}"],
        manage_port=ports[1],
        schedule=schedule,
        workers=chosen.workers,
        durability=chosen.durability,
    )
    ends = datetime.now(UTC) + timedelta(seconds=START_SECONDS + chosen.seconds / 2)
    ending_at(site, ends)
    process = collector.start(site)
    try:
        left = (ends - datetime.now(UTC)).total_seconds()
        first = time.monotonic() + left - chosen.seconds / 2
        if left < chosen.seconds / 4:
            print(
                "the collector took long to start; if one side is missing, try --seconds 40", file=sys.stderr
            )
        instants = [first + number * chosen.seconds / chosen.count for number in range(chosen.count)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            asked = list(pool.map(lambda job: ask(job[0], ports[0], job[1]), enumerate(instants)))
        counters = settled(site.metrics)
        code, _ = process.stop()
    except BaseException:
        with contextlib.suppress(OSError):
            process.kill()
        raise
    ends_us = (ends - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    fates = {fate: count for fate, count in fate_counts(counters).items() if count}
    return judge(site.data, asked, ends_us, fates) | {
        "equation_balanced": balanced(counters),
        "exit_code": code,
        "durability": chosen.durability,
        "workers": chosen.workers,
        "seconds": chosen.seconds,
        "order_ended": ends.isoformat(),
    }


def judge(data: Path, asked: list[Asked], ends_us: int, fates: dict[str, int]) -> dict[str, object]:
    """The comparison, check-in by check-in."""
    files = segment_files(data)
    rows = events(read_arrow(files))
    times = {row.key[:2]: row.time_us for row in rows}
    before = [one for one in asked if one.answered_us < ends_us]
    after = [one for one in asked if one.began_us >= ends_us]
    checks = {
        "all_answered": all(one.answered for one in asked),
        "none_recorded_at_or_after_the_end": all(row.time_us < ends_us for row in rows),
        "all_answered_before_the_end_are_recorded": all(one.source in times for one in before),
        "none_that_began_after_the_end_is_recorded": not any(one.source in times for one in after),
        "recorded_and_suppressed_window_are_all": fates.get("recorded", 0) + fates.get("suppressed_window", 0)
        == sum(fates.values())
        == len(asked),
        "rows_are_the_recorded": len(rows) == len(times) == fates.get("recorded", 0),
        "pyarrow_and_duckdb_count_the_same": count_arrow(rows) == count_duckdb(files),
        "both_sides_seen": bool(before) and bool(after),
        "no_journal_left": not journal_files(data),
    }
    return {
        "holds": all(checks.values()),
        "checks": checks,
        "check_ins": len(asked),
        "answered": sum(one.answered for one in asked),
        "answered_before_the_end": len(before),
        "begun_after_the_end": len(after),
        "between": len(asked) - len(before) - len(after),
        "fates": fates,
        "rows": len(rows),
        "last_row_before_the_end_us": min((ends_us - row.time_us for row in rows), default=None),
        "first_check_in_after_the_end_us": min((one.began_us - ends_us for one in after), default=None),
    }


def show(result: dict[str, object]) -> None:
    checks = result["checks"]
    assert isinstance(checks, dict)
    for name, value in result.items():
        if name != "checks":
            print(f"  {name:<32} {value}")
    for name, good in checks.items():
        print(f"  {name:<44} {'yes' if good else 'NO'}")
    print("the order's end holds" if result["holds"] else "THE ORDER'S END DOES NOT HOLD")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="over which the check-ins are spread")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--durability", choices=("sync", "write"), default="sync")
    parser.add_argument("--output", type=Path, default=ROOT / "loadtest" / "results" / "order-end.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pentrap-order-end-") as directory:
        try:
            result = run(chosen, Path(directory))
        except StartError as error:
            print(error, file=sys.stderr)
            return 1
    chosen.output.parent.mkdir(parents=True, exist_ok=True)
    chosen.output.write_text(json.dumps(result | machine(), indent=1) + "\n")
    show(result)
    return 0 if result["holds"] and result["equation_balanced"] and not result["exit_code"] else 1


if __name__ == "__main__":
    sys.exit(main())
