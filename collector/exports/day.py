"""A day's export: for each partner and order, what is owed becomes a publication (contract; law.md L-31, L-32).

    segments ──────► addresses     one row per address, enriched; the only step that is ours and not SQL
        └──────────► ordered       one order's rows, sorted once for all its partners
                        ├────────► events     a partner's rows and columns: native Parquet, Shadowserver's CSV
                        ├────────► hosts      aggregated once, a partner's rows of it
                        └────────► by time    OCSF

The same segments and configuration give the same rows in the same order. Everything between lies in one folder below
data_dir/exports that goes at the end; a partner's files are staged in its own and appear with `publication.publish`. Killed
anywhere, the next run finds what is still owed and makes exactly that. Two at once take turns, and the second finds nothing
owed.

The second equation is counted before anything is published, and every file's rows are counted against it.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import collector
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.custody.footer import orders_in
from collector.custody.known_orders import known_orders
from collector.custody.quarantine import held_days
from collector.exports import query
from collector.exports.addresses import write_addresses
from collector.exports.engine import Engine
from collector.exports.enrich import Enrichment
from collector.exports.equation import Counted, count, flags_of
from collector.exports.kinds import Entitlement, Labels, Made, WrittenFile
from collector.exports.manifest import Contents, File
from collector.exports.publication import FOLDER, publications, publish, stage
from collector.exports.source import DaySource, Due, check_whole, due, read_source, records_of
from collector.exports.writing import write_files
from collector.ground import files
from collector.ground.errors import CorruptError, PentrapError
from collector.segments.segment import SECONDS_A_DAY, Segment
from collector.segments.table import EVENTS
from collector.segments.turn import turn

LOCK = "lock"
WORK = files.TEMPORARY_PREFIX + "export-"
US = 1_000_000
HOSTS_AT_ONCE = 250_000
"""Addresses whose hosts are counted at once: some 100 MB."""

Progress = Callable[[int, int], None]


class ExportError(PentrapError):
    """A day that is not exported now; the text says why, and when it will be."""


@dataclass(frozen=True)
class Means:
    """What an export works with."""

    data_dir: Path
    sensors: tuple[str, ...]
    """Those expected to seal a day."""
    key: Ed25519PrivateKey
    memory_mb: int
    temp_max_gb: int
    reserve_bytes: int
    """Free bytes below which nothing is exported: they are the journal's."""
    enrichment: Enrichment
    revision: str = ""


@dataclass
class Outcome:
    """What came of it."""

    day: date
    made: list[Made] = field(default_factory=list)
    missing: tuple[str, ...] = ()
    """Sensors that have not sealed the day."""
    counted: Counted | None = None
    """None where nothing was owed."""


