"""An officer's DuckDB session on one order's rows (law.md L-20a): it sees those rows, and nothing else of the machine.

    events    the contract's columns; rows whose order_id is the order's
    hosts     the contract's dataset hosts, one row per day and host, computed from events

The rows come through an Arrow dataset that holds the filter on the order, so no SQL can reach another order's rows; segments in
quarantine and deleted ones are not in it. Each file carries the day of its folder as a guarantee, so a question about an
hour opens that day's files only. DuckDB runs in memory with no access to files, network, extensions or Python's variables, in
UTC, its settings locked; statements that change anything are refused before it sees them. It spills nothing: rows outside the
data directory would be rows that no purge finds, so a question that wants more memory than allowed fails and says so.

Questions run in a thread of their own: DuckDB does not look at signals, so the main thread waits, and interrupts it.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs

from collector.ground.errors import PentrapError
from collector.orders.instants import to_text
from collector.segments.catalogue import days, segments_of
from collector.segments.segment import Segment
from collector.segments.table import EVENTS

T = TypeVar("T")
ALLOWED = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})
BATCH_ROWS = 10_000
_LOCKED = {
    "access_mode": "automatic",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "temp_directory": "",
}
HOSTS = """
CREATE VIEW hosts AS
WITH grouped AS (
    SELECT
        CAST(timestamp AS DATE) AS day, src_ip, family, transport, dst_port, application, order_id,
        min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS check_ins,
        count(DISTINCT date_trunc('hour', timestamp)) AS active_hours,
        count(DISTINCT src_port) AS src_ports, count(DISTINCT domain) AS domains,
        arg_max(
            {'src_port': src_port, 'dst_ip': dst_ip, 'domain': domain, 'src_asn': src_asn, 'src_geo': src_geo, 'mark': mark,
             'source_trust': source_trust, 'infection': infection},
            {'timestamp': timestamp, 'stream': stream, 'record': record}
        ) AS latest
    FROM events
    GROUP BY ALL
)
SELECT
    day, src_ip, latest.src_port AS src_port, latest.source_trust AS source_trust, latest.src_asn AS src_asn,
    latest.src_geo AS src_geo, latest.mark AS mark, latest.dst_ip AS dst_ip, dst_port, transport, application,
    latest.domain AS domain, family, latest.infection AS infection, order_id,
    first_seen, last_seen, check_ins, active_hours, src_ports, domains
