"""An operation's account in plain words, line by line, for a terminal."""

from collections.abc import Iterator

from collector.orders.account import InjunctionAccount, OperationAccount, OrderAccount, Partner

EVENTS_MAX = 6
"""Coming events told; `--json` has all."""


def tell(account: OperationAccount, *, in_force: bool) -> Iterator[str]:
    """Lines about one operation: what is being recorded, why, since and until when, what comes next, then each order.

    Not `in_force`: a collector goes by other files than these, so they only say what would be.
    """
    if account.recording:
        word = "RECORDING" if in_force else "WOULD BE RECORDING, were these files in force"
        yield f"operation {account.operation}: {word}, under order {account.under}"
        yield f"  because  {account.why}"
        yield f"  since    {account.since}"
        yield f"  until    {account.until}"
    else:
        yield f"operation {account.operation}: NOT RECORDING (machines are answered)"
        yield f"  because  {account.why}"
    for place, event in enumerate(account.next[:EVENTS_MAX]):
        yield f"  {'next' if not place else 'then':<9}{event.moment}: {event.what}"
    if not account.next:
        yield "  next     nothing: no order is to come and no return is outstanding by date"
    if len(account.next) > EVENTS_MAX:
        yield f"           and {len(account.next) - EVENTS_MAX} more; see --json"
    yield from _injunction(account.injunction)
    for order in account.orders:
        yield ""
        yield from _order(order)


def _injunction(injunction: InjunctionAccount) -> Iterator[str]:
    yield ""
    state = "in force" if injunction.in_force else "NOT IN FORCE"
    yield f"  injunction: {state}; it brings the domains to us, on its own clock"
    yield f"    instrument {injunction.docket}, {injunction.court}"
    yield f"    issued     {injunction.issued}"
    yield f"    expires    {injunction.expires or 'not stated in the file'}; the answer never stops for it"


def _order(order: OrderAccount) -> Iterator[str]:
    yield f"  order {order.id}: {order.state}; {order.why}"
    agency = f", for {order.agency}" if order.agency else ""
    yield f"    instrument {order.kind} ({order.statute}), {order.docket}, {order.court}{agency}"
    yield f"    issued     {order.issued}"
    yield f"    window     {order.starts} up to {order.ends}"
    if order.over != order.ends:
        yield f"    cut short  {order.over}"
    if order.extends or len(order.chain) > 1:
        yield f"    chain      {', then '.join(order.chain)}"
    yield f"    records    {', '.join(order.records)}; no content"
    if not order.partners:
        yield "    for whom   nobody but the court: there is no annex"
    for place, partner in enumerate(order.partners):
        yield f"    {'for whom' if not place else '':<11}{_partner(partner)}"
    if order.return_due is not None:
        yield f"    return due {order.return_due}"


def _partner(partner: Partner) -> str:
    parts = [
        ", ".join(values) if values else f"all {what}"
        for what, values in (
            ("columns", partner.columns),
            ("families", partner.families),
            ("countries", partner.countries),
            ("networks", partner.networks),
        )
    ]
    return f"{partner.partner}: {'; '.join(parts)}; TLP:{partner.tlp}; keeps copies {partner.keeps_days} days"
