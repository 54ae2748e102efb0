"""A forked process that dies in the middle of something."""

import contextlib
import os
import signal


@contextlib.contextmanager
def killed_in_the_end(work):
    """A forked process that does `work` without end, until SIGKILL."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
