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
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.custody.footer import orders_in
from collector.custody.known_orders import known_orders
from collector.exports import query
from collector.exports.day_run import DayRun
from collector.exports.engine import Engine
from collector.exports.equation import Counted, count, flags_of
from collector.exports.kinds import KINDS, Entitlement, Kind, Made
from collector.exports.means import ExportError, Means, Progress, is_held
from collector.exports.publication import FOLDER, publications
from collector.exports.source import DaySource, Due, check_whole, due, read_source
from collector.ground import files
from collector.segments.segment import SECONDS_A_DAY, Segment

LOCK = "lock"
WORK = files.TEMPORARY_PREFIX + "export-"
ENGINE_FOLDER = "engine"
US = 1_000_000


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
    kinds: Collection[Kind] = KINDS,
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
        covered = set(windows)
        for (
            wrong
        ) in source.withdrawn:  # an order that covers nothing of the day any more may have rows to take back
            windows.setdefault(wrong.order, query.Window(0, 0))
        concerned = [one for one in entitlements if one.order in windows]
        for_these = [one for one in concerned if partner in ("", one.partner)]
        owed = [
            one
            for one in _owed(means.data_dir, source, for_these)
            if one.kind in kinds and (one.kind == "withdrawal" or one.entitlement.order in covered)
        ]
        outcome = Outcome(day, missing=source.missing)
        if not owed:
            return outcome
        check_whole(means.data_dir, source, ledger)
        with work_folder(means.data_dir) as folder:
            engine_folder = folder / ENGINE_FOLDER
            engine_folder.mkdir(mode=files.DIRECTORY_MODE)
            with Engine(engine_folder, means.memory_mb, means.temp_max_gb) as engine:
                run = DayRun(means, log, source, windows, flags_of(concerned), engine, now_us)
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
        raise is_held(source.day)
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

    found: list[Due] = []
    for name in sorted({one.partner for one in entitlements}):
        before = [one.manifest for one in publications(data_dir, name)]
        for one in entitlements:
            if one.partner == name:
                found += due(one, source, before, orders_of)
    return found
