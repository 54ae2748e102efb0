"""A worker dies: its queue survives it, its journal is recovered, and one that dies over and over is started with pauses."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from collectors import Collector
from ordeals import every_call, kills
from ordeals.every_call import ask
from ordeals.world import (
    Steady,
    audit,
    command,
    judge,
    kill,
    make_collector,
    roles,
    rows_of,
    start_measured,
    start_whole,
)

from collector.journal.names import list_journals

EXIT_MISTAKE = 2


def test_connections_that_wait_for_a_dead_worker_are_served_by_its_replacement(tmp_path: Path) -> None:
    """Thirty machines connect and speak while the worker sleeps, it is killed: all thirty are answered and recorded once."""
    collector, _ = make_collector(tmp_path)
    with collector:
        start_whole(collector)
        worker = roles(collector)["worker-0"]
        os.kill(worker, signal.SIGSTOP)
        socks = []
        for _ in range(30):
            sock = socket.create_connection(("127.0.0.1", collector.port))
            sock.sendall(b"GET / HTTP/1.1\r\nHost: evil-one.com\r\n\r\n")
            socks.append(sock)
        ports = sorted(sock.getsockname()[1] for sock in socks)
        kill(worker)
        for sock in socks:
            sock.settimeout(10)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            assert sock.recv(4096) == b""
            sock.close()
        assert collector.settled_fates(30)["recorded"] == 30
        assert collector.stop() == 0
    assert sorted(row.key[1] for row in rows_of(collector.data)) == ports


def test_a_worker_that_dies_over_and_over_is_started_with_growing_pauses(tmp_path: Path) -> None:
    """Killed as soon as it is there, a worker comes back after 0.05, 0.1, 0.2 … s, and the other goes on answering."""
    collector, _ = make_collector(tmp_path, intake__workers=2)
    with collector:
        start_whole(collector)
        steady = roles(collector)["worker-0"]
        victims = []
        until = time.monotonic() + 4
        while time.monotonic() < until:
            for name, pid in roles(collector).items():
                if name.startswith("worker") and pid != steady:
                    kill(pid)
                    if pid not in victims:
                        victims.append(pid)
            time.sleep(0.02)
        log = collector.log_file.read_text()
        pauses = [float(part.split(",")[0].rstrip("}")) for part in log.split('"again_in_seconds": ')[1:]]
        # Some die as they are born; each death doubles the pause: without pauses there would be hundreds.
        assert 4 <= len(pauses) <= 9, pauses
        assert pauses == sorted(pauses)
        assert max(pauses) >= 0.8
        assert steady in roles(collector).values()
        collector.fates()


def test_a_clerk_that_was_killed_leaves_no_unfinished_segment(tmp_path: Path) -> None:
    """What a clerk had begun when it was killed is deleted by its replacement, not by the next start only."""
    collector, _ = make_collector(tmp_path)
    with collector:
        start_whole(collector)
        unfinished = collector.data / "segments" / "date=2026-11-01" / ".tmp-abc"
        unfinished.parent.mkdir()
        unfinished.write_bytes(b"PAR1")
        kill(roles(collector)["clerk"])
        until = time.monotonic() + 10
        while unfinished.exists() and time.monotonic() < until:
            time.sleep(0.05)
        assert not unfinished.exists()


def test_a_second_collector_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """It says which directory belongs to whom, exits with 2, and the first goes on."""
    collector, _ = make_collector(tmp_path)
    with collector:
        start_whole(collector)
        second = subprocess.run(command(collector), capture_output=True, text=True, timeout=40, check=False)
        assert second.returncode == EXIT_MISTAKE, second.stderr
        assert str(collector.data) in second.stderr
        assert "still running" in second.stderr
        assert "Traceback" not in second.stderr
        assert ask(collector.port).answered
        assert collector.stop() == 0


def test_a_listing_of_journals_bears_folders_that_vanish_meanwhile(tmp_path: Path) -> None:
    """The supervisor lists journals to recover a dead worker's while the clerk removes folders that have become empty."""
    stopping = threading.Event()

    def churn() -> None:
        while not stopping.is_set():
            for number in range(20):
                (tmp_path / f"s{number}").mkdir()
            for number in range(20):
                (tmp_path / f"s{number}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(1500):
            assert list_journals(tmp_path) == []
    finally:
        stopping.set()
        thread.join()


def test_a_killed_supervisor_leaves_nothing_unanswered_that_a_new_start_would_miss(tmp_path: Path) -> None:
    """Kill -9 of the supervisor alone: its children stop cleanly, a start right after waits for them, all answers have rows."""
    collector, targets = make_collector(tmp_path, intake__workers=2, intake__durability="sync")
    start_whole(collector)
    load = Steady(targets, tmp_path / "ledger.csv", rate=200, seed=3)
    time.sleep(1)
    assert collector.process is not None
    kill(collector.process.pid)
    collector.process.wait()
    with collector:
        assert start_measured(collector) <= 5
        time.sleep(0.5)
        entries = load.stop()
        assert collector.stop() == 0
    verdict, _ = judge(entries, collector.data)
    assert verdict.holds, verdict
    assert verdict.answered_recorded > 150


def test_kills_under_load_lose_nothing_that_was_answered(tmp_path: Path) -> None:
    """Six kills (workers, clerks, all) at random moments under load: every answered listed check-in is in Parquet once, the
    equation holds at every reading, machines are answered within 5 s of each start. `loadtest/crash.py` is the long form.
    """
    found = kills.run(tmp_path, kills=6, seed=2, durability="sync", rate=250)
    assert found["holds"], {
        key: found[key] for key in ("verdict", "third_lives", "equation_unbalanced", "kills_missed")
    }
    assert found["verdict"]["answered_recorded"] > 300


def test_a_kill_at_the_first_fdatasync_loses_nothing(tmp_path: Path) -> None:
    """The worker dies on entering its first fdatasync, everything else with it: nothing answered is lost, no row is doubled.
    `loadtest/crash.py --every-call` does this at every durable call.
    """
    setting = every_call.Setting("worker", "sync")
    collector, asked, trace, dead = every_call.live(tmp_path, setting, "fdatasync:signal=KILL:when=2")
    with collector:
        assert dead, "the injection did not fire"
        last = every_call.calls_in(trace, collector.data, str(setting))[-1][1]
        assert last is not None
        assert (last.call, last.ordinal) == ("fdatasync", 2)
        problems, seconds = every_call.problems_after(collector, asked)
    assert problems == []
    assert seconds <= 5


def test_the_account_of_a_killed_life_is_not_carried_over(collector: Collector) -> None:
    """Counters begin at zero with each start of `serve`; what a predecessor recorded is in Parquet, not in the new counts."""
    assert ask(collector.port).answered
    collector.kill()
    collector.start()
    fates = collector.fates()
    assert fates["accepted"] == 0
    with contextlib.suppress(IndexError):
        assert audit(collector.data, "stopped") == []
    assert collector.stop() == 0
    assert len(rows_of(collector.data)) == 1
