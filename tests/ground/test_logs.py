"""Logs: static names, bounded whatever drives them, JSON in a pipe and colours on a terminal."""

import ast
import contextlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import structlog

from collector.ground.logs import AT_ONCE, WINDOW_SECONDS, Limit

ROOT = Path(__file__).resolve().parents[2]
METHODS = {"debug", "info", "warning", "error"}


def events() -> dict[str, set[str]]:
    """The first argument of each call of a logger's method in the collector, by name, and in which files."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "collector").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in METHODS
            ):
                continue
            whose = ast.unparse(node.func.value)
            if whose.endswith("log") or "logs.get(" in whose or "get_logger()" in whose:
                first = node.args[0]
                assert isinstance(first, ast.Constant), (
                    f"{path}:{node.lineno}: an event that is no static name"
                )
                found.setdefault(first.value, set()).add(path.name)
    return found


def test_every_event_has_a_static_name_and_stands_in_the_operators_table():
    """Names are literals in snake case; deploy/README.md explains each, and none that there is not."""
    named = set(events())
    assert len(named) > 25
    assert all(name.replace("_", "").isalpha() and name.islower() for name in named)
    text = (
        (ROOT / "deploy" / "README.md")
        .read_text()
        .partition("<!-- log events -->")[2]
        .partition("<!-- end of log events -->")[0]
    )
    told = {
        word.strip("` ")
        for line in text.splitlines()
        if line.startswith("| `")
        for word in line.split("|")[1].split(",")
    }
    assert told == named


def test_what_is_told_over_and_over_is_told_ten_times_a_minute_and_counted():
    """Ten at once, the rest dropped; a minute later one says how many; another event is not touched by it."""
    now = [100.0]
    limit = Limit(lambda: now[0])

    def tell(name="segment_not_written", method="error"):
        try:
            return limit(None, method, {"event": name})
        except structlog.DropEvent:
            return None

    assert [tell() is not None for _ in range(AT_ONCE + 5)] == [True] * AT_ONCE + [False] * 5
    assert tell("journal_unreadable") == {"event": "journal_unreadable"}
    assert all(tell("exported", "info") is not None for _ in range(100))
    now[0] += WINDOW_SECONDS - 0.001
    assert tell() is None
    now[0] += 0.001
    assert tell() == {"event": "segment_not_written", "left_out": 6}
    now[0] += WINDOW_SECONDS
    assert tell() == {"event": "segment_not_written"}


SPEAK = (
    "from collector.ground import logs; logs.configure(); log = logs.get('clerk')\n"
    "for _ in range(1000): log.error('journal_unreadable', journal='s-0.journal')"
)


def test_a_pipe_gets_json_lines():
    """One object a line, with level, time, process and pid; a thousand of one kind are ten lines."""
    done = subprocess.run([sys.executable, "-c", SPEAK], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert len(lines) == AT_ONCE
    assert {"event", "level", "timestamp", "process", "pid", "journal"} <= set(lines[0])
    assert done.stdout == ""


def test_a_terminal_gets_colours():
    """On a terminal the same events are for eyes: no JSON, escape codes."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SPEAK], stderr=theirs)
    os.close(theirs)
    said = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while piece := os.read(ours, 65536):
            said += piece
    assert process.wait() == 0
    assert b"\x1b[" in said
    assert b"journal_unreadable" in said
    assert b"{" not in said
