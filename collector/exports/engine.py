"""The engine that runs the export's statements: DuckDB, embedded, within a memory limit.

Everything it reads and writes is Parquet files, named by views: which files those are is said here, what is asked of them in
`query`. So a statement can be given to another engine, over files in another place, and no row passes through Python
but on its way into a partner's file.

What does not fit into memory is spilled to `folder`, which goes when the export ends, whatever becomes of it; it lies below
data_dir, so that no row is ever anywhere else. Two threads at the least: one reads while another sorts. DuckDB's own files have
no page index and their order is the order of rows only as long as `preserve_insertion_order` is on, which it is.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from collector.exports.query import quoted
from collector.ground.errors import PentrapError

BATCH_ROWS = 1 << 16
"""Rows in a batch that is handed on: about 10 MB."""
STAGED_GROUP_ROWS = 1 << 17
"""Rows in a row group of a staged file: the grain at which a later statement can skip, and what one thread holds."""
THREADS_MIN = 2
FOLLOW_SECONDS = 0.2


class EngineError(PentrapError):
    """A statement that could not be run; the text says why, and what can be done."""


class Engine:
    """Views over Parquet files, and statements on them. Use as a context; `folder` is its own."""

    def __init__(
        self, folder: Path, memory_mb: int, temp_max_gb: int, threads: int = 0, *, act: str = "export"
    ) -> None:
        """`act`: what it is for, as errors say it. Raises EngineError."""
        self.folder = folder
        self._act = act
        self._memory_mb, self._temp_max_gb = memory_mb, temp_max_gb
        self._staged: dict[str, list[Path]] = {}
        self._threads = threads or max(THREADS_MIN, len(os.sched_getaffinity(0)))
        spill = folder / "spill"
        spill.mkdir(mode=0o700)
        config: dict[str, Any] = {
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": str(spill),
            "max_temp_directory_size": f"{temp_max_gb}GB",
            "threads": str(self._threads),
            "preserve_insertion_order": "true",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "python_enable_replacements": "false",
        }
        self._connection = duckdb.connect(":memory:", config=config)
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET enable_progress_bar = false")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def view(self, name: str, paths: Sequence[Path], empty: pa.Schema) -> None:
        """Name the rows of some files; without files, no rows of the schema `empty`.

        No rows are a file as well: a registered table would hide whatever is given the same name later.
        """
        if not paths:
            paths = [self.folder / f"none-{name}.parquet"]
            pq.write_table(empty.empty_table(), paths[0])
        self.name(name, paths)

    def stage(self, name: str, statements: Sequence[str]) -> None:
        """Run statements into files, one after the other, and name their rows in that order."""
        paths = [self.folder / f"{name}-{number}.parquet" for number in range(len(statements))]
        for path, statement in zip(paths, statements, strict=True):
            self.run(
                f"COPY ({statement}) TO {quoted(str(path))}"
                f" (FORMAT parquet, COMPRESSION lz4_raw, ROW_GROUP_SIZE {STAGED_GROUP_ROWS})"
            )
        self._staged[name] = paths
        self.name(name, paths)

    def drop(self, name: str) -> None:
        """Forget what was staged, and delete its files."""
        for path in self._staged.pop(name, ()):
            path.unlink()
        self.run(f"DROP VIEW IF EXISTS {name}")

    def name(self, name: str, paths: Sequence[Path]) -> None:
        """Name the rows of files that are there."""
        listed = ", ".join(quoted(str(path)) for path in paths)
        self.run(
            f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet([{listed}], hive_partitioning = false)"
        )

    def run(self, statement: str) -> None:
        """Run what has no answer. Raises EngineError."""
        try:
            self._connection.execute(statement)
        except duckdb.Error as error:
            raise self._told(error) from None

    @contextmanager
    def followed(self, tell: Callable[[float], None]) -> Iterator[None]:
        """Meanwhile `tell`, in a thread of its own, how much of the statement that is running is done, from 0 to 1."""
        self.run("SET enable_progress_bar = true")
        self.run("SET enable_progress_bar_print = false")  # DuckDB would draw a bar of its own
        over = threading.Event()

        def follow() -> None:
            while not over.wait(FOLLOW_SECONDS):
                tell(max(0.0, float(self._connection.query_progress())) / 100)

        follower = threading.Thread(target=follow, name="progress", daemon=True)
        follower.start()
        try:
            yield
        finally:
            over.set()
            follower.join()
            self.run("SET enable_progress_bar = false")

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The answer of a statement, whole: for counts. Raises EngineError."""
        try:
            found: list[tuple[Any, ...]] = self._connection.execute(statement).fetchall()
        except duckdb.Error as error:
            raise self._told(error) from None
        return found

    def stream(self, statement: str, *, in_order: bool = True) -> Iterator[pa.RecordBatch]:
        """The answer of a statement as it comes. Raises EngineError.

        `in_order`: in the order in which its rows are stored. DuckDB 2.0 does not keep it by itself, whatever
        `preserve_insertion_order` says: several threads hand on what they filter as it gets ready, so there is one; and IN of
        five texts or more becomes a join, which keeps a chunk of fewer than 64 rows back behind later ones, so it stays a
        comparison. The one costs nothing, as the partners' writers are what takes time; the other 0.15 us a row of 120 texts.
        """
        if in_order:
            self.run("SET threads = 1")
            self.run("SET disabled_optimizers = 'in_clause'")
        try:
            # `execute(...).to_arrow_reader` would hold the whole answer (DuckDB materialises it); a relation does not.
            yield from self._connection.sql(statement).to_arrow_reader(BATCH_ROWS)
        except (duckdb.Error, pa.ArrowException) as error:
            raise self._told(error) from None
        finally:
            self.run("SET disabled_optimizers = ''")
            self.run(f"SET threads = {self._threads}")

    def _told(self, error: Exception) -> EngineError:
        text = str(error)
        if isinstance(error, duckdb.OutOfMemoryException) or "Out of Memory" in text:
            return EngineError(
                f"run the {self._act}'s statements: they need more than {self._memory_mb} MB of memory, or"
                f" {self._temp_max_gb} GB of temporary files\n    remedy:   allow more with [export] memory_mb or temp_max_gb"
            )
        if "o such file" in text or "No files found" in text:
            return EngineError(
                f"run the {self._act}'s statements: a segment was moved or deleted meanwhile\n    remedy:   run it again"
            )
        return EngineError(f"run the {self._act}'s statements: {text}")
