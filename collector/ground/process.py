"""What a process asks of Linux for itself."""

import ctypes
import fcntl
import os
import resource
import signal
from pathlib import Path

from collector.ground.errors import BusyError

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAP_DAC_OVERRIDE = 1
_CAPABILITIES = 64
"""More than any kernel has; it refuses the numbers beyond its last."""
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


class _CapabilityHeader(ctypes.Structure):
    """capget(2): which version of the sets, and whose; pid 0 is the caller."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def harden() -> None:
    """No core dumps (law.md L-16: a dump would hold bytes of check-ins), and no privileges gained by exec.

    RLIMIT_CORE does not stop a core_pattern that pipes into a program (core(5)); a process that is not dumpable is spared
    by both, and nobody without CAP_SYS_PTRACE attaches to it or reads its memory. Forks inherit it, exec and setuid undo it.
    Price: most of its /proc entries belong to root, so that its own user cannot look at its descriptors from outside.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def give_up_capabilities() -> bool:
    """Keep no privilege of root's but to open files that are another user's; whether the kernel agreed.

    Where a collector runs as root over folders that it once wrote as somebody else, it needs that one. Whoever has no
    capabilities keeps none.
    """
    for capability in range(_CAPABILITIES):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = _CapabilityHeader(_CAPABILITY_VERSION, 0)
    sets = (
        ctypes.c_uint32 * 6
    )()  # effective, permitted, inheritable; then the same of capabilities 32 to 63
    if _libc.capget(ctypes.byref(header), sets) != 0:
        return False
    kept = sets[1] & 1 << _CAP_DAC_OVERRIDE
    return bool(_libc.capset(ctypes.byref(header), (ctypes.c_uint32 * 6)(sets[0] & kept, kept)) == 0)


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
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor


def holder(path: Path) -> int | None:
    """The process that took the lock of a running collector; None where none runs."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(os.read(descriptor, 32) or b"0") or None
    finally:
        os.close(descriptor)
    return None
