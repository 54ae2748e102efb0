"""What must agree between the tables of an operation file, and between operation files.

Each check adds what is wrong to a list and goes on, so that an officer sees everything at once.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence

from collector.ground.errors import Problem
from collector.orders.life import life_problems
from collector.orders.mistakes import shown
from collector.orders.names import canonical, name_flaw
from collector.orders.operation import Annex, Exclusion, Injunction, Operation, Order, Service
from collector.orders.schedule import quoted

# fmt: off
DATASET_COLUMNS = frozenset(
    (
        "timestamp", "src_ip", "src_port", "source_trust", "src_asn", "src_geo", "mark", "dst_ip",
        "dst_port", "transport", "application", "domain", "family", "infection", "bytes_in",
        "order_id", "sensor", "stream", "record", "first_seen", "last_seen", "check_ins",
        "active_hours", "src_ports", "domains",
    )
)
# fmt: on
"""Columns of the datasets `events` and `hosts`; an annex that names another one has a typing mistake."""

_AS_A_SUPPLEMENT = re.compile(r"-s[0-9]+$")
"""How the names of a supplement's files go on after the order: two orders must not share a file's name."""


def order_place(number: int, order_id: str = "") -> str:
    """How a problem names the n-th order of a file, counted from 1."""
    return f"[[order]] {number}" + (f" ({order_id})" if order_id else "")


def injunction_problems(injunction: Injunction, file: str) -> list[Problem]:
    """Its own clock."""
    if injunction.expires is None or injunction.expires > injunction.issued:
        return []
    found = f"{shown(injunction.expires)}, not after issued = {shown(injunction.issued)}"
    return [
        Problem(file, "[injunction] expires", found, "an instant later than issued", "correct one of the two")
    ]


def order_problems(orders: Sequence[tuple[int, Order]], file: str) -> list[Problem]:
    """Each order by itself, then the extensions."""
    problems: list[Problem] = []
    by_id = {order.id: order for _, order in orders}
    for number, order in orders:
        place = order_place(number, order.id)
        if (ending := _AS_A_SUPPLEMENT.search(order.id)) is not None:
            found = f"{quoted(order.id)}, which ends as the files of a supplement do"
            expected = (
                "an id that does not end in -s and digits: <order>-s1 is its first supplement in files' names"
            )
            remedy = f"write {order.id[: ending.start()]}{ending[0].replace('-s', '-')}, or another id"
            problems.append(Problem(file, f"{place} id", found, expected, remedy))
        problems += life_problems(order, by_id, file, place)
        for annex_number, annex in enumerate(order.annex, 1):
            problems += _annex_problems(annex, file, f"{place} annex {annex_number} ({annex.partner})")
        problems += _twice(
            (annex.partner for annex in order.annex),
            file,
            f"{place} annex",
            "partner",
            "one annex for each partner",
        )
    return problems


def service_problems(services: Sequence[tuple[int, Service]], file: str) -> list[Problem]:
    """Addresses that are addresses, and no service twice."""
    problems = []
    seen: dict[tuple[str, str, int], int] = {}
    for number, service in services:
        place = f"[[services]] {number}"
        address = _address(service.address)
        if address is None:
            problems.append(
                Problem(
                    file,
                    f"{place} address",
                    quoted(service.address),
                    'an IPv4 or IPv6 address without port, or ""',
                    'write it as "192.0.2.1" or "2001:db8::1", or leave it out for any of our addresses',
                )
            )
            continue
        first = seen.setdefault((service.transport, address, service.port), number)
        if first != number:
            found = f"the transport, address and port of [[services]] {first} again"
            problems.append(
                Problem(file, place, found, "each service once in an operation", "remove one of the two")
            )
    return problems


def exception_problems(exceptions: Sequence[tuple[int, Exclusion]], file: str) -> list[Problem]:
    """Names that are names. A public suffix is fine here: an exception only ever takes off."""
    problems = []
    for number, exclusion in exceptions:
        if canonical(exclusion.domain) is None:
            expected, remedy = name_flaw(exclusion.domain)
            problems.append(
                Problem(file, f"[[except]] {number} domain", quoted(exclusion.domain), expected, remedy)
            )
    return problems


def between_problems(operations: Iterable[Operation]) -> list[Problem]:
    """Names of operations and aliases of orders are unique over all files."""
    problems: list[Problem] = []
    names: dict[str, str] = {}
    aliases: dict[str, str] = {}
    for operation in operations:
        other = names.setdefault(operation.name, operation.file)
        if other != operation.file:
            found = f"{quoted(operation.name)}, which {other} has too"
            problems.append(
                Problem(operation.file, "operation", found, "a name of its own", "rename one of the two")
            )
        for number, order in enumerate(operation.orders, 1):
            place = order_place(number, order.id)
            where = aliases.setdefault(order.id, f"{operation.file}: {place}")
            if where != f"{operation.file}: {place}":
                found = f"{quoted(order.id)}, which {where} has too"
                expected = "an id that no other order of any operation has"
                problems.append(
                    Problem(operation.file, f"{place} id", found, expected, "rename the newer one")
                )
    return problems


def _annex_problems(annex: Annex, file: str, place: str) -> list[Problem]:
    problems = []
    for column in annex.columns:
        if column not in DATASET_COLUMNS:
            expected = "columns of the datasets: " + ", ".join(sorted(DATASET_COLUMNS))
            problems.append(
                Problem(file, f"{place} columns", quoted(column), expected, "correct or remove it")
            )
    for network in annex.networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            expected = 'a network without host bits, as "192.0.2.0/24" or "2001:db8::/32"'
            problems.append(
                Problem(file, f"{place} networks", quoted(network), expected, "correct or remove it")
            )
    return problems


def _twice(values: Iterable[str], file: str, place: str, key: str, expected: str) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for value in values:
        if value in seen:
            problems.append(
                Problem(file, f"{place} {key}", f"{quoted(value)} again", expected, "join the two")
            )
        seen.add(value)
    return problems


def _address(text: str) -> str | None:
    if not text:
        return ""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if getattr(address, "scope_id", None) else str(address)
