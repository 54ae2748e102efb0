"""The servers that the bench compares, each measured from connection to Parquet.

What is counted: CPU time, user and system, of the whole process tree from the moment it was ready until
it had ended by itself, plus, for nginx, of the process that turns its log into Parquet. Pentrap's clerk
is part of its tree, and a clean stop seals everything, so nothing is left to do afterwards.

Start-up is left out by reading the tree's CPU time at readiness (from /proc, 10 ms a process; the index
of the schedule is built before the first round). A baseline of each subject, the same with one check-in
instead of a load, is taken in the same run: it holds what does not depend on the number of check-ins (the
stop, the start of DuckDB or of pyarrow's writer, timers). The bench reports both: `gross`, and `net` with
the baseline subtracted.
"""

import json
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
from clients.metrics import balanced, fate_counts, settled

from bed import collector, nginx
from bed.process import Process, StartError
from bed.rows import journal_files, segment_files
from bed.site import Site

Load = Callable[[int], dict[str, float]]
"""Puts load on a port; what the client counted."""


class Cost(NamedTuple):
    """One measurement."""

    cpu_us: int
    load_us: int
    """The part of it that had been used when the load ended; the rest is sealing, converting, stopping."""
    checkins: int
    """By the server's own account: rows in Parquet, or for the floor its own count."""
    client: dict[str, float]
    busy: float
    """CPU time between readiness and the load's end, as a share of wall time: 1.0 is one core full."""
    resident_kib: int


Measure = Callable[[Load], Cost]


class Subject(NamedTuple):
    """One row of the table: how it is measured under a load."""

    name: str
    connections: int
    measure: Measure


def ask_once(port: int, host: str, size: int = 65536) -> bytes:
    """One check-in; the answer's bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := sock.recv(size):
            answer += data
        return answer


class Watched(NamedTuple):
    """What was seen of a process between readiness and the end of the load."""

    at_ready_us: int
    at_end_us: int
    seconds: float
    client: dict[str, float]
    resident_kib: int

    def cost(self, total_us: int, checkins: int) -> Cost:
        """The measurement, once the process has ended; `total_us`: of its whole life, and what came after it."""
        during = self.at_end_us - self.at_ready_us
        busy = during / 1e6 / self.seconds
        whole = total_us - self.at_ready_us
        return Cost(whole, during, checkins, self.client, busy, self.resident_kib)


def _watch(process: Process, port: int, load: Load) -> Watched:
    before, began = process.cpu_us(), time.monotonic()
    client = load(port)
    seconds = time.monotonic() - began
    return Watched(before, process.cpu_us(), seconds, client, process.resident_kib())


def _wait_listening(process: Process, port: int) -> None:
    until = time.monotonic() + 10
    while process.alive() and time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    process.kill()
    raise StartError(f"nothing listens on {port}:\n{process.tail()}")


def floor(program: Path, directory: Path, port: int, cpus: set[int], more: bool = False) -> Measure:
    """The bare C floor, sending Pentrap's own answer; `more`: in one segment with its FIN."""

    def measure(load: Load) -> Cost:
        words = [str(program), str(port), str(directory / "answer.bin"), *(["more"] if more else [])]
        with Process(words, directory / "floor.out", cpus) as process:
            until = time.monotonic() + 5
            while "ready" not in process.tail() and process.alive() and time.monotonic() < until:
                time.sleep(0.02)
            seen = _watch(process, port, load)
            _, total = process.stop()
        own = json.loads(next(line for line in process.tail().splitlines() if line.startswith("{")))
        return seen.cost(total, own["answered"])

    return measure


def nginx_parquet(directory: Path, port: int, cpus: set[int]) -> Measure:
    """Nginx and DuckDB."""

    def measure(load: Load) -> Cost:
        with nginx.start(directory, port, cpus) as process:
            _wait_listening(process, port)
            seen = _watch(process, port, load)
            time.sleep(nginx.FLUSH_SECONDS + 0.3)
            _, total = process.stop()
        rows, converting = nginx.convert(directory, cpus)
        return seen.cost(total + converting, rows)

    return measure


def pentrap(site: Site, rules_cache: Path, port: int, cpus: set[int], program: Path | None = None) -> Measure:
    """Pentrap, on an empty data_dir but for the compiled rules, which are linked from the cache.

    `program`: the command of another checkout, to compare two releases.
    """

    def measure(load: Load) -> Cost:
        shutil.rmtree(site.data, ignore_errors=True)
        if rules_cache.exists():
            site.data.mkdir(mode=0o700)
            shutil.copytree(rules_cache, site.data / "rules", copy_function=_link)
        with collector.start(site, cpus, program) as process:
            seen = _watch(process, port, load)
            counters = settled(site.metrics)
            code, total = process.stop()
        if not rules_cache.exists():
            shutil.copytree(site.data / "rules", rules_cache)
        rows = sum(pq.read_metadata(file).num_rows for file in segment_files(site.data))
        recorded = fate_counts(counters)["recorded"]
        if code or rows != recorded or not balanced(counters) or journal_files(site.data):
            raise StartError(
                f"exit code {code}, {rows} rows, {recorded} recorded, balanced: {balanced(counters)}, "
                f"journals left: {len(journal_files(site.data))}\n{process.tail()}"
            )
        return seen.cost(total, rows)

    return measure


def _link(source: str, target: str) -> str:
    Path(target).hardlink_to(source)
    return target
