"""What the operation files say, in words: for the officer who runs `pentrap check`."""

from collections import Counter
from collections.abc import Sequence

from collector.ground.codes import Action
from collector.orders.index import MARKER, Index
from collector.orders.instants import to_text, to_us
from collector.orders.kinds import KINDS
from collector.orders.operation import Operation, Order


def summary(operations: Sequence[Operation], index: Index) -> list[str]:
    """Lines per operation: its orders and windows, domains by action, services. Nothing that is under seal.

    Reads every row of the index once: 0.2 s for 2.4 million domains.
    """
    rows = _rows_by_action(index)
    lines = []
    for operation in operations:
        lines.append(f"operation {operation.name}: {len(operation.answer)} bytes of answer")
        if operation.injunction.expires is not None:
            expires = to_text(to_us(operation.injunction.expires))
            lines.append(f"  injunction expires {expires} (the answer goes on)")
        lines += [_order_line(order) for order in operation.orders]
        if not operation.orders:
            lines.append("  no order: machines are answered, nothing is recorded")
        counted = ", ".join(
            f"{rows[operation.name, action]} {action.name.lower()}"
            for action in Action
            if rows[operation.name, action]
        )
        lines.append(f"  schedule rows: {counted or 'none'}")
        lines += [
            f"  taken off: {exclusion.domain} and everything beneath it" for exclusion in operation.exceptions
        ]
        lines += [
            f"  service: {service.transport} port {service.port} at {service.address or 'any address'}: {service.family}"
            for service in operation.services
        ]
    return lines


def _order_line(order: Order) -> str:
    kind = KINDS[order.kind]
    starts, ends = to_text(order.starts_us), to_text(order.ends_us)
    line = f"  order {order.id}: {order.kind}, records from {starts} until {ends}"
    if order.ends_us <= order.starts_us:
        line = f"  order {order.id}: {order.kind}, ended before it began, records nothing"
    elif order.ends_us < to_us(order.ends):
        line += " (ended early)"
    if order.extends:
        line += f", extends {order.extends}"
    if order.fields:
        line += ", with " + " and ".join(order.fields)
    return f"{line} (at most {kind.longest_words}, {kind.statute})"


def _rows_by_action(index: Index) -> Counter[tuple[str, Action]]:
    rows: Counter[tuple[str, Action]] = Counter()
    for term, count in Counter(index.terms_of_rows).items():
        if term != MARKER:
            operation = index.operations[index.operations_of_terms[term]]
            rows[operation, Action(index.actions_of_terms[term])] += count
    return rows
