"""What time it is, and whether that can be believed.

Records carry wall-clock time, and an order's window is exact to the microsecond, so a clock that jumps could put a
check-in inside an order that it was outside of. `ClockWatch` compares the wall clock with the monotonic one: a step of
more than a second between two looks makes the clock unsure for a minute without another step (law.md L-06). Where asked,
the kernel's own word on synchronisation counts too (adjtimex(2), status STA_UNSYNC).
"""

import ctypes
import os
import time
from typing import NamedTuple

STEP_NS = 1_000_000_000
"""A difference of more than this between the two clocks' advance is a step."""
UNSURE_NS = 60_000_000_000
"""How long recording pauses after the last step."""

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5


def now_us() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


class _Timex(ctypes.Structure):
    """The head of struct timex (adjtimex(2)), padded beyond the kernel's 208 bytes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


_libc = ctypes.CDLL(None, use_errno=True)


class KernelClock(NamedTuple):
    """What the kernel says of its clock."""

    synchronised: bool
    """Whether it follows a reference."""
    offset_us: int
    """How far it is from that reference, as far as the kernel is told; microseconds."""


def kernel_clock() -> KernelClock:
    """Ask it (adjtimex(2), which changes nothing with modes 0). Raises OSError."""
    timex = _Timex(modes=0)
    state = _libc.adjtimex(ctypes.byref(timex))
    if state < 0:
        raise OSError(ctypes.get_errno(), "adjtimex: " + os.strerror(ctypes.get_errno()))
    synchronised = state != _TIME_ERROR and not timex.status & _STA_UNSYNC
    return KernelClock(synchronised, timex.offset // 1000 if timex.status & _STA_NANO else timex.offset)


def kernel_synchronised() -> bool:
    """Whether the kernel says that its clock follows a reference. Raises OSError."""
    return kernel_clock().synchronised


class ClockWatch:
    """Looks at both clocks and says whether to doubt the wall clock."""

    def __init__(self, *, require_sync: bool) -> None:
        self.steps = 0
        self._require_sync = require_sync
        self._difference = time.time_ns() - time.monotonic_ns()
        self._unsure_until = 0
        self.kernel_silent = False
        self._unsynchronised = require_sync and not self._follows_reference()
        self._vouched = False

    def unsure(self) -> bool:
        """Look once (before each batch): whether recording has to pause. About 0.3 us."""
        monotonic = time.monotonic_ns()
        difference = time.time_ns() - monotonic
        step = difference - self._difference
        # Slewing by NTP moves the difference slowly; following it keeps only jumps visible.
        self._difference = difference
        if not -STEP_NS <= step <= STEP_NS:
            self.steps += 1
            self._unsure_until = monotonic + UNSURE_NS
        return monotonic < self._unsure_until or self._unsynchronised

    def ask_kernel(self) -> None:
        """Ask the kernel again (once a second), where the settings require its word."""
        if not self._require_sync:
            return
        synchronised = self._follows_reference()
        if synchronised:
            self._vouched = False  # a later loss of it is a new doubt
        self._unsynchronised = not synchronised and not self._vouched

    def _follows_reference(self) -> bool:
        """The kernel's word. One that will not say (a container's filter may forbid the call) gives no ground to believe it."""
        try:
            synchronised = kernel_synchronised()
        except OSError:
            self.kernel_silent = True
            return False
        self.kernel_silent = False
        return synchronised

    def believe(self) -> None:
        """An officer vouches for the wall clock as it is now: until its next step, or its next loss of synchronisation."""
        self._difference = time.time_ns() - time.monotonic_ns()
        self._unsure_until = 0
        self._unsynchronised = False
        self._vouched = True