def export_day(
    means: Means,
    log: AuditLog,
    entitlements: Sequence[Entitlement],
    day: date,
    *,
    now_us: int,
    partner: str = "",
    incomplete: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Outcome:
    """Publish what is owed of a day: to one partner, or to all.

    A day that a sensor has not sealed is published only if `incomplete` allows it. Raises ExportError (held, incomplete, too
    little space), CorruptError, EngineError, OSError; what was published before that stays published.
    """
    with exports_turn(means.data_dir):
        ledger = Ledger.of(read_entries(means.data_dir / "audit"))
        source = read_source(means.data_dir, day, means.sensors, ledger)
        _check(means, source, incomplete=incomplete)
        windows = windows_of(ledger, day)
        concerned = [one for one in entitlements if one.order in windows]
        owed = _owed(means.data_dir, source, [one for one in concerned if partner in ("", one.partner)])
        outcome = Outcome(day, missing=source.missing)
        if not owed:
            return outcome
        check_whole(means.data_dir, source, ledger)
        with work_folder(means.data_dir) as folder:
            engine_folder = folder / "engine"
            engine_folder.mkdir(mode=files.DIRECTORY_MODE)
            with Engine(engine_folder, means.memory_mb, means.temp_max_gb) as engine:
                run = _Run(means, log, source, windows, flags_of(concerned), engine, now_us)
                run.name_relations()
                outcome.counted = count(engine, source, concerned, windows, run.flags)
                run.follow(progress, owed, outcome.counted)
                for order in sorted({one.entitlement.order for one in owed}):
                    own = [one for one in owed if one.entitlement.order == order]
                    outcome.made += run.publish_order(order, own, outcome.counted)
        return outcome


@contextmanager
def exports_turn(data_dir: Path) -> Iterator[None]:
    """Only one export at a time; another waits. What a killed one left goes first: rows lie nowhere without a purpose."""
    root = data_dir / FOLDER
    with files.locked(root / LOCK):
        for left in root.glob(WORK + "*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


@contextmanager
def work_folder(data_dir: Path) -> Iterator[Path]:
    """A folder for what is between segments and files, for as long as it is needed. Only in the turn."""
    folder = Path(tempfile.mkdtemp(prefix=WORK, dir=data_dir / FOLDER))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def windows_of(ledger: Ledger, day: date) -> dict[str, query.Window]:
    """The part of the day that each order covers, as it is known now; orders that cover none of it are left out."""
    begins = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * US
    ends = begins + SECONDS_A_DAY * US
    found = {}
    for order in known_orders(ledger).values():
        window = query.Window(max(begins, order.starts_us), min(ends, order.ends_us))
        if window.starts_us < window.ends_us:
            found[order.id] = window
    return found


def _check(means: Means, source: DaySource, *, incomplete: bool) -> None:
    if source.held:
        raise ExportError(
            f"export {source.day}: a segment of the day is in quarantine; nothing of it is published until that is decided\n"
            "    remedy:   pentrap quarantine --list, then release or destroy it"
        )
    if source.missing and not incomplete:
        raise ExportError(
            f"export {source.day}: not sealed yet by {', '.join(source.missing)}\n"
            "    remedy:   wait: it is published as soon as it is complete, at 05:30 UTC of the next day at the latest; or"
            " --incomplete now, and what comes later is a supplement"
        )
    free = shutil.disk_usage(means.data_dir).free
    if free < means.reserve_bytes:
        raise ExportError(
            f"export {source.day}: {free // 1_000_000} MB are free, and {means.reserve_bytes // 1_000_000} MB are kept for the"
            " journal ([intake] disk_reserve_mb)\n    remedy:   make room, then export again; nothing recorded is lost"
        )


def _owed(data_dir: Path, source: DaySource, entitlements: Sequence[Entitlement]) -> list[Due]:
    @cache
    def orders_of(segment: Segment) -> frozenset[str]:
        return orders_in(segment.path(data_dir))

    found = []
    for name in sorted({one.partner for one in entitlements}):
        before = [one.manifest for one in publications(data_dir, name)]
        found += [due(one, source, before, orders_of) for one in entitlements if one.partner == name]
    return [one for one in found if one is not None]


class _Run:
    """One export at work: the engine, and what all its publications share."""

    def __init__(
        self,
        means: Means,
        log: AuditLog,
        source: DaySource,
        windows: Mapping[str, query.Window],
        flags: Mapping[tuple[str, ...], int],
        engine: Engine,
        now_us: int,
    ) -> None:
        self._means, self._log, self._source, self._windows = means, log, source, windows
        self.flags, self._engine, self._now_us = flags, engine, now_us
        self._done, self._total = 0, 1
        self._progress: Progress = _silent

    def name_relations(self) -> None:
        """`events`, and `addresses` made of them."""
        engine = self._engine
        engine.view(
            "events", [segment.path(self._means.data_dir) for segment in self._source.segments], EVENTS
        )
        path = engine.folder / "addresses.parquet"
        texts = (batch.column(0) for batch in engine.stream(query.distinct_addresses(), in_order=False))
        self._addresses = write_addresses(texts, list(self.flags), self._means.enrichment, path)
        engine.view("addresses", [path], EVENTS)

    def follow(self, progress: Progress, owed: Sequence[Due], counted: Counted) -> None:
        """Say how far it is, in rows to be sorted and written."""
        formats = sum(
            counted.of[one.entitlement] * len(one.entitlement.formats) for one in owed if one.kind == "day"
        )
        self._progress, self._total = progress, max(1, self._source.rows + formats)

    def _tell(self, rows: int) -> None:
        self._done = min(self._done + rows, self._total - 1)
        self._progress(self._done, self._total)

    def publish_order(self, order: str, owed: Sequence[Due], counted: Counted) -> list[Made]:
        """Make the publications of one order."""
        self._stage(order, owed)
        self._tell(self._source.rows)
        made = [self._publish(one, counted) for one in owed]
        for name in ("ordered", "hosts", "by_time"):
            self._engine.drop(name)
        return made

    def _stage(self, order: str, owed: Sequence[Due]) -> None:
        """Sort the order's rows once for all its partners, and count its hosts once."""
        engine, flags = self._engine, len(self.flags)
        engine.stage("ordered", [query.in_order(query.of_order(order, self._windows[order], flags))])
        if any("hosts" in one.entitlement.datasets for one in owed):
            firsts = range(0, max(1, self._addresses), HOSTS_AT_ONCE)
            pieces = [query.hosts("ordered", first, first + HOSTS_AT_ONCE - 1, flags) for first in firsts]
            engine.stage("hosts", pieces)
        if any("ocsf-parquet" in one.entitlement.formats for one in owed):
            engine.stage("by_time", [query.in_order("SELECT * FROM ordered", query.IN_TIME)])

    def _publish(self, one: Due, counted: Counted) -> Made:
        means, entitlement = self._means, one.entitlement
        labels = Labels(
            entitlement.order,
            self._source.day,
            entitlement.tlp,
            entitlement.purpose,
            entitlement.partner,
            one.supplement,
        )
        only = records_of(one.segments) if one.kind == "supplement" else None
        with stage(means.data_dir, entitlement.partner) as folder:
            written, events = write_files(
                self._engine, entitlement, labels, folder, self.flags, only, self._tell
            )
            if one.kind == "day" and events not in (None, counted.of[entitlement]):
                raise _miscounted(one, counted.of[entitlement], events or 0)
            contents = self._contents(one, written, counted)
            # Whoever sets a segment aside waits for this turn, or is seen here.
            with turn(means.data_dir):
                if self._source.day in held_days(Ledger.of(read_entries(means.data_dir / "audit"))):
                    _check(means, self._source._replace(held=True), incomplete=True)
                return publish(
                    self._log,
                    means.data_dir,
                    means.key,
                    folder,
                    contents,
                    entitlement.operation,
                    self._now_us,
                )

    def _contents(self, one: Due, written: Sequence[WrittenFile], counted: Counted) -> Contents:
        source, entitlement = self._source, one.entitlement
        return Contents(
            kind=one.kind,
            date=source.day,
            order=entitlement.order,
            partner=entitlement.partner,
            supplement=one.supplement,
            complete=not source.missing,
            sensors=source.sensors,
            missing_sensors=source.missing,
            files=tuple(map(File.of, written)),
            records=records_of(one.segments),
            checkins=source.checkins,
            rows=counted.rows,
            kernel_dropped={"tcp": source.kernel_dropped["tcp"], "udp": source.kernel_dropped["udp"]},
            clock=source.clock,
            databases=self._means.enrichment.databases,
            version=collector.__version__,
            revision=self._means.revision,
            tlp=entitlement.tlp,
            purpose=entitlement.purpose,
            retention_days=entitlement.retention_days,
        )


def _silent(_done: int, _total: int) -> None:
    """Nobody asked how far it is."""


def _miscounted(one: Due, given: int, written: int) -> CorruptError:
    return CorruptError(
        "export a day",
        one.entitlement.order,
        f"partner {one.entitlement.partner}",
        f"{written} rows of events were written, and the second equation gave it {given}",
        "Nothing is published for it; export again, and report it if it stays",
    )
