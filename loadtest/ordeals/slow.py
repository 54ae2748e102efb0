"""Slow and many: whoever dawdles costs the honest nothing, is cut at the deadline, and every one has a fate.

dawdle        slowhttptest in one of its modes with thousands of connections, for several head deadlines, while an honest
              machine checks in every 50 ms (open loop: latency counts from when it was due) and twenty own dawdlers measure
              when they are cut
starve        the worker is left with few descriptors (prlimit) and several times as many half-heads arrive: its CPU time shows
              whether it spins; an honest machine is answered again once they are gone
"""

import contextlib
import resource
import shutil
import socket
import statistics
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from clients.targets import source_address
from collectors import Collector

from ordeals.memory import HALF_A_HEAD, open_idle
from ordeals.world import (
    audit,
    checks_in,
    journals_left,
    make_collector,
    more_descriptors,
    roles,
    rows_of,
    start_whole,
)

PROBE_SECONDS = 0.05
PROBE_FROM = "127.0.0.9"
P99_SECONDS = 0.250
DEADLINE_SECONDS = 3
CUT_LATE_SECONDS = 0.35
"""How late after the deadline a cut may come: the timer's grain, and a busy machine."""
MODES = {"headers": ["-H"], "body": ["-B"], "read": ["-X", "-w", "1", "-y", "8", "-z", "1", "-n", "2"]}
STARVED_DEADLINE_SECONDS = 3
CPU_SHARE_MAX = 0.35
TICKS = 100.0


class Probe:
    """An honest machine that checks in every 50 ms, each at its planned time, until stopped."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopping = threading.Event()
        self.seconds: list[float] = []
        self.unanswered = 0
        self._threads: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            thread = threading.Thread(target=self._one, args=(due,))
            thread.start()
            self._threads.append(thread)
            due += PROBE_SECONDS

    def _one(self, due: float) -> None:
        if checks_in(self._port, PROBE_FROM, b"evil-one.com", timeout=10):
            self.seconds.append(time.monotonic() - due)
        else:
            self.unanswered += 1

    def stop(self) -> dict[str, Any]:
        """What became of them."""
        self._stopping.set()
        self._thread.join()
        for thread in self._threads:
            thread.join(15)
        ordered = sorted(self.seconds)
        return {
            "made": len(self._threads),
            "answered": len(ordered),
            "p50_ms": round(statistics.median(ordered) * 1000, 1) if ordered else None,
            "p99_ms": round(ordered[int(0.99 * (len(ordered) - 1))] * 1000, 1) if ordered else None,
            "max_ms": round(ordered[-1] * 1000, 1) if ordered else None,
        }


def cut_after(port: int, number: int) -> float:
    """Seconds until a dawdler that goes on sending a byte now and then is told FIN."""
    with socket.socket() as sock:
        sock.bind((f"127.0.1.{number + 1}", 0))
        sock.settimeout(0.4)
        sock.connect(("127.0.0.1", port))
        sock.sendall(HALF_A_HEAD)
        began = time.monotonic()
        while time.monotonic() - began < DEADLINE_SECONDS * 4:
            try:
                if not sock.recv(4096):
                    break
            except TimeoutError:
                sock.sendall(b"x")
            except OSError:
                break
        return time.monotonic() - began


def dawdle(folder: Path, *, mode: str, connections: int, seconds: int) -> dict[str, Any]:
    """One mode of slowhttptest."""
    if shutil.which("slowhttptest") is None:
        return {"holds": False, "cannot_run": "slowhttptest is not installed"}
    more_descriptors()
    collector, _ = make_collector(
        folder,
        intake__head_deadline_seconds=DEADLINE_SECONDS,
        intake__durability="sync",
        segments__seal_seconds=5,
    )
    words = ["slowhttptest", *MODES[mode], "-c", str(connections), "-r", str(connections // 2), "-i", "1",
             "-l", str(seconds), "-v", "0", "-u", f"http://127.0.0.1:{collector.port}/"]  # fmt: skip
    with collector:
        start_whole(collector)
        probe = Probe(collector.port)
        peak = 0
        cuts: list[float] = []
        own = [
            threading.Thread(target=lambda n=n: cuts.append(cut_after(collector.port, n))) for n in range(20)
        ]
        # It opens its connections once: over and over keeps thousands there for the whole time.
        until = time.monotonic() + seconds
        slow: subprocess.Popen[bytes] | None = None
        rounds = 0
        while time.monotonic() < until:
            if slow is None or slow.poll() is not None:
                slow = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                rounds += 1
            time.sleep(0.1)
            peak = max(peak, collector.fates()["open"])
            if own and time.monotonic() > until - seconds / 2:
                for thread in own:
                    thread.start()
                started, own = own, []
        assert slow is not None
        slow.terminate()
        slow.wait(10)
        for thread in started:
            thread.join(DEADLINE_SECONDS * 5)
        honest = probe.stop()
        time.sleep(DEADLINE_SECONDS + 0.5)
        fates = collector.settled_fates(0)
        code = collector.stop()
        rows = sum(row.key[0] == PROBE_FROM for row in rows_of(collector.data))
    late = max(cuts) - DEADLINE_SECONDS
    holds = (
        honest["answered"] == honest["made"] == rows
        and honest["p99_ms"] <= P99_SECONDS * 1000
        and late <= CUT_LATE_SECONDS
        and min(cuts) >= DEADLINE_SECONDS - 0.1
        and fates["open"] == 0
        and code == 0
        and fates["accepted"] >= connections / 2
    )
    return {
        "holds": holds,
        "mode": mode,
        "connections": connections,
        "slowhttptest_runs": rounds,
        "open_at_most": peak,
        "probe": honest,
        "probe_rows": rows,
        "own_dawdlers_cut_after_seconds": {"min": round(min(cuts), 3), "max": round(max(cuts), 3)},
        "deadline_seconds": DEADLINE_SECONDS,
        "fates": fates,
        "exit": code,
    }


def cpu_seconds(pid: int) -> float:
    """CPU time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def open_greedy(port: int, seconds: float, each_second: int) -> list[socket.socket]:
    """Connections that ask, are answered, and never close: each holds a descriptor of the worker for a second."""
    made: list[socket.socket] = []
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        while len(made) < now * each_second:
            sock = socket.socket()
            sock.setblocking(False)
            sock.bind((source_address(len(made) % 500), 0))
            with contextlib.suppress(OSError):
                sock.connect(("127.0.0.1", port))
            with contextlib.suppress(OSError):
                sock.send(b"GET / HTTP/1.1\r\nHost: evil-one.com\r\n\r\n")
            made.append(sock)
        time.sleep(0.005)
    return made


