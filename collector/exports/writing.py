"""From a partner's rows to its files: each format has a writer, and what they wrote is counted against what was given.

A format takes batches of rows and gives complete files at the end. Formats that want the same rows in the same order share one
reading of them; each writes in a thread of its own (encoding and compressing leave Python alone), a few batches behind the
reader at the most, so memory is flat however slow one is.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa

from collector.exports import query
from collector.exports.engine import Engine
from collector.exports.equation import predicates
from collector.exports.kinds import Entitlement, FileDataset, Labels, WrittenFile
from collector.exports.native import NativeWriter
from collector.exports.ocsf import OcsfWriter
from collector.exports.shadowserver import ShadowserverWriter
from collector.exports.withdrawn_csv import WithdrawnCsvWriter
from collector.ground.errors import CorruptError

BATCHES_BEHIND = 4

Tell = Callable[[int], None]


class Writer(Protocol):
    """One format's files for one partner, growing."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in. Raises OSError."""

    def close(self) -> list[WrittenFile]:
        """The complete files. Raises OSError."""


class Reading(NamedTuple):
    """One reading of one relation, and the writers that take it."""

    relation: str
    dataset: FileDataset
    keys: tuple[str, ...]
    """The columns that the rows must be sorted by."""
    writers: tuple[Writer, ...]


def readings(entitlement: Entitlement, labels: Labels, folder: Path) -> list[Reading]:
    """What an entitlement's datasets and formats come to."""
    found = []
    columns = {dataset: query.columns_for(dataset, entitlement) for dataset in entitlement.datasets}
    if "events" in columns:
        writers: list[Writer] = []
        if "parquet" in entitlement.formats:
            writers.append(NativeWriter(labels, folder, "events", columns["events"]))
        if "shadowserver-csv" in entitlement.formats:
            writers.append(ShadowserverWriter(labels, folder))
        if writers:
            found.append(Reading("ordered", "events", ("place", "timestamp"), tuple(writers)))
        if "ocsf-parquet" in entitlement.formats:
            found.append(Reading("by_time", "events", ("timestamp",), (OcsfWriter(labels, folder),)))
    return found + _hosts(entitlement, labels, folder)


def readings_back(entitlement: Entitlement, labels: Labels, folder: Path) -> list[Reading]:
    """What a withdrawal comes to: the rows taken back, in a form that no reader of events takes for new ones; hosts anew."""
    found = []
    if "events" in entitlement.datasets:
        writers: list[Writer] = []
        if {"parquet", "ocsf-parquet"} & set(entitlement.formats):
            columns = query.columns_for("withdrawn", entitlement)
            writers.append(NativeWriter(labels, folder, "withdrawn", columns))
        if "shadowserver-csv" in entitlement.formats:
            writers.append(WithdrawnCsvWriter(labels, folder))
        found.append(Reading("taken_back", "withdrawn", ("place", "timestamp"), tuple(writers)))
    return found + _hosts(entitlement, labels, folder)


def _hosts(entitlement: Entitlement, labels: Labels, folder: Path) -> list[Reading]:
    if "hosts" not in entitlement.datasets or "parquet" not in entitlement.formats:
        return []
    writer = NativeWriter(labels, folder, "hosts", query.columns_for("hosts", entitlement))
    return [Reading("hosts", "hosts", ("place",), (writer,))]


def write_files(
    engine: Engine,
    entitlement: Entitlement,
    wanted: Sequence[Reading],
    flags: Mapping[tuple[str, ...], int],
    only: query.Ranges | None,
    tell: Tell,
) -> tuple[list[WrittenFile], int | None]:
    """Write all files of a publication; with them, how many check-ins are in `events` (None: that dataset is not given).

    `only` takes those records of `events`. Raises CorruptError where rows come in another order, OSError, EngineError.
    """
    predicate, _ = predicates(entitlement, flags)
    written: list[WrittenFile] = []
    events: int | None = None
    for reading in wanted:
        limit = only if reading.dataset == "events" else None
        # What is taken back was given once, whatever would be given now.
        condition = "true" if reading.dataset == "withdrawn" else predicate
        statement = query.rows_for(reading.relation, reading.dataset, entitlement, condition, limit)
        rows = _in_order(engine.stream(statement), reading, tell)
        made, count = write_with(reading.writers, rows)
        written += made
        if reading.dataset == "events":
            if events not in (None, count):
                raise _differ(entitlement, f"{events} and {count} rows of events in two readings")
            events = count
    return written, events


def write_with(writers: Sequence[Writer], rows: Iterator[pa.RecordBatch]) -> tuple[list[WrittenFile], int]:
    """Give every batch to every writer; their files, and how many rows there were. The first error is raised."""
    sides = [_Side(writer) for writer in writers]
    count = 0
    try:
        for batch in rows:
            count += batch.num_rows
            for side in sides:
                side.give(batch)
    except BaseException:
        for side in sides:
            side.stop()
        raise
    return [file for side in sides for file in side.finish()], count


class _Side:
    """A writer in a thread of its own."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._batches: queue.Queue[pa.RecordBatch | None] = queue.Queue(BATCHES_BEHIND)
        self._files: list[WrittenFile] = []
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def give(self, batch: pa.RecordBatch) -> None:
        """Hand a batch on. Raises what the writer raised."""
        if self._error is not None:
            raise self._error
        self._batches.put(batch)

    def finish(self) -> list[WrittenFile]:
        """No more batches; the files. Raises what the writer raised."""
        self._batches.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._files

    def stop(self) -> None:
        """End without files."""
        self._abandoned = True
        self._batches.put(None)
        self._thread.join()

    def _work(self) -> None:
        # After an error the rest is taken and dropped, so that the reader is never left waiting.
        while (batch := self._batches.get()) is not None:
            if self._error is None and not self._abandoned:
                self._try(partial(self._writer.write, batch))
        if self._error is None and not self._abandoned:
            self._try(lambda: self._files.extend(self._writer.close()))

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:
            self._error = error


def _in_order(batches: Iterator[pa.RecordBatch], reading: Reading, tell: Tell) -> Iterator[pa.RecordBatch]:
    """The batches without `place`, each row checked to stand after the one before."""
    last: tuple[int, int] = (-1, -1)
    for batch in batches:
        if not batch.num_rows:
            continue
        first, second = (
            batch.column(name).cast(pa.int64()).to_numpy() if name in batch.schema.names else None
            for name in (*reading.keys, "")[:2]
        )
        assert first is not None
        if second is None:
            second = np.zeros(len(first), np.int64)
        rises = (first[1:] > first[:-1]) | ((first[1:] == first[:-1]) & (second[1:] >= second[:-1]))
        if (first[0], second[0]) < last or not rises.all():
            raise CorruptError(
                "export a day",
                reading.relation,
                reading.dataset,
                "the engine gave rows in another order than they were stored in",
                "Nothing is published; report this with the version of the engine",
            )
        last = (int(first[-1]), int(second[-1]))
        yield batch.drop_columns(["place"])
        tell(batch.num_rows * len(reading.writers))


def _differ(entitlement: Entitlement, cause: str) -> CorruptError:
    return CorruptError(
        "export a day",
        entitlement.order,
        f"partner {entitlement.partner}",
        cause,
        "Nothing is published; export again, and report it if it stays",
    )
