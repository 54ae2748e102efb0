"""What must agree between `partners.toml` and the annexes of the orders: told all at once, each with file, place and remedy.

Wider than an annex is refused rather than silently cut, since whoever wrote it believes something that is not so. What is
merely narrower than another annex of the same partner's is fine: `partners.entitlements` takes the narrower of each order.
"""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from collector.exports.partners import Partner, common_networks
from collector.ground.errors import Problem
from collector.orders.agreement import order_place
from collector.orders.operation import Annex, Operation, Order
from collector.orders.schedule import quoted

EVENT_KEYS = ("timestamp", "src_ip", "src_port", "order_id", "stream", "record")
"""Without them a row of `events` is of no use to a subscriber's provider (RFC 6302), and cannot be withdrawn."""
HOST_KEYS = (
    *("src_ip", "src_port", "family", "transport", "dst_port", "application", "order_id"),
    *("first_seen", "last_seen"),
)
"""What a row of `hosts` is a row of, and its times."""
HOST_COLUMNS = (
    *("src_ip", "family", "transport", "dst_port", "application", "order_id", "first_seen", "last_seen"),
    *("check_ins", "active_hours", "src_ports", "domains", "src_port", "dst_ip", "domain"),
    *("src_asn", "src_geo", "mark", "source_trust", "infection"),
)
"""The columns of `hosts` (contract: "Dataset events", at its end)."""
_KEYS = {"events": EVENT_KEYS, "hosts": HOST_KEYS}

_Given = list[tuple[str, str, Order, Annex]]
"""A partner's annexes: file, place, the order, the annex."""


def agreement_problems(
    partners: Sequence[Partner], operations: Iterable[Operation], geo_db: str, partners_file: str
) -> list[Problem]:
    """All that does not agree. `geo_db` is the setting: empty where there is no database of countries."""
    given: dict[str, _Given] = {}
    for operation in operations:
        for number, order in enumerate(operation.orders, 1):
            for annex_number, annex in enumerate(order.annex, 1):
                place = f"{order_place(number, order.id)} annex {annex_number} ({annex.partner})"
                given.setdefault(annex.partner, []).append((operation.file, place, order, annex))
    known = {partner.name: partner for partner in partners}
    problems: list[Problem] = []
    for name, annexes in given.items():
        partner = known.get(name)
        for file, place, _, annex in annexes:
            if partner is None:
                expected = f"a partner of {partners_file}: {', '.join(known) or 'none is there'}"
                remedy = f"add a [[partner]] with this name to {partners_file}, or correct the name"
                problems.append(Problem(file, f"{place} partner", quoted(name), expected, remedy))
            problems += _column_problems(annex, partner, file, place)
            if annex.countries and not geo_db:
                problems.append(_without_geo(file, f"{place} countries", annex.countries))
    for partner in partners:
        problems += _wish_problems(partner, given.get(partner.name, []), geo_db)
    return problems


def _column_problems(annex: Annex, partner: Partner | None, file: str, place: str) -> Iterator[Problem]:
    """The columns that each dataset cannot do without; an unknown partner's datasets are taken to be `events`."""
    if not annex.columns:
        return
    for dataset in partner.wishes.datasets if partner else ("events",):
        missing = [column for column in _KEYS[dataset] if column not in annex.columns]
        if missing:
            found = f"no {', '.join(missing)}"
            expected = f"what every row of {dataset} must have: {', '.join(_KEYS[dataset])}"
            remedy = f"add them; or leave {dataset} out of the partner's datasets; or columns = [] for all"
            yield Problem(file, f"{place} columns", found, expected, remedy)


def _wish_problems(partner: Partner, given: _Given, geo_db: str) -> Iterator[Problem]:
    wishes, file, place = partner.wishes, partner.file, partner.place
    if not given:
        expected = "a partner that an annex of an order names: only a court's order gives anything"
        yield Problem(
            file,
            f"{place} name",
            quoted(partner.name),
            expected,
            "correct the name, or remove the partner until an order names it",
        )
        return
    if wishes.countries and not geo_db:
        yield _without_geo(file, f"{place} countries", wishes.countries)
    longest = max(order.retention_days for _, _, order, _ in given)
    if wishes.retention_days > longest:
        expected = f"at most the {longest} days of the orders that name it"
        yield Problem(
            file, f"{place} retention_days", str(wishes.retention_days), expected, f"write {longest} or less"
        )
    if "events" not in wishes.datasets:
        for made_of_events in sorted(set(wishes.formats) - {"parquet"}):
            yield Problem(
                file,
                f"{place} formats",
                f"{quoted(made_of_events)}, and datasets without events",
                f'"events" among the datasets: {made_of_events} is made of it',
                f"add events, or remove {made_of_events}",
            )
    for key in ("columns", "families", "countries"):
        yield from _wider(partner, key, [getattr(annex, key) for _, _, _, annex in given])
    for network in wishes.networks:
        if all(
            annex.networks and common_networks(annex.networks, [network]) != (str(ip_network(network)),)
            for *_, annex in given
        ):
            yield _is_wider(partner, "networks", network)
    if wishes.columns:
        for dataset in wishes.datasets:
            missing = [column for column in _KEYS[dataset] if column not in wishes.columns]
            if missing:
                found = f"no {', '.join(missing)}"
                expected = f"what every row of {dataset} must have: {', '.join(_KEYS[dataset])}"
                yield Problem(file, f"{place} columns", found, expected, f"add them, or leave {dataset} out")


def _wider(partner: Partner, key: str, annexes: list[tuple[str, ...]]) -> Iterator[Problem]:
    if any(not words for words in annexes):
        return
    granted = {word for words in annexes for word in words}
    for word in getattr(partner.wishes, key):
        if word not in granted:
            yield _is_wider(partner, key, word)


def _is_wider(partner: Partner, key: str, word: str) -> Problem:
    return Problem(
        partner.file,
        f"{partner.place} {key}",
        f"{quoted(word)}, which no annex gives it",
        "what an annex gives, or less",
        "remove it; only the order can give more",
    )


def _without_geo(file: str, place: str, countries: Sequence[str]) -> Problem:
    return Problem(
        file,
        place,
        ", ".join(countries) + ", and no geo_db",
        "[export] geo_db: without it every country is unknown, and a row of unknown country is withheld",
        "set geo_db to an .mmdb file with countries, or leave countries out",
    )
