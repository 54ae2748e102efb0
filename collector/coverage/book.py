"""Unexpected check-ins by UTC day and listed entry: what workers count in shared memory, kept on disk by the clerk.

    data_dir/coverage/unexpected-YYYY-MM-DD.parquet
        run         int64    the run of `serve` that counted it (`Board.run`); 0: some runs before
        operation   string
        domain      string   the schedule's entry; null: no cell was free, or nobody knows the words any more
        check_ins   int64

A worker's table holds today's and yesterday's numbers themselves, not what came since a look. So a look may be repeated, and
a clerk that died goes on with what the tables say; only where every process died, and the memory with them, is what came
after the last write lost. Writes are durable, and as far apart as RATE asks: a small book is written at every look, one of
tens of thousands of entries every few seconds. Books hold nobody's address: a number beside the court's own word. DAYS_KEPT
of them stay.
"""

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from collector.coverage import FOLDER
from collector.ground import files, logs
from collector.ground.counters import Board
from collector.ground.errors import CorruptError
from collector.ground.unexpected import COUNT_MASK, DAY_BITS, HEAD_BYTES
from collector.orders.entries import Entry, entry_of, key_of
from collector.orders.index import Index
from collector.orders.rules import Rules
from collector.segments.segment import SECONDS_A_DAY, day_of

SCHEMA = pa.schema(
    [
        pa.field("run", pa.int64(), nullable=False),
        pa.field("operation", pa.string(), nullable=False),
        pa.field("domain", pa.string()),
        pa.field("check_ins", pa.int64(), nullable=False),
    ]
)
RATE = 200_000
"""Bytes a second that may be written to books; half a minute apart where every cell of several workers is in use."""
DAYS_KEPT = 400
"""More than an order and the keeping of its rows last; a full year of full books is some hundred MB."""
PREFIX, SUFFIX = "unexpected-", ".parquet"
NO_WORDS = Entry("", "")
_DAY_US = SECONDS_A_DAY * 1_000_000

Words = npt.NDArray[np.uint64]


def book_path(data_dir: Path, day: int) -> Path:
    """The book of a day, counted since 1970."""
    return data_dir / FOLDER / f"{PREFIX}{day_of(day).isoformat()}{SUFFIX}"


class Book:
    """The clerk's book. One thread at a time."""

    def __init__(self, data_dir: Path, board: Board, log: Any) -> None:
        """Raises OSError."""
        self._data_dir, self._board, self._log = data_dir, board, log
        files.make_directory(data_dir / FOLDER)
        self._totals = [-1] * len(board.unexpected)
        self._before: list[Words | None] = [None] * len(board.unexpected)
        self._counts: dict[int, dict[tuple[int, int], int]] = {}
        """By day: what each worker's table says of each key, in this run."""
        self._earlier: dict[int, Counter[Entry]] = {}
        """By day: what runs before this one counted."""
        self._words: dict[int, Entry] = {}
        self._unsaved: set[int] = set()
        self._next_us = 0

    def note(self, rules: Rules, now_us: int, *, stopping: bool = False) -> None:
        """Look at the tables, and write down what has changed."""
        today = now_us // _DAY_US
        for worker, table in enumerate(self._board.unexpected):
            total = table.total  # before the table is read: what comes meanwhile is seen again
            if total != self._totals[worker] or stopping:
                self._take(worker, table.read(), rules, today)
                self._totals[worker] = total
        if self._unsaved and (stopping or now_us >= self._next_us):
            self._save(now_us)
        for day in [day for day in self._counts if day < today - 1 and day not in self._unsaved]:
            del self._counts[day], self._earlier[day]

    def _take(self, worker: int, copies: tuple[bytes, bytes], rules: Rules, today: int) -> None:
        head = np.frombuffer(copies[0], "<u8", HEAD_BYTES // 8)
        cells, again = (np.frombuffer(copy, "<u8", offset=HEAD_BYTES).reshape(-1, 4) for copy in copies)
        before = self._before[worker]
        holds = cells[:, 0] == again[:, 0]
        changed = holds if before is None else holds & (cells != before).any(axis=1)
        changed &= cells[:, 0] != 0
        self._before[worker] = np.where(holds[:, None], cells, 0)
        for key, hint, *numbers in cells[changed].tolist():
            for number in numbers:
                self._count(worker, key, hint, number, rules, today)
        for number in head[1:3].tolist():
            self._count(worker, 0, 0, number, rules, today)

    def _count(self, worker: int, key: int, hint: int, number: int, rules: Rules, today: int) -> None:
        day, count = number >> DAY_BITS, number & COUNT_MASK
        if not count or not today - 1 <= day <= today + 1:
            return
        counts = self._counts.get(day)
        if counts is None:
            counts = self._counts[day] = {}
            self._earlier[day] = self._read(day)
        if counts.get((worker, key), 0) >= count:
            return
        if key and key not in self._words and (entry := self._find(key, hint, rules)) is not None:
            self._words[key] = entry
        counts[worker, key] = count
        self._unsaved.add(day)

    def _find(self, key: int, hint: int, rules: Rules) -> Entry | None:
        """The words of a key: in the index in force, else in one of those that are kept."""
        entry = entry_of(key, hint, [rules.index])
        if entry is not None:
            return entry
        for path in (self._data_dir / "rules").glob("*.index"):
            with suppress(OSError, ValueError, CorruptError):
                index = Index(path)
                entry = entry_of(key, hint, [index])
                index.close()
                if entry is not None:
                    return entry
        return None

    def _read(self, day: int) -> Counter[Entry]:
        """What the day's book has of earlier runs; the words that it has of this one are taken over."""
        earlier: Counter[Entry] = Counter()
        try:
            rows = pq.read_table(book_path(self._data_dir, day), schema=SCHEMA).to_pylist()
        except FileNotFoundError:
            return earlier
        except (OSError, pa.ArrowException) as error:
            self._log.error(
                "unexpected_counts_unreadable", day=day_of(day).isoformat(), place=logs.place(error)
            )
            return earlier
        for row in rows:
            entry = Entry(row["operation"], row["domain"]) if row["domain"] is not None else NO_WORDS
            if row["run"] != self._board.run:
                earlier[entry] += row["check_ins"]
            elif entry != NO_WORDS:
                self._words[key_of(entry)] = entry
        return earlier

    def _save(self, now_us: int) -> None:
        size = 0
        for day in sorted(self._unsaved):
            path = book_path(self._data_dir, day)
            try:
                files.publish(path, lambda target, day=day: pq.write_table(self._table(day), target))  # type: ignore[misc]
            except OSError as error:  # a full disk: kept in memory, written at a later look
                self._log.warning("unexpected_counts_not_written", errno=error.errno)
                break
            size += path.stat().st_size
            self._unsaved.discard(day)
        self._next_us = now_us + size * 1_000_000 // RATE
        for old in sorted((self._data_dir / FOLDER).glob(f"{PREFIX}*{SUFFIX}"))[:-DAYS_KEPT]:
            old.unlink(missing_ok=True)

    def _table(self, day: int) -> pa.Table:
        now: Counter[Entry] = Counter()
        for (_, key), count in self._counts[day].items():
            now[self._words.get(key, NO_WORDS)] += count
        rows = [
            {"run": run, "operation": entry.operation, "domain": entry.domain or None, "check_ins": count}
            for run, counts in ((0, self._earlier[day]), (self._board.run, now))
            for entry, count in sorted(counts.items())
        ]
        return pa.Table.from_pylist(rows, SCHEMA)
