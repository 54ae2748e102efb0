"""What an operation's orders come to at an instant: recorded or not, why, since when, until when, for whom, what comes next.

A pure reading of the operation files, for the officer who runs `pentrap order show`; it holds what is under seal. Whether a
collector really records also hangs on its clock and its disk, which `pentrap status` tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from collector.orders.chains import chain_of, end_of, roots
from collector.orders.compile import returns_due
from collector.orders.instants import to_text, to_us
from collector.orders.kinds import KINDS
from collector.orders.operation import Annex, Injunction, Operation, Order
from collector.orders.spans import away, lasting

RECORDED_ALWAYS = (
    "time of arrival",
    "source address and port",
    "destination address and port",
    "transport",
    "protocol begun (http, tls or opaque)",
    "arrived through a proxy or not",
    "the listed domain or service that was asked for",
)
"""Dialing, routing, addressing and signalling information (18 USC 3127(3)); the record's schema is closed."""
RECORDED_BY_FIELD = {"volume": "bytes received in total"}


@dataclass(frozen=True)
class Moment:
    """An instant, and where it lies: "2026-12-31T00:00:00Z", "in 38 days"."""

    at: str
    when: str

    def __str__(self) -> str:
        return f"{self.at} ({self.when})"


@dataclass(frozen=True)
class Event:
    """Something that will happen, or be due."""

    moment: Moment
    what: str


@dataclass(frozen=True)
class Partner:
    """Who may have rows recorded under an order, and which: lists that are empty mean all."""

    partner: str
    tlp: str
    columns: tuple[str, ...]
    families: tuple[str, ...]
    countries: tuple[str, ...]
    networks: tuple[str, ...]
    keeps_days: int


@dataclass(frozen=True)
class OrderAccount:
    """One order."""

    id: str
    kind: str
    court: str
    docket: str
    agency: str
    statute: str
    state: str
    """in force, in force behind another, not begun, over or never in force"""
    why: str
    issued: Moment
    starts: Moment
    ends: Moment
    """As the paper says; `over` is when it really ends or ended."""
    over: Moment
    extends: str | None
    chain: tuple[str, ...]
    records: tuple[str, ...]
    partners: tuple[Partner, ...]
    return_due: Moment | None


@dataclass(frozen=True)
class InjunctionAccount:
    """Why the domains come to us: a clock of its own."""

    court: str
    docket: str
    issued: Moment
    expires: Moment | None
    in_force: bool


@dataclass(frozen=True)
class OperationAccount:
    """One operation."""

    operation: str
    recording: bool
    why: str
    under: str | None
    since: Moment | None
    until: Moment | None
    injunction: InjunctionAccount
    orders: tuple[OrderAccount, ...]
    next: tuple[Event, ...]


def account_of(operation: Operation, now_us: int) -> OperationAccount:
    """Everything about one operation at an instant."""
    running = sorted(
        (order for order in operation.orders if order.starts_us <= now_us < order.ends_us), key=_rank
    )
    under = running[0] if running else None
    stretch = stretch_at(operation.orders, now_us)
    due = returns_due(operation.orders)
    return OperationAccount(
        operation=operation.name,
        recording=under is not None,
        why=_why(operation.orders, under, now_us),
        under=under.id if under else None,
        since=moment(stretch[0], now_us) if stretch else None,
        until=moment(stretch[1], now_us) if stretch else None,
        injunction=_injunction(operation.injunction, now_us),
        orders=tuple(
            _order(operation, order, under, due[order.id], now_us)
            for order in sorted(operation.orders, key=_rank)
        ),
        next=tuple(_events(operation, due, now_us)),
    )


