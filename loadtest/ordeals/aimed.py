"""A death aimed at one durable call of a process, whichever of its threads makes it.

Threads share the engine's work out anew in every run, and strace counts by thread, so no `when=N` names a call on a file that
several of them write. Here each call of the point's name is held on its way back (`delay_exit`), and whoever reads the
trace meanwhile kills when the one that is meant appears: it is done, its thread has not gone on, the others are wherever
they are. A run whose trace shows that the thread went on struck nothing.

The process says a line when it has imported what it needs, is attached to, and begins when it is told a line: thousands of
files are opened before, and none of them is a point.
"""

import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ordeals.points import Point, calls_of, strace

HELD_US = 20_000
"""How long a call is held: many times what it takes to read its line."""
LOOK_SECONDS = 0.001
SECONDS_MAX = 120


class Life(NamedTuple):
    """A process's exit code, its calls in the order of the trace, and the point that it died of, if it did."""

    code: int
    calls: list[Point]
    struck: Point | None


def life(
    words: Sequence[str], environment: Mapping[str, str], trace: Path, folder: Path, aim: Point | None = None
) -> Life:
    """Run a command under strace, to its end or to the call `aim`. Raises RuntimeError where it takes too long."""
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(environment)
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdout.readline()
    inject = f"{aim.call}:delay_exit={HELD_US}" if aim else ""
    tracer = subprocess.Popen(
        [*strace(trace, inject), "-p", str(process.pid)], stderr=subprocess.PIPE, text=True
    )
    assert tracer.stderr is not None
    assert "attached" in tracer.stderr.readline()
    process.stdin.write(b"begin\n")
    process.stdin.close()
    calls: list[Point] = []
    struck, its_thread, went_on = None, "", False
    try:
        for thread, call in calls_of(_lines(trace, process, tracer), folder):
            calls.append(call)
            if aim and struck is None and call.mark == aim.mark:
                process.kill()
                struck, its_thread = call, thread
            elif struck and thread == its_thread:
                went_on = True
    finally:
        process.kill()
        process.wait()
        tracer.communicate()
        process.stdout.close()
    return Life(process.returncode, calls, None if went_on else struck)


def _lines(trace: Path, *processes: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[str]:
    """A file's lines as they are written, until the processes have ended."""
    until = time.monotonic() + SECONDS_MAX
    part = ""
    with trace.open() as file:
        while True:
            ended = all(process.poll() is not None for process in processes)
            part += file.read()
            *whole, part = part.split("\n")
            yield from whole
            if ended:
                return
            if time.monotonic() > until:
                raise RuntimeError(f"{processes[0].args!r} takes more than {SECONDS_MAX} s")
            time.sleep(LOOK_SECONDS)
