"""SIGINT, SIGTERM and SIGHUP (the terminal is gone) end a reading at a place where its end can still be entered.

While the guard is off they are noted; what was noted is raised when it goes on. So neither the entry of an opening nor
that of its end is cut off by a second Ctrl-C.
"""

import signal
from types import FrameType


class Cut(BaseException):
    """SIGTERM or SIGHUP came; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__(number)


class Guard:
    """Owns the three signals from `install` until the process ends."""

    def __init__(self, *, again: bool = True) -> None:
        """`again`: a second SIGINT raises too, as at a prompt; otherwise the first signal ends it, and others are noted."""
        self._on = False
        self._again = again
        self._noted: int | None = None
        self.raised: int | None = None
        """The signal that was raised last: whoever is in the middle of a statement hears of it as DuckDB's own RuntimeError."""

    def install(self) -> None:
        """Take the signals, those left out that whoever started us had ignored (nohup)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._take)

    def on(self) -> None:
        """From now on a signal raises: SIGINT KeyboardInterrupt, the others Cut."""
        self._on = True
        if self._noted is not None:
            self._raise(self._noted)

    def off(self) -> None:
        """From now on a signal is noted."""
        self._on = False

    def _take(self, number: int, _: FrameType | None) -> None:
        if self._on:
            self._raise(number)
        self._noted = number

    def _raise(self, number: int) -> None:
        self.raised = number
        self._on = self._again and number == signal.SIGINT
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Cut(number)
