"""Standard output, whose reader may go before we have said everything (`| head`)."""

import os
import sys

READER_GONE = 128 + 13
"""What a shell calls a program that SIGPIPE ended."""


def forget_stdout() -> None:
    """After the reader of our output has gone: nothing more is written, not at exit either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), sys.stdout.fileno())
