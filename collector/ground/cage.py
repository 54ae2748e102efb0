"""The cage of a process that touches what strangers send: what it has no need of, the kernel refuses it.

Three bars, each for what the others cannot see:

    capabilities   all given up but the file permissions' override, which landlock then confines (capabilities(7))
    landlock       files by a short list: what is not on it can be neither opened, made, renamed nor deleted
                   (landlock(7)); TCP's bind and connect, and signals to others, where the kernel knows these
    seccomp        system calls that a worker has no use for: sockets of its own, sending to an address that did not
                   speak to us, programs, other processes, changed permissions, the kernel's odder corners

Files want an allow-list, since there are endless ones to protect. System calls want a deny-list: what the next libc calls
instead of today's must not stop machines from being answered, a new way to a file is still landlock's to refuse, and all
ways to a network begin with a call named here. What is denied fails with EPERM and kills nobody: should a bug of ours
run into it, one operation is counted as failed, while a killed worker would take hundreds of conversations with it.
Only a call by a foreign ABI (i386, x32), which no bug makes, kills the process.

Cost: 50 ns for each system call, and 120 ns for sendto(2), the call behind send(2), which alone is looked at closely each
time (the kernel remembers that the others of the hot path are always allowed): 0.4 us a check-in. Downsides: metadata can
still be read (stat(2)), and what was open before the cage stays open, so `close_strangers` comes first. It covers the
thread that asks and those that it starts: ask before any other runs.
"""

import ctypes
import ctypes.util
import errno
import os
import sys
import sysconfig
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.ground import process

_PR_SET_DUMPABLE = 4
_CLONE_THREAD = 0x00010000
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_SONAMES = {"c": "libc.so.6", "seccomp": "libseccomp.so.2"}
_UNKNOWN_CALL = -1
"""What libseccomp says of a name that it does not know (__NR_SCMP_ERROR); smaller numbers: not on this architecture."""
_ABI_TRUNCATE = 3
"""The first landlock that refuses truncate(2) (Linux 6.2)."""
_BINARY_TREE = 2

DENIED = {
    "a network of its own": ("socket", "connect", "bind", "listen", "sendmsg", "sendmmsg"),
    "programs and processes": ("execve", "execveat", "fork", "vfork"),
    "other processes": (
        "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease", "pidfd_open",
        "pidfd_getfd", "pidfd_send_signal", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "kcmp", "setns", "unshare",
        "shmget", "shmat", "shmctl", "msgget", "msgsnd", "msgrcv", "semget", "mq_open",
    ),
    "a file's permissions and attributes, which landlock does not watch": (
        "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat", "setxattr", "lsetxattr",
        "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "utime", "utimes", "utimensat", "futimesat",
        "open_by_handle_at", "inotify_init", "inotify_init1", "fanotify_init",
    ),
    "file systems": (
        "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
        "mount_setattr", "quotactl", "quotactl_fd", "swapon", "swapoff", "acct",
    ),
    "ways past these filters, and the kernel's parts where most holes were found": (
        "io_uring_setup", "io_uring_enter", "io_uring_register", "bpf", "perf_event_open", "userfaultfd", "add_key",
        "request_key", "keyctl", "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot",
        "settimeofday", "clock_settime", "syslog", "iopl", "ioperm", "modify_ldt", "personality",
    ),
}  # fmt: skip
"""System calls that fail with EPERM in the cage, by what they would be wanted for."""


def close_strangers(keep: Collection[int], open_files: Collection[Path]) -> None:
    """Put /dev/null in the place of every inherited descriptor, but for standard ones, `keep`, and those of `open_files`.

    They are not closed: an object of the parent may still think that it owns the number and would close the next
    connection that gets it.
    """
    known = {(found.st_dev, found.st_ino) for found in map(os.stat, open_files)}
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    for descriptor in {int(name) for name in os.listdir("/proc/self/fd")} - {0, 1, 2, null, *keep}:
        try:
            found = os.fstat(descriptor)
        except OSError:
            continue  # the listing's own
        if (found.st_dev, found.st_ino) not in known:
            os.dup2(null, descriptor, inheritable=False)
    os.close(null)


