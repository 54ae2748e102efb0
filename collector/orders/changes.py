"""What new rules would change against those in force: orders and windows, answers, services, names taken off.

Lines for an officer, nothing under seal in them. The domains are compared by schedule_changes.py; partners' annexes are not in
the rules and so not told here.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from collector.orders.instants import to_text
from collector.orders.rules import Rules
from collector.orders.spans import lasting
from collector.orders.timeline import OrderWindow


class Change(NamedTuple):
    """One difference: what it is about, `word` (added, removed or changed) and how, in words."""

    subject: str
    word: str
    how: str


def rule_changes(before: Rules, after: Rules) -> list[Change]:
    """Everything but the domains, in the order in which one would ask."""
    old_orders = {order.id: order for order in before.orders}
    new_orders = {order.id: order for order in after.orders}
    return [
        *_set_changes("operation", _named(before.operations), _named(after.operations)),
        *_order_changes(old_orders, new_orders),
        *_answer_changes(before, after),
        *_injunction_changes(before, after),
        *_set_changes("service", _services(before), _services(after)),
        *_set_changes("exception", _exceptions(before), _exceptions(after)),
    ]


def _order_changes(before: Mapping[str, OrderWindow], after: Mapping[str, OrderWindow]) -> Iterable[Change]:
    for order_id in sorted(before.keys() | after.keys()):
        subject = f"order {order_id}"
        old, new = before.get(order_id), after.get(order_id)
        if old is None and new is not None:
            extends = f", extends {new.extends}" if new.extends else ""
            yield Change(subject, "added", f"{new.kind}, {_window(new)}{extends}{_volume(new)}")
        elif new is None and old is not None:
            yield Change(subject, "removed", f"{old.kind}, {_window(old)}; what it recorded stays")
        elif old is not None and new is not None:
            how = "; ".join(_differences(old, new))
            if how:
                yield Change(subject, "changed", how)


def _differences(old: OrderWindow, new: OrderWindow) -> Iterable[str]:
    for word, was, will in (
        ("starts", old.starts_us, new.starts_us),
        ("ends", old.ends_us, new.ends_us),
    ):
        if was != will:
            direction = "later" if will > was else "earlier"
            yield f"{word} {lasting(abs(will - was))} {direction}: {to_text(will)}, was {to_text(was)}"
    if _length(old) != _length(new):
        yield f"in force for {lasting(_length(new))}, was {lasting(_length(old))}"
    if old.volume != new.volume:
        yield "gains the field volume" if new.volume else "loses the field volume"
    if old.kind != new.kind:
        yield f"is {new.kind}, was {old.kind}"
    if old.extends != new.extends:
        yield f"extends {new.extends or 'nothing'}, extended {old.extends or 'nothing'}"
    if old.return_due_us != new.return_due_us and new.return_due_us is not None:
        yield f"return due {to_text(new.return_due_us)}"


def _answer_changes(before: Rules, after: Rules) -> Iterable[Change]:
    old = dict(zip(before.operations, before.answers, strict=True))
    for name, answer in zip(after.operations, after.answers, strict=True):
        if name in old and old[name] != answer:
            yield Change(f"answer of {name}", "changed", f"{len(answer)} bytes, was {len(old[name])}")


def _injunction_changes(before: Rules, after: Rules) -> Iterable[Change]:
    old = dict(before.injunctions)
    for name, expires_us in after.injunctions:
        if name in old and old[name] != expires_us:
            words = [to_text(moment) if moment is not None else "none" for moment in (expires_us, old[name])]
            yield Change(f"injunction of {name}", "changed", f"expires {words[0]}, was {words[1]}")


T = TypeVar("T")


def _set_changes(what: str, before: Mapping[T, str], after: Mapping[T, str]) -> Iterable[Change]:
    for key, how in before.items():
        if key not in after:
            yield Change(what, "removed", how)
    for key, how in after.items():
        if key not in before:
            yield Change(what, "added", how)


def _named(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


def _services(rules: Rules) -> dict[tuple[object, ...], str]:
    """Every service in words."""
    found: dict[tuple[object, ...], str] = {}
    for key, entries in rules.ports.items():
        port, transport = key >> 8, "udp" if key & 0xFF == 17 else "tcp"
        for address, number, operation in entries:
            family, name = rules.service_families[number], rules.operations[operation]
            where = " at one address" if address else ""
            found[name, transport, port, address, family] = f"{transport} port {port}{where}: {name}-{family}"
    return found


def _exceptions(rules: Rules) -> dict[tuple[str, bytes], str]:
    return {
        (operation, name): f"{name.decode('ascii')} and everything beneath it, of {operation}"
        for number, operation in enumerate(rules.operations)
        for name in sorted(rules.plan(number).exceptions)
    }


def _window(order: OrderWindow) -> str:
    if order.ends_us <= order.starts_us:
        return "ended before it began, records nothing"
    words = f"{to_text(order.starts_us)} until {to_text(order.ends_us)}"
    return f"{words} ({lasting(_length(order))})"


def _length(order: OrderWindow) -> int:
    return max(0, order.ends_us - order.starts_us)


def _volume(order: OrderWindow) -> str:
    return ", with volume" if order.volume else ""
