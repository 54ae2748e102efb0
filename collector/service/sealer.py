"""Sealed journals become Parquet; only then is a journal removed. Days that are over are sealed.

Every step may be repeated after a crash: a segment is named by its range, so the same journal overwrites the same name with the
same rows. A journal that does not verify everywhere gives what it has, and is kept beside as `.damaged`.
"""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from collector.coverage.registries import Registries
from collector.ground import files, logs
from collector.ground.clock import now_us
from collector.ground.counters import CELL, Board
from collector.ground.errors import CorruptError
from collector.journal.format import HEADER_SIZE, MICROSECONDS_A_DAY, decode_header, read_journal
from collector.journal.names import JournalName, list_journals
from collector.orders.rules import Rules
from collector.segments.catalogue import is_sealed, seal_day
from collector.segments.scope import rows_outside_order
from collector.segments.turn import turn
from collector.segments.write import write_segments
from collector.service.day_counts import DayCounts

SETTLE_US = 15_000_000
"""How long after midnight the day before may be sealed at the earliest: later than intake rolls its streams."""
RULES_KEPT = 4

_EPOCH = date(1970, 1, 1)


class Sealer:
    """The clerk's work on files. One thread at a time."""

    def __init__(
        self, data_dir: Path, sensor: str, installed_us: int, settle_us: int, board: Board, log: Any
    ) -> None:
        """Raises OSError."""
        self._data_dir = data_dir
        files.clear_temporaries(
            data_dir / "segments"
        )  # a clerk that was killed in the middle of one; only clerks write here
        self._journals = data_dir / "journal"
        self._sensor = sensor
        self._settle_us = settle_us + SETTLE_US
        self._next_day = installed_us // MICROSECONDS_A_DAY
        self._board = board
        self._log = log
        self._rules = lru_cache(maxsize=RULES_KEPT)(lambda digest: Rules.load(data_dir / "rules", digest))
        self._counts = DayCounts(data_dir / "day-counts.json", board, now_us())
        if self._counts.unreadable:
            log.error("day_counts_unreadable", place=self._counts.unreadable)
        self.registries = Registries(data_dir)

    def work(self, now_us: int, *, stopping: bool = False) -> int:
        """Convert every sealed journal and seal every day that is over; how many journals are left."""
        self._counts.note(now_us, stopping=stopping)
        left = waiting_us = 0
        for path, name in list_journals(self._journals):
            if name.last is None:
                left += 1
            elif not self._convert(path, name):
                left += 1
                waiting_us = max(waiting_us, now_us - path.stat().st_mtime_ns // 1000)
        self._board.clerk.counts[CELL["segments_waiting_us"]] = waiting_us
        self._seal_days(now_us)
        return left

    def _convert(self, path: Path, name: JournalName) -> bool:
        assert name.last is not None
        counts = self._board.clerk.counts
        try:
            journal = read_journal(path, name.last + 1)
            rules = self._rules(journal.header.rules)
            rows = outside = 0
            for run in journal.runs:
                written = write_segments(self._data_dir, run.records, run.first, name.stream, rules)
                rows += sum(segment.rows for segment in written)
                outside += rows_outside_order(run.records, rules)
                self.registries.note(run.records, rules)
            self._save_registries()  # before the journal goes: what a death takes is noted again
            if journal.corrupt_blocks or journal.torn_bytes or journal.header_damaged:
                counts[CELL["corrupt_blocks"]] += journal.corrupt_blocks or 1
                self._log.error(
                    "journal_damaged",
                    journal=path.name,
                    rows=rows,
                    corrupt_bytes=journal.corrupt_bytes,
                    torn_bytes=journal.torn_bytes,
                )
                files.rename(path, path.with_suffix(".damaged"))
            else:
                files.remove(path)
            self._remove_if_empty(path.parent)
        except CorruptError as error:
            counts[CELL["corrupt_blocks"]] += 1
            self._log.error("journal_unreadable", journal=path.name, place=logs.place(error))
            files.rename(path, path.with_suffix(".damaged"))
            return True
        except OSError as error:
            counts[CELL["segments_failed"]] += 1
            self._log.error("segment_not_written", journal=path.name, errno=error.errno)
            return False
        except Exception as error:  # a fault of ours with one journal must not keep the others waiting
            counts[CELL["segments_failed"]] += 1
            self._log.error("segment_failed", journal=path.name, place=logs.place(error))
            return False
        counts[CELL["segments_rows"]] += rows
        counts[CELL["segments_rows_outside_order"]] += outside
        if outside:
            self._log.error("rows_outside_their_order", journal=path.name, rows=outside)
        self._board.clerk.publish()
        return True

    def _save_registries(self) -> None:
        """A refusal must not keep the journal, or the day could not be sealed for a figure's sake; the next one tries again."""
        try:
            self.registries.save()
        except OSError as error:
            self._log.warning("registries_not_written", errno=error.errno)

    def _remove_if_empty(self, directory: Path) -> None:
        """A stream's folder goes with its last file, unless the stream has begun another one meanwhile."""
        try:
            directory.rmdir()
        except OSError:
            return

    def _seal_days(self, now_us: int) -> None:
        """A day is sealed when it is over, its stragglers' time too, and no journal holds any of it.

        A journal that cannot be opened may hold any day, so then none is sealed in this round.
        """
        over = (now_us - self._settle_us) // MICROSECONDS_A_DAY
        if self._next_day >= over:
            return
        try:
            busy = self._days_in_journals()
        except FileNotFoundError:
            return  # it was given its sealed name between the listing and the opening: the next round finds it
        except OSError as error:
            day = _EPOCH + timedelta(days=self._next_day)
            self._log.error("day_not_sealed", day=day.isoformat(), place=logs.place(error))
            return
        for number in range(self._next_day, over):
            if number in busy:
                return
            day = _EPOCH + timedelta(days=number)
            if not is_sealed(self._data_dir, self._sensor, day):
                try:
                    with turn(self._data_dir):
                        seal_day(
                            self._data_dir,
                            self._sensor,
                            day,
                            sealed_at=datetime.fromtimestamp(now_us / 1e6, UTC),
                            **self._counts.of(day),
                        )
                except (CorruptError, OSError) as error:
                    self._log.error("day_not_sealed", day=day.isoformat(), place=logs.place(error))
                    return
                self._log.info("day_sealed", day=day.isoformat())
            self._next_day = number + 1

    def _days_in_journals(self) -> set[int]:
        """Raises OSError."""
        days = set()
        for path, _ in list_journals(self._journals):
            with path.open("rb") as file:
                header = file.read(HEADER_SIZE)
            with suppress(CorruptError):
                days.add(decode_header(header, str(path))[0].day)
        return days
