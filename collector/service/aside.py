"""Work that the supervisor must not do itself: in a forked child, which reports in lines of JSON through a pipe.

Reading 2.4 million domains would stop it from minding its workers and leave its memory large for all that it forks later;
and a key that it held would be in every process that reads from the network.
"""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

from collector.ground import process

Report = dict[str, Any]
_READ_BYTES = 1 << 16


class Aside:
    """A child at work. `reports` gives what it has said since the last look, `ended` whether that was all."""

    def __init__(self, body: Callable[[Callable[[Report], None]], None]) -> None:
        """Fork; the child runs `body` with a function that reports. Whatever it raises ends it silently. Raises OSError."""
        reading, writing = os.pipe()
        parent = os.getpid()
        try:
            self.pid = os.fork()
        except OSError:
            os.close(reading)
            os.close(writing)
            raise
        if not self.pid:
            os.close(reading)
            _be_child(body, writing, parent)
        os.close(writing)
        os.set_blocking(reading, False)
        self._descriptor = reading
        self._unread = b""
        self.ended = False

    def reports(self) -> list[Report]:
        """What has been reported since the last call; does not wait."""
        while not self.ended:
            try:
                content = os.read(self._descriptor, _READ_BYTES)
            except BlockingIOError:
                break
            self._unread += content
            if not content:
                self._end()
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self) -> list[Report]:
        """Everything that is left to be reported, once the child has ended."""
        if not self.ended:
            os.set_blocking(self._descriptor, True)
        return self.reports()

    def kill(self) -> None:
        """End the child in the middle of its work; what it has not reported stays unsaid."""
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
            self._end()

    def _end(self) -> None:
        os.close(self._descriptor)
        os.waitpid(self.pid, 0)
        self.ended = True


def _be_child(body: Callable[[Callable[[Report], None]], None], writing: int, parent: int) -> None:
    """The child's whole life, which its parent's end ends: left alone, it would keep the lock on the data directory."""

    def report(message: Report) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    code = 70
    pipe = writing
    try:
        process.follow_parent(signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if os.getppid() == parent:  # it may have died before it could be followed
            body(report)
            code = 0
    finally:
        os._exit(code)