FROM grouped
"""


class StatementError(PentrapError):
    """A question that cannot be answered; the text says why."""


class Shown(NamedTuple):
    """What a session is about to show."""

    files: int
    size: int
    first_day: str
    last_day: str


class Answer:
    """A running answer: names of columns, and rows of texts, numbers and None as they come."""

    def __init__(self, session: "OrderSession", reader: Any) -> None:
        self._session = session
        self._reader = reader
        self.columns: list[str] = list(reader.schema.names)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while True:
            batch = self._session.wait_for(self._next)
            if batch is None:
                return
            columns = [_plain(column) for column in batch.columns]
            yield from zip(*columns, strict=True) if columns else ()

    def _next(self) -> Any:
        try:
            return self._reader.read_next_batch()
        except StopIteration:
            return None


class OrderSession:
    """Views of one order's rows. Use as a context; only inside an entered access."""

    def __init__(self, data_dir: Path, order: str, memory_mb: int) -> None:
        self._segments = [segment for day in days(data_dir) for segment in segments_of(data_dir, day)]
        self._data_dir = data_dir
        self._order = order
        self._memory_mb = memory_mb
        self._thread = ThreadPoolExecutor(max_workers=1)
        # Held here as well as by DuckDB, so that no garbage collection takes the rows away under a view.
        self._rows = _dataset(data_dir, self._segments).filter(ds.field("order_id") == order)
        self._connection: Any = None
        self._connection = self.wait_for(self._connect)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.interrupt()
        self._thread.shutdown(wait=True)
        self._connection.close()

    @property
    def shown(self) -> Shown:
        """The files that the views read, those of other orders among them, since a file may hold several orders' rows."""
        sizes = [segment.path(self._data_dir).stat().st_size for segment in self._segments]
        spanned = [segment.day.isoformat() for segment in self._segments]
        return Shown(len(sizes), sum(sizes), min(spanned, default=""), max(spanned, default=""))

    def statements(self, text: str) -> list[str]:
        """The statements of a text. Raises StatementError where one would change anything, or none can be made out."""
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise StatementError(
                f"the text is no UTF-8: found {text[error.start]!a} at character {error.start + 1}\n"
                "    remedy:   write it in UTF-8, or a byte of a value as unhex('ff')"
            ) from None
        try:
            parsed = self._connection.extract_statements(text)
        except duckdb.Error as error:
            raise StatementError(str(error)) from None
        for statement in parsed:
            if statement.type not in ALLOWED:
                name = str(statement.type).rpartition(".")[2]
                raise StatementError(
                    f"{name} is not allowed here: the rows may be read, not changed, and nothing else can be reached\n"
                    "    expected: SELECT, FROM, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN"
                )
        return [statement.query for statement in parsed]

    def ask(self, statement: str) -> Answer:
        """Run one statement of `statements`. Raises StatementError."""
        self.statements(statement)
        return Answer(self, self.wait_for(lambda: self._run(statement)))

    def newest(self) -> str:
        """When the order has its newest row in Parquet; empty: it has none. Latest day first, so that few files are opened."""
        for day in sorted({segment.day for segment in self._segments}, reverse=True):
            within = f"timestamp >= '{day}' AND timestamp < '{day + timedelta(days=1)}'"
            [(moment,)] = self.ask(f"SELECT max(timestamp) FROM events WHERE {within}")  # noqa: S608 - dates of ours
            if moment:
                return str(moment)
        return ""

    def wait_for(self, act: Callable[[], T]) -> T:
        """Run in the session's thread. A signal's exception interrupts DuckDB and is raised here."""
        result = self._thread.submit(act)
        try:
            return result.result()
        except duckdb.Error as error:
            raise self._told(error) from None
        except (pa.ArrowException, OSError) as error:
            text = (
                "a segment was moved or deleted while it was read; ask again"
                if "o such file" in str(error)
                else str(error)
            )
            raise StatementError(text) from None
        except BaseException:
            while not result.done():
                if self._connection is not None:
                    self._connection.interrupt()
                threading.Event().wait(0.05)
            raise

    def _connect(self) -> Any:
        config: dict[str, Any] = _LOCKED | {"memory_limit": f"{self._memory_mb}MB"}
        connection = duckdb.connect(":memory:", config=config)
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.register("order_rows", self._rows)
        connection.execute("CREATE VIEW events AS SELECT * FROM order_rows")
        connection.execute(HOSTS)
        connection.execute("SET lock_configuration = true")
        return connection

    def _run(self, statement: str) -> Any:
        relation = self._connection.sql(statement)
        if relation is None:
            raise StatementError("this statement has no result")
        return relation.to_arrow_reader(BATCH_ROWS)

    def _told(self, error: Exception) -> StatementError:
        if isinstance(error, duckdb.OutOfMemoryException):
            return StatementError(
                f"this needs more than the {self._memory_mb} MB allowed, and nothing is spilled to disk\n"
                "    remedy:   ask for fewer days or columns, aggregate earlier, or allow more with --memory-mb"
            )
        if "o such file" in str(error):
            return StatementError(
                "a segment was moved or deleted since the session began; end it and open another"
            )
        return StatementError(str(error))


def _dataset(data_dir: Path, segments: list[Segment]) -> ds.Dataset:
    guarantees = []
    for segment in segments:
        start = datetime(segment.day.year, segment.day.month, segment.day.day, tzinfo=UTC)
        edges = [
            pa.scalar(moment, EVENTS.field("timestamp").type) for moment in (start, start + timedelta(days=1))
        ]
        guarantees.append((ds.field("timestamp") >= edges[0]) & (ds.field("timestamp") < edges[1]))
    return ds.FileSystemDataset.from_paths(
        [str(segment.path(data_dir)) for segment in segments],
        schema=EVENTS,
        format=ds.ParquetFileFormat(),
        filesystem=pafs.LocalFileSystem(),
        partitions=guarantees,
    )


def _plain(column: Any) -> list[Any]:
    """A column's values as texts, numbers, truths and None; instants in UTC. Needs no time zone database."""
    if pa.types.is_timestamp(column.type):
        numbers = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64()).to_pylist()
        return [None if number is None else _instant(number) for number in numbers]
    if (
        pa.types.is_boolean(column.type)
        or pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
    ):
        plain: list[Any] = column.to_pylist()
        return plain
    if pa.types.is_decimal(column.type) and column.type.scale == 0:
        return [None if value is None else int(value) for value in column.to_pylist()]
    return [None if value is None else str(value) for value in column.to_pylist()]


def _instant(moment_us: int) -> str:
    text = to_text(moment_us)
    return text if "." in text or not text.endswith("Z") else f"{text[:-1]}.000000Z"
