"""What the supervisor does not die of, and what does not outlive it."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest
from collectors import (
    SCHEDULE,
    SCHEDULE_HEADER,
    exchange,
    get,
    patched,
    running,
    wait_for,
    write_operation,
)


def descriptors(pid: int) -> int:
    """How many a process has open."""
    return os.stat(f"/proc/{pid}/fd").st_size


def lives(pid: int) -> bool:
    """Whether a process is there and has not ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def no_fork(flag: Path) -> str:
    """Code that lets the supervisor have no process while `flag` is there."""
    return f"""
import os
fork, first = os.fork, os.getpid()
def refused():
    if os.getpid() == first and os.path.exists({str(flag)!r}):
        raise BlockingIOError(11, "Resource temporarily unavailable")
    return fork()
os.fork = refused
"""


@pytest.mark.parametrize("child", ["intake-0", "clerk"])
def test_a_process_that_the_kernel_refuses_is_started_once_it_does_not(tmp_path: Path, child: str) -> None:
    """A child dies while no process is to be had: the other worker goes on answering, and the child is there again as soon as
    it can be.
    """
    flag = tmp_path / "flag"
    environment = patched(tmp_path, no_fork(flag))
    with running(tmp_path, environment=environment, settings={"intake.workers": 2}) as collector:
        flag.touch()
        collector.kill_child(child)
        wait_for("process_not_started", collector, 3)
        assert len(collector.pids()) == 3
        assert any(answered(collector.port) for _ in range(20))
        flag.unlink()
        until = time.monotonic() + 10
        while len(collector.pids()) < 4:
            assert time.monotonic() < until
            time.sleep(0.02)
        assert all(b"malware" in exchange(collector.port, get()) for _ in range(6))
        assert collector.stop() == 0


def answered(port: int) -> bool:
    """Whether a machine is answered at once; one that was given to a missing worker's socket would wait for it."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(0.3)
        sock.sendall(get())
        with contextlib.suppress(TimeoutError):
            return b"malware" in sock.recv(65536)
    return False


def test_a_reload_for_which_there_is_no_process_is_tried_again(tmp_path: Path) -> None:
    """SIGHUP comes while no process is to be had: told, tried every second, no descriptor lost; then the new rules count."""
    flag = tmp_path / "flag"
    with running(tmp_path, environment=patched(tmp_path, no_fork(flag))) as collector:
        supervisor = collector.pids()["supervisor"]
        before = descriptors(supervisor)
        flag.touch()
        schedule = SCHEDULE_HEADER + "zzz-new.com,matsnu,redirect,r,,\n"
        write_operation(collector.folder / "operations", schedule=schedule)
        collector.reload()
        wait_for("reload_not_begun", collector, 3)
        assert descriptors(supervisor) == before
        assert b"malware" in exchange(collector.port, get())
        flag.unlink()
        wait_for("reload_done", collector, 1)
        time.sleep(0.2)
        exchange(collector.port, get(b"zzz-new.com"))
        assert collector.settled_fates(2)["recorded"] == 2
        assert collector.stop() == 0


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_load_does_not_outlive_its_collector(tmp_path: Path, end: str) -> None:
    """A collector is stopped, or its supervisor killed, while changed files are being read: the process that reads them is gone
    with it, and a new start need not wait for it.
    """
    flag = tmp_path / "flag"
    slow = f"""
import os, time
from collector.orders import compile
build = compile.build_index
def build_index(*arguments, **options):
    if os.path.exists({str(flag)!r}):
        time.sleep(60)
    return build(*arguments, **options)
compile.build_index = build_index
"""
    with running(tmp_path, environment=patched(tmp_path, slow)) as collector:
        before = set(collector.pids().values())
        flag.touch()
        new = SCHEDULE + "evil-three.com,x,redirect,reg-a,,\n"
        write_operation(collector.folder / "operations", schedule=new)
        collector.reload()
        until = time.monotonic() + 10
        while not (load := set(collector.pids().values()) - before):
            assert time.monotonic() < until
        if end == "stop":
            assert collector.stop() == 0
        else:
            assert collector.process is not None
            collector.process.kill()
            collector.process.wait(10)
            collector.process = None
            collector.log.close()
        until = time.monotonic() + 5
        while any(map(lives, before | load)):
            assert time.monotonic() < until
            time.sleep(0.02)
        flag.unlink()
        collector.start()
        exchange(collector.port, get(b"evil-three.com"))
        assert collector.settled_fates(1)["recorded"] == 1
        assert collector.stop() == 0
