"""The supervisor: binds, forks, replaces the dead, reloads, stops. It runs no event loop and holds no thread.

Signals are waited for, not handled: SIGCHLD (someone died), SIGHUP (reload operations), SIGUSR1 (an officer vouches for
the clock), SIGTERM and SIGINT (stop). A dead worker's journals are recovered here at once, so that its counts become exact
before its replacement starts.
"""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from collector.ground import files, logs, process
from collector.ground.codes import Fate
from collector.ground.counters import CELL, FATE_0, Board
from collector.ground.errors import BusyError, ConfigurationError, CorruptError, Problem
from collector.intake.settings import parse_listen
from collector.intake.sockets import Listener, bind, connections_dropped
from collector.journal.recover import Recovered, recover
from collector.service import manage_address, pull_address
from collector.service.formats import refuse_later_formats
from collector.service.notary import Notary
from collector.service.reload import Reload
from collector.service.settings import Settings

LOCK_SECONDS = 10.0
"""How long a start waits for the processes of a killed predecessor to end."""
STEADY_SECONDS = 10.0
"""A process that lived this long is replaced at once; one that did not, after a pause that doubles up to PAUSE_MAX."""
PAUSE_MAX = 5.0
STOP_SECONDS = 30.0
"""Beyond the head deadline, how long a stop waits for the workers, and again for the clerk."""

_REMEDIES = {
    errno.EADDRNOTAVAIL: "take the line out: this machine has no such address (for [::1] and the like: no IPv6)",
    errno.EAFNOSUPPORT: "take the line out: this machine has no IPv6",
    errno.EACCES: "choose a port above 1023, or allow this one (net.ipv4.ip_unprivileged_port_start)",
}

_WAITED = (signal.SIGCHLD, signal.SIGHUP, signal.SIGUSR1, signal.SIGTERM, signal.SIGINT)


@dataclass
class Child:
    """One process of ours: what it does, and when to start it again."""

    name: str
    body: Callable[[], int]
    pid: int = 0
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0

    def lengthen_pause(self) -> float:
        """The pause before the next try, after one that failed."""
        self.pause = min(PAUSE_MAX, max(0.05, self.pause * 2))
        return self.pause


def serve(settings: Settings, announce: Callable[[], None]) -> int:
    """Run the collector until it is told to stop; the exit code. `announce` is called once machines are answered.

    Raises ConfigurationError, BusyError.
    """
    files.make_directory(settings.data_dir)
    lock = _lock(settings.data_dir / "lock")
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    process.harden()
    log = logs.get("supervisor")
    refuse_later_formats(settings.data_dir)
    for name in ("journal", "segments", "rules"):
        files.make_directory(settings.data_dir / name)
    for name in ("journal", "segments", "rules"):  # elsewhere an officer's command may be writing
        files.clear_temporaries(settings.data_dir / name)
    recovered = recover(settings.data_dir / "journal")
    _report(recovered, log)
    supervisor = Supervisor(settings, Notary(settings), log)
    supervisor.load()
    supervisor.bind()
    supervisor.start(announce)
    code = supervisor.mind()
    os.close(lock)
    return code


