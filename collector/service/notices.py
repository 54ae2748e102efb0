"""From when to when a public notice was served, and how often: service by publication has to be shown to have happened.

Workers count in shared memory (`Board.notices`); the clerk adds what is new to `notices.json`, durably, and enters the
sum as `notice_served` once a day, when a notice changes and at a stop. What the file holds as pending and the log has entered
already, by its `until`, is dropped at the next start: a death between entry and file counts nothing twice.

    {"run": "<start of the supervisor>", "seen": [<cell>, …],
     "pending": {"<operation> <sha256>": {"operation": …, "answer": "<sha256>", "since": "…", "until": "…", "count": 7}}}
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from collector.audit.log import AuditLog
from collector.ground import files
from collector.ground.counters import NOTICE_CELLS, Board
from collector.orders.instants import to_text
from collector.orders.notices import answer_digest
from collector.orders.rules import Rules

SAVE_US = 10_000_000
"""How often new counts are written down while notices are served."""


def notice_name(operation: str, answer: str) -> str:
    """What a notice is counted under."""
    return f"{operation} {answer}"


class NoticeCounts:
    """The clerk's book of notices. One thread at a time."""

    def __init__(self, path: Path, board: Board, run: str, entered: Mapping[str, str]) -> None:
        """`run` names the supervisor's life, whose counters begin at 0; `entered` is what the log says: until when, by
        operation and answer.
        """
        self._path = path
        self._board = board
        book: dict[str, Any] = {}
        with suppress(FileNotFoundError, ValueError):
            book = json.loads(path.read_bytes())
        same = book.get("run") == run
        self._run = run
        self._seen: list[int] = book["seen"] if same else [0] * NOTICE_CELLS
        self._pending: dict[str, dict[str, Any]] = {
            name: item
            for name, item in book.get("pending", {}).items()
            if item["until"] > entered.get(name, "")
        }
        self._cells: dict[int, tuple[str, str]] = {}
        self._saved_us = 0
        self._unsaved = False

    def adopt(self, rules: Rules, now_us: int, log: AuditLog) -> None:
        """Enter what was served until now, and count under these rules from here on."""
        cells = {
            cell: (rules.operations[number], answer_digest(rules.answers[number]))
            for number, cell in rules.notices.items()
        }
        if cells != self._cells:
            self.enter(now_us, log)
            # Workers change one after the other: what the last still serves of an old notice counts for its old cell.
            self._cells = self._cells | cells

    def note(self, now_us: int) -> None:
        """Add what was served since the last look."""
        served = self._board.notices_served()
        for cell, (operation, answer) in self._cells.items():
            fresh = served[cell] - self._seen[cell]
            if not fresh:
                continue
            moment = to_text(now_us)
            blank = {"operation": operation, "answer": answer, "since": moment, "until": moment, "count": 0}
            item = self._pending.setdefault(notice_name(operation, answer), blank)
            item["count"] += fresh
            item["until"] = moment
            self._seen[cell] = served[cell]
            self._unsaved = True
        if self._unsaved and now_us - self._saved_us >= SAVE_US:
            self._save(now_us)

    def enter(self, now_us: int, log: AuditLog) -> None:
        """Enter everything that is pending. Raises OSError: it stays pending."""
        self.note(now_us)
        for name, item in list(self._pending.items()):
            log.append("notice_served", now_us, **item)
            del self._pending[name]
            self._save(now_us)

    def _save(self, now_us: int) -> None:
        book = {"run": self._run, "seen": self._seen, "pending": self._pending}
        with suppress(OSError):  # a full disk: kept in memory, written at a later look
            files.publish_bytes(self._path, json.dumps(book, sort_keys=True).encode())
            self._saved_us = now_us
            self._unsaved = False
