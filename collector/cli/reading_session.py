"""One reading, from its entry to its end."""

import argparse
import signal
import sys
from collections.abc import Iterable

from collector.audit.access import access
from collector.audit.ledger import Ledger
from collector.cli import reading_output
from collector.cli.reading_prompt import Prompt
from collector.cli.signals import Cut, Guard
from collector.cli.stdout import forget_stdout
from collector.custody.known_orders import KnownOrder, known_orders
from collector.custody.views import OrderSession, StatementError
from collector.ground.clock import now_us
from collector.orders.instants import parse_us, to_text
from collector.service import acts
from collector.service import settings as service_settings


def read(chosen: argparse.Namespace) -> int:
    """Enter the reading, show, enter its end."""
    settings = service_settings.load(chosen.config)
    memory_mb = chosen.memory_mb or settings.export.memory_mb
    with acts.desk(settings, chosen.actor) as desk:
        known = known_orders(desk.ledger())
        order = known.get(chosen.order)
        if order is None:
            return _no_such_order(chosen.order, known.values(), desk.ledger())
        guard = Guard()
        guard.install()
        with access(
            settings.data_dir,
            desk.log,
            operation=order.operation,
            order=order.id,
            actor=desk.actor,
            reason=chosen.reason,
            purpose="open",
        ) as session:
            try:
                guard.on()
                with OrderSession(settings.data_dir, order.id, memory_mb) as rows:
                    _tell(order, rows, session.name, desk.actor, chosen)

                    def count() -> None:
                        session.statements += 1

                    if chosen.sql is None:
                        return Prompt(rows, count, _form(chosen)).run()
                    return _once(rows, chosen, count)
            except KeyboardInterrupt:
                return 128 + signal.SIGINT
            except Cut as cut:
                return 128 + cut.number
            except BrokenPipeError:
                forget_stdout()
                return 0
            finally:
                guard.off()


def _once(rows: OrderSession, chosen: argparse.Namespace, count: "reading_output.Count") -> int:
    try:
        statements = rows.statements(chosen.sql)
        if not statements or (chosen.json and len(statements) != 1):
            print(f"pentrap open: found {len(statements)} statements in -c, expected one", file=sys.stderr)
            return 2
        for statement in statements:
            count()
            reading_output.show(rows.ask(statement), _form(chosen))
    except StatementError as error:
        print(f"pentrap open: {error}", file=sys.stderr)
        return 2
    return 0


def _form(chosen: argparse.Namespace) -> "reading_output.Form":
    if chosen.json:
        return "json"
    return "csv" if chosen.csv or not sys.stdout.isatty() else "table"


def _tell(
    order: KnownOrder, rows: OrderSession, session: str, actor: str, chosen: argparse.Namespace
) -> None:
    """What is about to be shown, on stderr."""
    shown = rows.shown
    now = now_us()
    state = (
        "in force"
        if order.starts_us <= now < order.ends_us
        else "over"
        if now >= order.ends_us
        else "not begun"
    )
    lines = [
        f"order      {order.id} of operation {order.operation}, {to_text(order.starts_us)} to {to_text(order.ends_us)}, {state}"
    ]
    newest = parse_us(rows.newest()) if shown.files else None
    if newest is None:
        lines.append(f"rows       none in Parquet yet ({shown.files} files of all orders)")
    else:
        lines += [
            f"files      {shown.files:,} of all orders, {shown.size / 1e6:,.1f} MB, {shown.first_day} to {shown.last_day}",
            f"newest     {to_text(newest)}, {_age(now - newest)} ago; what is still in journals is not shown",
        ]
    lines.append(f"logged     session {session} by {actor}: {chosen.reason}")
    print("\n".join(lines), file=sys.stderr, flush=True)


def _age(duration_us: int) -> str:
    seconds = max(0, duration_us // 1_000_000)
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}s"
    return f"{seconds} s"


def _no_such_order(order: str, known: Iterable[KnownOrder], ledger: Ledger) -> int:
    lines = [f"pentrap open: --order\n    found:    {order}, an order that was never loaded here"]
    there = [
        f"{one.id} ({one.operation}, {to_text(one.starts_us)} to {to_text(one.ends_us)}"
        + (", no longer in its file)" if one.id in ledger.former_orders else ")")
        for one in sorted(known)
    ]
    lines.append(
        "    expected: one of\n              " + "\n              ".join(there or ["(none was ever loaded)"])
    )
    print("\n".join(lines), file=sys.stderr)
    return 2