class Supervisor:
    """The children, the sockets and the board of counters."""

    def __init__(self, settings: Settings, notary: Notary, log: Any) -> None:
        self._settings = settings
        self._notary = notary
        self._log = log
        self._workers = settings.intake.workers or len(os.sched_getaffinity(0))
        self._board = Board(self._workers)
        self._listeners: list[list[Listener]] = []
        self._children: list[Child] = []
        self._connections_dropped = connections_dropped()
        self._reload = Reload(settings, notary, self._board, self._tell_all, log)

    def load(self) -> None:
        """Put the operations in force. Raises ConfigurationError."""
        self._reload.first()

    def bind(self) -> None:
        """Bind every address once per worker. Raises ConfigurationError that names each that cannot be had."""
        problems = []
        for _ in range(self._workers):
            listeners = []
            for text in self._settings.intake.listen:
                try:
                    listeners.append(bind(parse_listen(text), self._settings.intake.udp_receive_buffer_kb))
                except OSError as error:
                    problem = Problem(
                        str(self._settings.file),
                        "[intake] listen",
                        f"{text}: {error.strerror}",
                        "an address of this machine and a free port",
                        _REMEDIES.get(error.errno or 0, "stop what has the port, or choose another"),
                    )
                    if problem not in problems:
                        problems.append(problem)
            self._listeners.append(listeners)
        problems += manage_address.start_problems(self._settings)
        problems += pull_address.start_problems(self._settings)
        if problems:
            raise ConfigurationError(problems)

    def start(self, announce: Callable[[], None]) -> None:
        """Fork everybody."""
        for number in range(self._workers):
            self._children.append(Child(f"intake-{number}", partial(self._be_worker, number)))
        self._children.append(Child("clerk", self._be_clerk))
        for child in self._children:
            self._fork(child)
        until = time.monotonic() + 5.0
        while (
            not all(page.read()[CELL["alive_us"]] for page in self._board.workers)
            and time.monotonic() < until
        ):
            signal.sigtimedwait((signal.SIGCHLD,), 0.01)
        announce()

    def mind(self) -> int:
        """Wait for signals until told to stop; the exit code."""
        while True:
            due = [child.due - time.monotonic() for child in self._children if not child.pid]
            wait = max(0.0, min([*due, self._reload.wait_seconds]))
            info = signal.sigtimedwait(_WAITED, wait)
            self._reap()
            self._reload.go_on()
            for child in self._children:
                if not child.pid and time.monotonic() >= child.due:
                    self._fork(child)
            if info is None or info.si_signo == signal.SIGCHLD:
                continue
            if info.si_signo == signal.SIGHUP:
                self._reload.begin()
                self._tell(self._children[self._workers :], signal.SIGHUP)  # partners, and their certificate
            elif info.si_signo == signal.SIGUSR1:
                self._log.info("clock_believed")
                self._tell(self._children[: self._workers], signal.SIGUSR1)
            else:
                return self._stop()

    def _fork(self, child: Child) -> None:
        try:
            pid = os.fork()
        except OSError as error:  # no memory, or too many processes: the others go on, and it is tried again
            child.due = time.monotonic() + child.lengthen_pause()
            self._log.error(
                "process_not_started", child=child.name, errno=error.errno, again_in_seconds=child.pause
            )
            return
        if not pid:
            code = 70
            try:
                # Signals stay blocked until the body has its handlers (`process.take_signals`): a stop or a reload that comes
                # while it starts waits for it, instead of killing it or passing it by.
                for number in _WAITED:
                    signal.signal(number, signal.SIG_DFL)
                signal.signal(
                    signal.SIGINT, signal.SIG_IGN
                )  # Ctrl-C reaches the whole group; the supervisor stops us in order
                code = child.body()
            except BaseException as error:
                self._log.error("process_failed", child=child.name, place=logs.place(error))
            finally:
                sys.stderr.flush()
                os._exit(code)
        child.pid = pid
        child.started = time.monotonic()

    def _be_worker(self, number: int) -> int:
        from collector.service import intake

        for other, listeners in enumerate(self._listeners):
            if other != number:
                for listener in listeners:
                    listener.sock.close()
        return intake.run(number, self._settings, self._listeners[number], self._board)

    def _be_clerk(self) -> int:
        from collector.service import clerk

        for listeners in self._listeners:
            for listener in listeners:
                listener.sock.close()
        return clerk.run(self._settings, self._board, self._notary.installed_us, self._connections_dropped)

    def _reap(self) -> None:
        """Take note of the dead, and make a worker's counts whole."""
        for number, child in enumerate(self._children):
            if not child.pid:
                continue
            pid, status, use = os.wait4(child.pid, os.WNOHANG)
            if not pid:
                continue
            child.pid = 0
            lived = time.monotonic() - child.started
            if lived >= STEADY_SECONDS:
                child.pause = 0.0
            else:
                child.lengthen_pause()
            child.due = time.monotonic() + child.pause
            self._log.error(
                "process_died",
                child=child.name,
                exit=os.waitstatus_to_exitcode(status),
                again_in_seconds=child.pause,
            )
            cpu_us = int((use.ru_utime + use.ru_stime) * 1e6)
            if number < self._workers:
                self._bury(number, cpu_us)
            else:
                self._board.retire_clerk(cpu_us)

    def _bury(self, number: int, cpu_us: int = 0) -> None:
        """Recover a dead worker's journals, then move its counts to the retired, with what its death cost."""
        records: int | None = None
        try:
            recovered = recover(self._settings.data_dir / "journal", f"{self._settings.sensor}.{number}.")
        except OSError as error:
            self._log.error("journal_not_recovered", worker=number, errno=error.errno)
        else:
            _report(recovered, self._log)
            records = max((item.written for item in recovered), default=None)
            self._board.retired.counts[CELL["corrupt_blocks"]] += sum(
                item.corrupt_blocks
                for item in recovered
                if item.set_aside  # the clerk counts those of the others
            )
        lost = self._board.retire(number, records, cpu_us)
        self._log.info("worker_buried", worker=number, dropped_crash=lost)

    def _tell_all(self) -> None:
        self._tell(self._children, signal.SIGHUP)

    def _tell(self, children: list[Child], number: signal.Signals) -> None:
        for child in children:
            if child.pid:
                os.kill(child.pid, number)

    def _stop(self) -> int:
        """Workers first, taking what is queued; then the clerk, which converts what they sealed."""
        self._log.info("stopping")
        self._reload.abandon()
        for listeners in self._listeners:
            for listener in listeners:
                listener.sock.close()
        workers, clerk = self._children[: self._workers], self._children[self._workers :]
        deadline = float(self._settings.intake.head_deadline_seconds) + STOP_SECONDS
        self._tell(workers, signal.SIGTERM)
        codes = [self._end(child, deadline) for child in workers]
        for number, code in enumerate(codes):
            if code:
                self._bury(number)
        self._tell(clerk, signal.SIGTERM)
        codes += [self._end(child, STOP_SECONDS * 4) for child in clerk]
        counts = self._board.total()
        fates = {fate.name.lower(): counts[FATE_0 + fate] for fate in Fate}
        accepted = counts[CELL["accepted_tcp"]] + counts[CELL["accepted_udp"]]
        clean = not any(codes)
        facts = {"accepted": accepted, "open": accepted - sum(fates.values()), "clean": clean}
        self._log.info("stopped", **facts, **fates)
        try:
            self._notary.stopped({**facts, "fates": fates})
        except (OSError, CorruptError) as error:
            self._log.error("stop_not_in_audit_log", place=logs.place(error))
            return 1
        return 0 if clean else 1

    def _end(self, child: Child, seconds: float) -> int:
        """Wait for a child that was asked to end, insist after `seconds`; its exit code, 0 where it was already buried."""
        if not child.pid:
            return 0
        until = time.monotonic() + seconds
        while True:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() >= until:
                self._log.error("process_killed", child=child.name)
                os.kill(child.pid, signal.SIGKILL)
                until += 3600.0
            signal.sigtimedwait((signal.SIGCHLD,), 0.01)


def _lock(path: Path) -> int:
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return process.lock(path)
        except BusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(0.05)


def _report(recovered: list[Recovered], log: Any) -> None:
    for item in recovered:
        log.info("journal_recovered", **item._asdict())
