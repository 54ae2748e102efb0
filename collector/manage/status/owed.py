"""What needs attention in what is owed: to the court, and to partners."""

from collections.abc import Iterator, Sequence

from collector.ground.markup import plural
from collector.manage.status.concern import Concern, Urgency
from collector.manage.status.look import DAY, Look, PartnerDay
from collector.manage.status.words import when

RETURN_SOON_DAYS, RETURN_NOW_DAYS = 14, 7
ORDER_ENDS_DAYS = 7
INJUNCTION_DAYS = 30
UNSIGNED_SECONDS = 600
UNPULLED_SECONDS = 2 * DAY


def concerns_of_what_is_owed(look: Look) -> Iterator[Concern]:
    """Court first."""
    yield from _law(look)
    yield from _exports(look)


def _law(look: Look) -> Iterator[Concern]:
    for order in look.orders:
        if order.return_due is not None and order.return_due - look.now < RETURN_SOON_DAYS * DAY:
            urgent = order.return_due - look.now < RETURN_NOW_DAYS * DAY
            word = "was" if order.return_due <= look.now else "is"
            yield Concern(
                Urgency.NOW if urgent else Urgency.SOON,
                f"The return of {order.order} {word} due at the court {when(order.return_due, look.now)}",
                ("Tell counsel today. " if urgent else "")
                + "`pentrap order return`, then `pentrap order delivered` once the court has it",
                "PentrapReturnDueIn7Days" if urgent else "PentrapReturnDueIn14Days",
            )
        if order.just_ended(look.now):
            yield Concern(
                Urgency.NOW,
                f"{order.order} ended {when(order.ends, look.now)}, and no extension is loaded: its check-ins are not recorded",
                "If an extension was granted, load it: each hour without it is lost. If none was, all is as it should be",
                "PentrapOrderEnded",
            )
        if order.active and max(order.ends, order.chain_ends) - look.now < ORDER_ENDS_DAYS * DAY:
            yield Concern(
                Urgency.SOON,
                f"{order.order} ends {when(order.ends, look.now)}",
                "Ask counsel whether an extension is applied for; without one recording stops then",
                "PentrapOrderEndsIn7Days",
            )
    for operation, expires in look.injunctions:
        if expires - look.now < INJUNCTION_DAYS * DAY:
            word = "expired" if expires <= look.now else "expires"
            yield Concern(
                Urgency.SOON,
                f"The injunction of {operation} {word} {when(expires, look.now)}; machines are answered all the same",
                "Ask counsel whether it is renewed",
                "PentrapInjunctionExpiresIn30Days",
            )
    if look.now - look.machine.checkpoint > UNSIGNED_SECONDS:
        yield Concern(
            Urgency.SOON,
            f"The audit log was last covered by a signed checkpoint {when(look.machine.checkpoint, look.now)}",
            "Look at the signing key, the disk and the clerk's log",
            "PentrapAuditUnsigned",
        )


def _exports(look: Look) -> Iterator[Concern]:
    """Partners in the same trouble are told together."""
    late: dict[tuple[PartnerDay, ...], list[str]] = {}
    incomplete: dict[PartnerDay, list[str]] = {}
    for partner in look.partners:
        owed = tuple(day for day in partner.days if day.state == "late")
        if owed:
            late.setdefault(owed, []).append(partner.partner)
        for day in [day for day in partner.days if day.state == "incomplete"][-1:]:
            incomplete.setdefault(day, []).append(partner.partner)
    for days, names in late.items():
        more = f" and {len(days) - 1} later {plural(len(days) - 1, 'day')}" if days[1:] else ""
        yield Concern(
            Urgency.SOON,
            f"{_joined(names)} {plural(len(names), 'has', 'have')} not got {days[0].day}{more}",
            "`pentrap export --due` says what is in the way; a day is due at 06:00 UTC of the next",
            "PentrapExportLate",
        )
    for day, names in incomplete.items():
        yield Concern(
            Urgency.SOON,
            f"{_joined(names)} {plural(len(names), 'has', 'have')} {day.day} without {_joined(day.missing) or 'a sensor'}",
            "See to that sensor; what it still has is published as a supplement",
            "PentrapExportLate",
        )
    idle = [
        partner.partner
        for partner in look.partners
        if partner.waiting_since is not None and look.now - partner.waiting_since > UNPULLED_SECONDS
    ]
    if idle:
        yield Concern(
            Urgency.SOON,
            f"{_joined(idle)} {plural(len(idle), 'has', 'have')} pulled nothing for two days",
            "Ask the contact there; `pentrap partner show` says whether the tokens are valid",
            "PentrapExportNotPulled",
        )


def _joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
