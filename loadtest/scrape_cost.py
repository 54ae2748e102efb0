"""What /metrics costs: scraped 10 times a second while 5,000 check-ins a second come in; exit 1 at 1 % of a core or more.

    .venv/bin/python loadtest/scrape_cost.py [--rate 5000] [--scrapes 10] [--seconds 10] [--rounds 5] [--workers 2]

One collector (durability sync), one load (openloop.c) from beginning to end; periods with scrapes and periods without
take turns. The scraper keeps its connection and asks with the headers of a Prometheus server. A scrape is served by the clerk's
main thread, whose CPU time the kernel counts in nanoseconds (/proc/<pid>/task/<tid>/schedstat): the figure is the median over
the rounds of the difference between a round's two periods, by the second. Beside it stand the time of all of the clerk's
threads, which convert journals meanwhile, how long a scrape took, and what became of the check-ins. The equation is looked
at in every page. Writes loadtest/results/scrape-cost.json.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from bed import collector
from bed.bench_result import machine
from bed.names import bench_rows
from bed.process import Process, StartError, tree
from bed.site import Site, free_ports, write_schedule, write_site
from bed.wrk import MissingError, compile_c, run_openloop
from clients.metrics import balanced, fate_counts, parse_metrics, settled

HERE = Path(__file__).resolve().parent
FIGURE = 0.01
"""Of a core, at most."""
DOMAINS = 2000
WARM_SECONDS = 3.0
HEADERS = {
    "User-Agent": "Prometheus/2.42.0",
    "Accept": "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}


class Scraper:
    """Asks for the page at fixed times, on one connection."""

    def __init__(self, site: Site) -> None:
        self._connection = http.client.HTTPConnection(site.manage, timeout=10)
        self.seconds: list[float] = []
        self.series = self.bytes = 0
        self.unbalanced = 0

    def ask(self) -> None:
        """One scrape."""
        began = time.monotonic()
        self._connection.request("GET", "/metrics", headers=HEADERS)
        page = self._connection.getresponse().read().decode()
        self.seconds.append(time.monotonic() - began)
        self.series, self.bytes = sum(not line.startswith("#") for line in page.splitlines()), len(page)
        self.unbalanced += not balanced(parse_metrics(page))

    def scrape_for(self, seconds: float, rate: float) -> None:
        """`rate` scrapes a second."""
        began = time.monotonic()
        for number in range(int(seconds * rate)):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            self.ask()
        time.sleep(max(0.0, began + seconds - time.monotonic()))


def cpu_ns(pid: int) -> tuple[int, int]:
    """CPU time of a process's main thread, and of all its threads that live."""
    threads = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            threads[int(task.name)] = int((task / "schedstat").read_text().split()[0])
    return threads[pid], sum(threads.values())


def clerk_of(process: Process) -> int:
    """The clerk, who is forked last and whose children come later."""
    (path,) = Path(f"/proc/{process.pid}/task/{process.pid}").glob("children")
    return max(map(int, path.read_text().split()))


def measure(chosen: argparse.Namespace, site: Site, clerk: int) -> tuple[list[dict[str, float]], Scraper]:
    """The rounds: each a period without scrapes and one with."""
    scraper, rounds = Scraper(site), []
    for number in range(chosen.rounds):
        found: dict[str, float] = {}
        for name in ("quiet", "scraped") if number % 2 == 0 else ("scraped", "quiet"):
            began, (main, every) = time.monotonic(), cpu_ns(clerk)
            if name == "scraped":
                scraper.scrape_for(chosen.seconds, chosen.scrapes)
            else:
                time.sleep(chosen.seconds)
            took, (main_after, every_after) = time.monotonic() - began, cpu_ns(clerk)
            found[f"{name}_main_thread"] = round((main_after - main) / 1e9 / took, 5)
            found[f"{name}_all_threads"] = round((every_after - every) / 1e9 / took, 5)
        found["cost"] = round(found["scraped_main_thread"] - found["quiet_main_thread"], 5)
        print(f"round {number + 1}: {found['cost']:.2%} of a core", file=sys.stderr)
        rounds.append(found)
    return rounds, scraper


def run(chosen: argparse.Namespace, directory: Path) -> dict[str, Any]:
    schedule, hosts = directory / "schedule.csv", directory / "hosts.txt"
    rows = list(bench_rows(DOMAINS, 1))
    write_schedule(schedule, rows)
    hosts.write_text("\n".join(row.domain for row in rows) + "\n")
    ports = free_ports(3)
    site = write_site(
        directory / "site",
        listen=[f"tcp://127.0.0.1:{ports[0]}"],
        manage_port=ports[1],
        schedule=schedule,
        workers=chosen.workers,
    )
    program = compile_c(HERE / "openloop.c", HERE / "build")
    client: dict[str, float] = {}
    lasts = WARM_SECONDS * 2 + 2 * chosen.rounds * chosen.seconds
    with collector.start(site) as process:
        clerk = clerk_of(process)
        assert clerk in tree(process.pid)

        def load() -> None:
            client.update(run_openloop(program, ports[0], chosen.rate, lasts, hosts, {0, 1}))

        thread = threading.Thread(target=load)
        thread.start()
        time.sleep(WARM_SECONDS)
        rounds, scraper = measure(chosen, site, clerk)
        under_way = thread.is_alive()
        thread.join()
        counters = settled(site.metrics)
        process.stop()
    cost = statistics.median(row["cost"] for row in rounds)
    seconds = sorted(scraper.seconds)
    return {
        "cost_of_a_core": round(cost, 5),
        "figure": FIGURE,
        "reached": cost < FIGURE and not scraper.unbalanced and under_way,
        "a_scrape_ms": {
            "cpu": round(cost / chosen.scrapes * 1e3, 3),
            "took_p50": round(seconds[len(seconds) // 2] * 1e3, 2),
            "took_p99": round(seconds[int(len(seconds) * 0.99)] * 1e3, 2),
        },
        "scrapes": len(seconds),
        "unbalanced_pages": scraper.unbalanced,
        "series": scraper.series,
        "bytes": scraper.bytes,
        "load": client,
        "load_lasted_beyond_the_rounds": under_way,
        "fates": {name: count for name, count in fate_counts(counters).items() if count},
        "balanced": balanced(counters),
        "rounds": rounds,
        "settings": vars(chosen),
        **machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=5000, help="check-ins a second")
    parser.add_argument("--scrapes", type=float, default=10, help="scrapes a second")
    parser.add_argument("--seconds", type=float, default=10, help="of a period")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    chosen = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="pentrap-scrape-") as temporary:
            result = run(chosen, Path(temporary))
    except (MissingError, StartError) as error:
        print(error, file=sys.stderr)
        return 1
    path = HERE / "results" / "scrape-cost.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{result['cost_of_a_core']:.2%} of a core for {chosen.scrapes:g} scrapes a second of {result['series']} series, "
        f"{result['a_scrape_ms']} ms each; {path}"
    )
    return 0 if result["reached"] else 1


if __name__ == "__main__":
    sys.exit(main())
