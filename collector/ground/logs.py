"""Logs: structlog events with static names and identifiers of ours as values; never a byte from the wire.

JSON lines to standard error in a container, colours on a terminal. Warnings and errors of one name are told AT_ONCE times in
WINDOW_SECONDS, so that neither traffic nor a full disk fills the log; the next one says how many were left out
(`left_out`).

Python's own last-resort reports (the event loop's, a thread's, an unraisable exception's) could quote input, so they are
replaced by the exception's type and place.
"""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, MutableMapping
from types import TracebackType
from typing import Any

import structlog

AT_ONCE = 10
"""Warnings or errors of one name in a window: enough to see that places differ."""
WINDOW_SECONDS = 60.0
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(level: str = "info") -> None:
    """Set up this process's logs; call once per process, before anything logs."""
    on_terminal = sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if on_terminal else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            Limit(),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.disable(
        logging.CRITICAL
    )  # libraries' own loggers could quote a client; ours is the only one that speaks
    logging.captureWarnings(True)  # a warning's text could too; now it goes the same way
    sys.excepthook = _report
    threading.excepthook = lambda args: _report(args.exc_type, args.exc_value, args.exc_traceback)
    sys.unraisablehook = lambda args: _report(args.exc_type, args.exc_value, args.exc_traceback)


class Limit:
    """A structlog processor that drops what is told too often. Names are static, so what it remembers is bounded."""

    def __init__(self, steady: Callable[[], float] = time.monotonic) -> None:
        self._steady = steady
        self._told: dict[str, tuple[float, int]] = {}
        """By event: when its window began, and how many came since."""

    def __call__(self, _: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The event as it is, with what was left out before it, or structlog.DropEvent."""
        if method not in ("warning", "error"):
            return event
        name, now = event["event"], self._steady()
        began, count = self._told.get(name, (now, 0))
        if now - began >= WINDOW_SECONDS:
            if count > AT_ONCE:
                event["left_out"] = count - AT_ONCE
            began, count = now, 0
        self._told[name] = began, count + 1
        if count >= AT_ONCE:
            raise structlog.DropEvent
        return event


def get(process: str) -> Any:
    """A logger that names its process and pid on each line."""
    return structlog.get_logger().bind(process=process, pid=os.getpid())


def place(error: BaseException | None) -> str:
    """Where an exception came from and its type, without its text, which could hold input."""
    return "nowhere" if error is None else _place(type(error), error.__traceback__)


def _place(kind: type[BaseException] | None, trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    where = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "?"
    return f"{kind.__name__ if kind else 'unknown'} at {where}"


def _report(kind: type[BaseException] | None, _: BaseException | None, trace: TracebackType | None) -> None:
    if kind is not None and issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger().error("unexpected_exception", pid=os.getpid(), place=_place(kind, trace))


def report_from_loop(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The event loop's exception handler: its own report prints transports, peers and messages."""
    structlog.get_logger().error(
        "unexpected_exception", pid=os.getpid(), place=place(context.get("exception"))
    )
