"""Work that the supervisor must not do itself: in a forked child, which reports in lines of JSON through a pipe.

Reading 2.4 million domains would stop it from minding its workers and leave its memory large for all that it forks later;
and a key that it held would be in every process that reads from the network.
"""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

Report = dict[str, Any]
_READ_BYTES = 1 << 16


class Aside:
    """A child at work. `reports` gives what it has said since the last look, `ended` whether that was all."""

    def __init__(self, body: Callable[[Callable[[Report], None]], None]) -> None:
        """Fork; the child runs `body` with a function that reports. Whatever it raises ends it silently."""
        reading, writing = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(reading)
            _be_child(body, writing)
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
                os.close(self._descriptor)
                os.waitpid(self.pid, 0)
                self.ended = True
        *lines, self._unread = self._unread.split(b"\n")
        return [json.loads(line) for line in lines]

    def wait(self) -> list[Report]:
        """Everything that is left to be reported, once the child has ended."""
        if not self.ended:
            os.set_blocking(self._descriptor, True)
        return self.reports()


def _be_child(body: Callable[[Callable[[Report], None]], None], writing: int) -> None:
    """The child's whole life."""

    def report(message: Report) -> None:
        os.write(pipe, json.dumps(message).encode() + b"\n")

    code = 70
    pipe = writing
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        body(report)
        code = 0
    finally:
        os._exit(code)
