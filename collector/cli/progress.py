"""A progress bar on stderr, where that is a terminal."""

import sys
import time

_WIDTH = 30
_EVERY_SECONDS = 0.1


class Bar:
    """Call it with how many of how many steps are done; it is gone after the last one."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Show it, ten times a second at most."""
        if not self._shown:
            return
        if done >= total:
            sys.stderr.write("\r\x1b[K")
        elif time.monotonic() >= self._next:
            filled = _WIDTH * done // total
            bar = "#" * filled + "." * (_WIDTH - filled)
            sys.stderr.write(f"\r\x1b[K{self._title} [{bar}] {done} of {total}")
            self._next = time.monotonic() + _EVERY_SECONDS
        sys.stderr.flush()