def starve(folder: Path, *, descriptors: int, connections: int, later: bool) -> dict[str, Any]:
    """Leave the worker with `descriptors`, from its start or (`later`) taken from it while it runs, and send too many.

    From its start the collector knows its limit and keeps some for its journal, so nothing is dropped but by a cap. Taken
    from it while it runs, the journal may find none to open a file with: dropped_disk, counted.
    """
    more_descriptors()
    collector, _ = make_collector(
        folder, intake__head_deadline_seconds=STARVED_DEADLINE_SECONDS, segments__seal_seconds=0.2
    )
    if not later:
        collector.wrapper = ["prlimit", f"--nofile={descriptors}:{descriptors}"]
    with collector:
        start_whole(collector)
        until = time.monotonic() + 10
        while "worker-0" not in (who := roles(collector)) and time.monotonic() < until:
            time.sleep(0.05)
        worker = who["worker-0"]
        if later:
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (descriptors, descriptors))
        began, used = time.monotonic(), cpu_seconds(worker)
        socks = open_idle(collector.port, connections // 2, 0)
        socks += open_greedy(collector.port, 2.5, connections // 5)
        share = (cpu_seconds(worker) - used) / (time.monotonic() - began)
        held = len(list(Path(f"/proc/{worker}/fd").iterdir()))
        during = collector.fates()
        for sock in socks:
            sock.close()
        answered_again = _until_answered(collector)
        after = [checks_in(collector.port, PROBE_FROM, b"evil-one.com") for _ in range(20)]
        fates = collector.settled_fates(0, wait=STARVED_DEADLINE_SECONDS * 5)
        alive = roles(collector).get("worker-0") == worker
        code = collector.stop()
        account = audit(collector.data, "stopped")[-1]
        rows = len(rows_of(collector.data))
        left = journals_left(collector.data)
    holds = (
        share <= CPU_SHARE_MAX
        and held <= descriptors
        and all(after)
        and answered_again <= STARVED_DEADLINE_SECONDS * 2
        and account["dropped_overload"] > 0
        and (later or account["dropped_disk"] == 0)
        and account["open"] == account["dropped_crash"] == 0
        and rows == account["recorded"]
        and alive
        and code == 0
        and not left
    )
    return {
        "holds": holds,
        "descriptors": descriptors,
        "taken_while_running": later,
        "connections": len(socks),
        "worker_cpu_share": round(share, 3),
        "descriptors_held": held,
        "fates_during": during,
        "answered_again_after_seconds": round(answered_again, 2),
        "answered_afterwards": sum(after),
        "fates": fates,
        "rows": rows,
        "worker_survived": alive,
        "exit": code,
        "journals_left": left,
    }


def _until_answered(collector: Collector) -> float:
    began = time.monotonic()
    while not checks_in(collector.port, PROBE_FROM) and time.monotonic() - began < 60:
        time.sleep(0.05)
    return time.monotonic() - began