def enter(read: Collection[Path], write: Collection[Path]) -> list[str]:
    """Confine this process for good. `read` and `write` are folders; returns which of counters.CAGE_BARS this machine
    does not offer.

    A folder to write may be listed too, but its files not read.
    """
    missing = [] if process.give_up_capabilities() else ["capabilities"]
    with _found_by_soname():
        try:
            import pyseccomp as seccomp  # noqa: PLC0415 - where libseccomp is absent, it raises RuntimeError or OSError
        except (OSError, RuntimeError):
            seccomp = None
        missing += _confine_files(read, write)
    try:
        if seccomp is not None:
            _refuse_calls(seccomp)
            return missing
    except OSError:
        pass
    return [*missing, "seccomp"]


def _confine_files(read: Collection[Path], write: Collection[Path]) -> list[str]:
    from py_landlock import AccessFs, Landlock, LandlockError  # noqa: PLC0415 - see _found_by_soname

    look = AccessFs.READ_FILE | AccessFs.READ_DIR
    change = (
        AccessFs.READ_DIR
        | AccessFs.WRITE_FILE
        | AccessFs.TRUNCATE
        | AccessFs.MAKE_REG
        | AccessFs.MAKE_DIR
        | AccessFs.REMOVE_FILE
        | AccessFs.REMOVE_DIR
    )
    try:
        rules = Landlock(strict=False)
        rules.add_path_rule(*{*read, *_installation()}, access=look)
        rules.add_path_rule(*write, access=change)
        rules.add_path_rule(os.devnull, access=AccessFs.READ_FILE | AccessFs.WRITE_FILE)
        rules.apply()
    except LandlockError:
        return ["landlock"]
    return [] if rules.abi_version >= _ABI_TRUNCATE else ["landlock_truncate"]


def _installation() -> Iterator[Path]:
    """Where modules and shared libraries lie, for what is imported late: Python's own, and the packages loaded so far."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    places = [Path(sysconfig.get_path(name)) for name in names]
    places += map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"))
    for module in list(sys.modules.values()):
        places += map(Path, getattr(module, "__path__", ()))
    return (place for place in places if place.is_dir())


def _refuse_calls(seccomp: Any) -> None:
    refuse = seccomp.ERRNO(errno.EPERM)
    rules = seccomp.SyscallFilter(seccomp.ALLOW)

    def number(name: str) -> int:
        return int(seccomp.resolve_syscall(seccomp.Arch.NATIVE, name))

    def deny(name: str, *conditions: tuple[int, int, int, int], action: int = refuse) -> None:
        if number(name) > _UNKNOWN_CALL:
            rules.add_rule(action, name, *(seccomp.Arg(*condition) for condition in conditions))

    for names in DENIED.values():
        for name in names:
            deny(name)
    # send(2) is sendto(2) without an address; with one it would reach whomever it likes.
    deny("sendto", (4, seccomp.NE, 0, 0))
    # A thread yes, a process no; clone3's flags stand behind a pointer, and who is told ENOSYS takes clone.
    deny("clone", (0, seccomp.MASKED_EQ, _CLONE_THREAD, 0))
    deny("clone3", action=seccomp.ERRNO(errno.ENOSYS))
    deny("tgkill", (0, seccomp.NE, os.getpid(), 0))
    deny("prctl", (0, seccomp.EQ, _PR_SET_DUMPABLE, 0))
    deny("prlimit64", (0, seccomp.NE, 0, 0))
    # Typing on the operator's terminal.
    for request in (_TIOCSTI, _TIOCLINUX):
        deny("ioctl", (1, seccomp.MASKED_EQ, 0xFFFFFFFF, request))
    rules.set_attr(seccomp.Attr.ACT_BADARCH, seccomp.KILL_PROCESS)
    rules.set_attr(seccomp.Attr.CTL_TSYNC, 1)
    # Kernels before 5.16 slow a filtered process down against speculative stores; only code of strangers would use these.
    rules.set_attr(seccomp.Attr.CTL_SSB, 1)
    rules.set_attr(seccomp.Attr.CTL_OPTIMIZE, _BINARY_TREE)
    rules.load()


@contextmanager
def _found_by_soname() -> Iterator[None]:
    """Let both libraries find theirs by the loader's own search.

    They ask ctypes.util.find_library, which runs ldconfig, gcc or ld: a process more at each start, and slim images
    have none of the three.
    """
    names = vars(ctypes.util)
    ordinary = names["find_library"]
    names["find_library"] = _SONAMES.get
    try:
        yield
    finally:
        names["find_library"] = ordinary
