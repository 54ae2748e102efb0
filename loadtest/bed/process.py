"""Processes under test: started in their own session, pinned, waited for, and their CPU time counted.

CPU time of a tree: for each living process of it utime + stime + cutime + cstime of /proc/<pid>/stat
(children that were waited for are in their parent's; resolution: one clock tick, 10 ms, a process). At
the end the kernel's account of the whole tree comes with wait4, in microseconds.
"""

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 120.0


class StartError(RuntimeError):
    """The process under test did not come up, or did not end."""


def tree(pid: int) -> list[int]:
    """The process and its living descendants."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                found += map(int, task.read_text().split())
            except OSError:
                continue
    return found


def tree_cpu_us(pid: int) -> int:
    """CPU time used so far by the process, its living descendants, and those that were waited for."""
    ticks = 0
    for member in tree(pid):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks * TICK_US


class Process:
    """A child under test. Its output goes to `log`."""

    def __init__(self, words: list[str], log: Path, cpus: set[int] | None = None) -> None:
        self.log = log
        self._file = log.open("wb")
        self.popen = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,  # noqa: PLW1509
        )
        self.pid = self.popen.pid

    def cpu_us(self) -> int:
        return tree_cpu_us(self.pid)

    def resident_kib(self) -> int:
        """Resident size of the whole tree, shared pages counted once a process."""
        total = 0
        for member in tree(self.pid):
            try:
                status = Path(f"/proc/{member}/status").read_text()
            except OSError:
                continue
            total += next(
                (int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0
            )
        return total

    def stop(self, seconds: float = STOP_SECONDS) -> tuple[int, int]:
        """SIGTERM, then wait: (exit code, CPU time of the whole tree in its life, microseconds)."""
        if self.popen.returncode is None:
            self.popen.send_signal(signal.SIGTERM)
        until = time.monotonic() + seconds
        while True:
            pid, status, use = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                self.kill()
                raise StartError(f"no end {seconds:.0f} s after SIGTERM; see {self.log}")
            time.sleep(0.01)
        code = os.waitstatus_to_exitcode(status)
        self.popen.returncode = code
        self._file.close()
        return code, round((use.ru_utime + use.ru_stime) * 1e6)

    def kill(self) -> None:
        """End the whole tree at once; for leaving after an error."""
        if self.popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            self.popen.wait()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.returncode is None:
            self.kill()

    def alive(self) -> bool:
        return self.popen.poll() is None

    def tail(self, lines: int = 15) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def wait_for(process: Process, url: str, seconds: float) -> bytes:
    """Wait until the URL answers 200; the body."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.alive():
        try:
            with urllib.request.urlopen(url, timeout=2) as response:
                return bytes(response.read())
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    state = "still starting" if process.alive() else f"ended with {process.popen.returncode}"
    process.kill()
    raise StartError(f"{url}: no 200 within {seconds:.0f} s, the process is {state}:\n{process.tail()}")
