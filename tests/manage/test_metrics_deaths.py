"""Metrics over deaths: whoever is killed, within one run of serve no counter goes back and the equation holds."""

import contextlib
import os
import random
import signal
import socket
import threading
import time
import urllib.error
import urllib.request

from collectors import Collector, exchange, get, write_operation
from prometheus_client.parser import text_string_to_metric_families

PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
KILLS = ("intake-0", "clerk", "intake-1", "clerk", "intake-0")


def counters(page: str) -> dict[str, float]:
    """Every sample that must not go back: counters, and the parts of histograms."""
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(page)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    }


class Scrapes:
    """Scrapes without end, in a thread; a clerk that is being replaced answers nobody."""

    def __init__(self, made: Collector):
        self._made = made
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seen: dict[str, float] = {}
        self.pages = 0
        self.wrong: list[str] = []

    def _run(self):
        while not self._stopping.is_set():
            try:
                page = self._made.get("/metrics").decode()
            except OSError:
                time.sleep(0.02)
                continue
            now = counters(page)
            self.wrong += [
                f"{name} fell from {value} to {now[name]}"
                for name, value in self.seen.items()
                if name in now and now[name] < value
            ]
            self.seen |= now
            fates = sum(value for name, value in now.items() if name.startswith("pentrap_checkins_total"))
            accepted = sum(
                value for name, value in now.items() if name.startswith("pentrap_checkins_accepted_total")
            )
            (still_open,) = [
                float(line.split()[1])
                for line in page.splitlines()
                if line.startswith("pentrap_checkins_open ")
            ]
            if accepted != fates + still_open:
                self.wrong.append(f"{accepted} accepted, {fates} fates, {still_open} open")
            self.pages += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(20)


def children(made: Collector) -> list[int]:
    """In the order of their birth, as the kernel lists them; numbers begin anew some time."""
    return [pid for role, pid in made.pids().items() if role != "supervisor"]


def test_counters_never_go_back_and_the_equation_holds_whoever_dies(tmp_path) -> None:
    """Workers and the clerk are killed under load, TCP, UDP and partners' requests: every page balances, no counter of any is
    less than on a page before, what was segmented and pulled before a clerk's death is still counted, and each process's
    deaths are.
    """
    made = Collector(tmp_path, settings={"intake.workers": 2, "intake.durability": "sync"})
    write_operation(tmp_path / "operations", extra='[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n')
    (tmp_path / "partners.toml").write_text(PARTNERS)
    stopping = threading.Event()

    def load(number: int) -> None:
        order = random.Random(number)
        while not stopping.is_set():
            with contextlib.suppress(OSError):
                if order.random() < 0.2:
                    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                        sock.sendto(b"x", ("127.0.0.1", made.udp_port))
                elif order.random() < 0.1:
                    with contextlib.suppress(urllib.error.HTTPError):
                        urllib.request.urlopen(f"http://127.0.0.1:{made.pull_port}/v1/key", timeout=5).close()
                else:
                    exchange(made.port, get(order.choice((b"evil-one.com", b"unlisted.example"))))

    with made.start():
        roles = dict(zip(("intake-0", "intake-1", "clerk"), children(made), strict=True))
        threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        with Scrapes(made) as scrapes:
            time.sleep(1.5)  # so that a journal has become Parquet
            before = dict(scrapes.seen)
            for role in KILLS:
                old = set(children(made))
                os.kill(roles[role], signal.SIGKILL)
                until = time.monotonic() + 15
                while not (new := set(children(made)) - old):
                    assert time.monotonic() < until
                    time.sleep(0.01)
                (roles[role],) = new
                time.sleep(0.4)
            deaths = {
                f"pentrap_process_restarts_total[('process', '{role}')]": KILLS.count(role) for role in roles
            }
            until = time.monotonic() + 20
            while {name: scrapes.seen.get(name) for name in deaths} != deaths and time.monotonic() < until:
                time.sleep(0.1)
        stopping.set()
        for thread in threads:
            thread.join()
        after = scrapes.seen
        assert scrapes.wrong == []
        assert scrapes.pages > 50
        assert {name: after[name] for name in deaths} == deaths, made.log_file.read_text()
        for name in (
            "pentrap_segments_rows_total",
            "process_cpu_seconds_total",
            "pentrap_pull_requests_total",
        ):
            was, now = (sum(v for key, v in seen.items() if key.startswith(name)) for seen in (before, after))
            assert now >= was > 0, name
        fates = made.settled_fates(int(after["pentrap_checkins_accepted_total[('transport', 'tcp')]"]))
        assert fates["open"] == 0
        assert made.stop() == 0
