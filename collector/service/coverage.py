"""What was reached on a day: which day that is, by which schedule, and an access for each order whose rows are counted.

The report shows numbers beside the schedule's words, no address; but rows are read for it, so each order's reading is entered
before the first one (law.md L-20a), as of purpose "coverage".
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime

from collector.audit.access import access
from collector.audit.log import read_entries
from collector.coverage.day import Day, read_day, shown_day
from collector.coverage.report import Report
from collector.coverage.workplace import workplace
from collector.custody.footer import orders_in
from collector.custody.known_orders import known_orders
from collector.exports.engine import Engine
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.rules import Rules
from collector.service.acts import ActsDesk
from collector.service.exporting import expected_sensors
from collector.service.settings import Settings

PURPOSE = "coverage"


@contextmanager
def coverage(
    desk: ActsDesk,
    asked: date | None,
    *,
    operation: str = "",
    everything: bool = False,
    reason: str = PURPOSE,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Report]:
    """The report of a day (None: yesterday's, or the latest there is), to be asked within the access.

    Raises ConfigurationError (no such day or operation, nothing listed), CoverageError, CorruptError, EngineError, OSError.
    """
    settings, data_dir = desk.settings, desk.settings.data_dir
    day = _day(desk, asked)
    with ExitStack() as stack:
        folder = stack.enter_context(workplace(data_dir))
        export = settings.export
        engine = Engine(folder, export.memory_mb, export.temp_max_gb, act=PURPOSE)
        report = Report(stack.enter_context(engine), data_dir, day, operation)
        with _rules(settings, day, operation) as rules:
            report.list_domains(rules, everything=everything)
        orders = _orders(desk, day, operation)
        for order, of in orders.items():
            facts = {"operation": of, "order": order, "actor": desk.actor}
            stack.enter_context(access(data_dir, desk.log, **facts, reason=reason, purpose=PURPOSE))
        report.count(orders, progress, everything=everything)
        yield report


def _day(desk: ActsDesk, asked: date | None) -> Day:
    data_dir, ledger = desk.settings.data_dir, desk.ledger()
    today = _date(now_us())
    installed = _date(ledger.installed.time_us) if ledger.installed else today
    day = shown_day(data_dir, asked, today, installed)
    entries = read_entries(data_dir / "audit")
    return read_day(data_dir, day, expected_sensors(desk.settings), ledger, entries, today)


@contextmanager
def _rules(settings: Settings, day: Day, operation: str) -> Iterator[list[Rules]]:
    """The day's rules, the latest first, as long as they are needed: their indexes are large."""
    folder = settings.data_dir / "rules"
    with ExitStack() as stack:
        rules = [Rules.load(folder, digest) for digest in day.rules]
        for one in rules:
            stack.callback(one.close)
        listed = [name for one in rules[:1] for name in one.index.operations if name in one.operations]
        if not listed:
            found = "rules that list no domain" if rules else "no rules of that day or after it"
            remedy = "put an operation file with [[domains]] in force; days before that cannot be told"
            raise ConfigurationError(
                [Problem(str(folder), str(day.date), found, "a schedule in force", remedy)]
            )
        if operation and operation not in listed:
            expected = f"one of {', '.join(sorted(listed))}"
            raise ConfigurationError(
                [Problem(str(folder), "--operation", operation, expected, "correct the name")]
            )
        yield rules


def _orders(desk: ActsDesk, day: Day, operation: str) -> dict[str, str]:
    """The orders that rows of the day belong to, by the segments' footers, and their operations."""
    known = known_orders(desk.ledger())
    data_dir = desk.settings.data_dir
    found = {order for segment in day.source.segments for order in orders_in(segment.path(data_dir))}
    return {
        order: known[order].operation
        for order in sorted(found & known.keys())
        if operation in ("", known[order].operation)
    }


def _date(moment_us: int) -> date:
    return datetime.fromtimestamp(moment_us / 1e6, UTC).date()
