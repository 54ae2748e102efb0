"""What a process asks of Linux for itself."""

import ctypes
import fcntl
import os
import resource
import signal
from pathlib import Path

from collector.ground.errors import BusyError

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_libc = ctypes.CDLL(None, use_errno=True)


def harden() -> None:
    """No core dumps (law.md L-16: a dump would hold bytes of check-ins), and no privileges gained by exec."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def follow_parent(number: signal.Signals) -> None:
    """Be sent `number` when the parent dies (prctl(2) PR_SET_PDEATHSIG)."""
    _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def take_signals() -> None:
    """Unblock what the supervisor blocked before it forked us; call it once the handlers stand."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def lock(path: Path) -> int:
    """Take the exclusive lock on a data directory; hold the descriptor. Raises BusyError where another collector has it.

    The lock is inherited by children, so it is free only when the last process of a collector is gone.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BusyError(
            f"{path.parent} belongs to a collector that is still running; stop it first"
        ) from None
    return descriptor