def stretch_at(orders: Sequence[Order], now_us: int) -> tuple[int, int] | None:
    """The unbroken time around an instant in which one order or another is in force; None where none is."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted((order.starts_us, order.ends_us) for order in orders):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return next(((start, end) for start, end in joined if start <= now_us < end), None)


def moment(at_us: int, now_us: int) -> Moment:
    """An instant with its distance."""
    return Moment(to_text(at_us), away(at_us, now_us))


def ending(order: Order) -> str:
    """What ends or ended an order: its `ends`, or the key that came before."""
    key = min(order.endings, key=lambda key: order.endings[key], default="ends")
    return key if key != "ends" and order.endings[key] < order.ends else "ends"


def _rank(order: Order) -> tuple[int, str]:
    return order.starts_us, order.id


def _why(orders: Sequence[Order], under: Order | None, now_us: int) -> str:
    if under is not None:
        return f"order {under.id} is in force"
    if not orders:
        return "there is no order"
    coming = [order for order in orders if now_us < order.starts_us < order.ends_us]
    past = [order for order in orders if order.starts_us < order.ends_us <= now_us]
    words = []
    if past:
        last = max(past, key=lambda order: order.ends_us)
        words.append(f"order {last.id} {_over_words(last)} at {to_text(last.ends_us)}")
    if coming:
        first = min(coming, key=_rank)
        words.append(f"order {first.id} begins {away(first.starts_us, now_us)}")
    return ", and ".join(words) or "no order was ever in force"


def _over_words(order: Order) -> str:
    key = ending(order)
    return {
        "ends": "ended",
        "terminated": "was terminated",
        "obtained": "ended, an order having been obtained,",
        "denied": "ended, an order having been denied,",
    }[key]


def _injunction(injunction: Injunction, now_us: int) -> InjunctionAccount:
    expires = to_us(injunction.expires) if injunction.expires else None
    return InjunctionAccount(
        injunction.court,
        injunction.docket,
        moment(to_us(injunction.issued), now_us),
        moment(expires, now_us) if expires is not None else None,
        to_us(injunction.issued) <= now_us and (expires is None or now_us < expires),
    )


def _order(
    operation: Operation, order: Order, under: Order | None, due: int | None, now_us: int
) -> OrderAccount:
    state, why = _state(order, under, now_us)
    return OrderAccount(
        id=order.id,
        kind=order.kind,
        court=order.court or operation.injunction.court,
        docket=order.docket,
        agency=order.agency,
        statute=KINDS[order.kind].statute,
        state=state,
        why=why,
        issued=moment(to_us(order.issued), now_us),
        starts=moment(order.starts_us, now_us),
        ends=moment(to_us(order.ends), now_us),
        over=moment(order.ends_us, now_us),
        extends=order.extends,
        chain=tuple(link.id for link in chain_of(operation.orders, order.id)),
        records=(*RECORDED_ALWAYS, *(RECORDED_BY_FIELD[name] for name in order.fields)),
        partners=tuple(_partner(annex, order) for annex in order.annex),
        return_due=moment(due, now_us) if due is not None else None,
    )


def _state(order: Order, under: Order | None, now_us: int) -> tuple[str, str]:
    if order.ends_us <= order.starts_us:
        return "never in force", f"it {_over_words(order)} before it began"
    if now_us < order.starts_us:
        return "not begun", f"it begins {away(order.starts_us, now_us)}"
    if now_us >= order.ends_us:
        return "over", f"it {_over_words(order)} {away(order.ends_us, now_us)}"
    if under is not None and under is not order:
        return (
            "in force behind another",
            f"until {to_text(under.ends_us)} check-ins belong to {under.id}, which began first",
        )
    return "in force", f"it ends {away(order.ends_us, now_us)}"


def _partner(annex: Annex, order: Order) -> Partner:
    return Partner(
        annex.partner,
        annex.tlp,
        annex.columns,
        annex.families,
        annex.countries,
        annex.networks,
        order.retention_days,
    )


def _events(operation: Operation, due: dict[str, int | None], now_us: int) -> list[Event]:
    """What is still to come, in order: edges of orders, returns due, the injunction's end."""
    orders = operation.orders
    coming: list[tuple[int, str]] = []
    for order in orders:
        if order.starts_us >= order.ends_us:
            continue
        if order.starts_us > now_us:
            before = stretch_at(orders, order.starts_us - 1)
            gap = "" if before else ": recording begins"
            extends = f" (extends {order.extends})" if order.extends else ""
            coming.append((order.starts_us, f"order {order.id}{extends} begins{gap}"))
        if order.ends_us > now_us:
            coming.append((order.ends_us, f"order {order.id} ends: {_after(orders, order.ends_us)}"))
    for first in dict.fromkeys(roots(orders).values()):
        chain = chain_of(orders, first)
        for due_us in sorted({due[order.id] for order in chain} - {None}, key=str):
            if due_us is not None and due_us > now_us:
                named = f"order {first}" + (" and its extensions" if len(chain) > 1 else "")
                end_us = end_of(chain)
                over = "over at" if end_us <= now_us else "to end at"
                coming.append(
                    (due_us, f"the return of {named}, {over} {to_text(end_us)}, is due at the court")
                )
    expires = operation.injunction.expires
    if expires is not None and to_us(expires) > now_us:
        coming.append((to_us(expires), "the injunction expires; machines are answered all the same"))
    return [Event(moment(at_us, now_us), what) for at_us, what in sorted(coming)]


def _after(orders: Sequence[Order], at_us: int) -> str:
    """What follows the end of an order at that instant."""
    going = sorted((order for order in orders if order.starts_us <= at_us < order.ends_us), key=_rank)
    if going:
        follows = going[0]
        word = "extension" if follows.extends else "order"
        return (
            f"{word} {follows.id} follows without a gap"
            if follows.starts_us == at_us
            else f"{word} {follows.id} goes on"
        )
    later = sorted((order for order in orders if at_us < order.starts_us < order.ends_us), key=_rank)
    if later:
        follows = later[0]
        return (
            f"nothing is recorded for {lasting(follows.starts_us - at_us)}, "
            f"until order {follows.id} begins at {to_text(follows.starts_us)}"
        )
    return "nothing follows, nothing more is recorded"
