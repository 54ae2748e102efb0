"""`partners.toml`: who takes part, and what each wishes to have. It gives nothing by itself: an order's annex gives, and a
partner's wishes can only narrow that (law.md L-31).

    [[partner]]   once for each; every key is a field of `PartnerTable`, its description is what an error says was expected

`entitlements` is the one place where annex and wishes meet; an export reads nothing else of either. Where the two have nothing
in common there is no entitlement at all: an empty list in an Entitlement means "all", and must never come out of a
narrowing.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args

from pydantic import Field, StringConstraints

from collector.exports.kinds import Dataset, Entitlement, Format
from collector.ground.errors import Problem
from collector.orders.docket import read_toml
from collector.orders.mistakes import Table, read_table, shown
from collector.orders.operation import COLUMNS_WORDS, RETENTION_DAYS_MAX, Annex, Operation, Order
from collector.orders.schedule import FAMILY, quoted

PLACE = "[[partner]]"
_DATASETS = ", ".join(f'"{name}"' for name in get_args(Dataset))
_FORMATS = ", ".join(f'"{name}"' for name in get_args(Format))
_Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Family = Annotated[str, StringConstraints(pattern=f"^(?:{FAMILY.pattern})$")]
_WISH = "what the partner wishes of it; [] is all that its annexes give: "


class PartnerTable(Table):
    """`[[partner]]`."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")] = Field(
        description="the name that annexes use: 1 to 64 of a-z, 0-9 and hyphen"
    )
    contact: _Text = Field(description="whom to call there: a line of text")
    purpose: _Text = Field(description="what its copies are for: a line of text; every file says it")
    datasets: tuple[Dataset, ...] = Field(
        strict=False, min_length=1, description=f"a list of at least one of {_DATASETS}"
    )
    formats: tuple[Format, ...] = Field(
        strict=False, min_length=1, description=f"a list of at least one of {_FORMATS}"
    )
    retention_days: int = Field(
        ge=1,
        le=RETENTION_DAYS_MAX,
        description=f"days from 1 to {RETENTION_DAYS_MAX} that it keeps copies; the order's number where that is smaller",
    )
    columns: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,32}$")], ...] = Field(
        (), strict=False, description=_WISH + COLUMNS_WORDS.partition(";")[0]
    )
    families: tuple[_Family, ...] = Field((), strict=False, description=_WISH + "a list of families")
    countries: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")], ...] = Field(
        (), strict=False, description=_WISH + 'a list of two-letter countries (ISO 3166-1), as "DE"'
    )
    networks: tuple[str, ...] = Field(
        (), strict=False, description=_WISH + 'a list of networks, as "192.0.2.0/24"'
    )


@dataclass(frozen=True)
class Partner:
    """A partner and where it stands in its file."""

    name: str
    wishes: PartnerTable
    file: str
    place: str

    @property
    def contact(self) -> str:
        """Whom to call there."""
        return self.wishes.contact


def read_partners(path: Path, problems: list[Problem]) -> list[Partner]:
    """The partners in the file's order; what is wrong goes to `problems`. No file: no partners."""
    if not path.exists():
        return []
    content = read_toml(path, problems)
    if content is None:
        return []
    file = str(path)
    for key in content.keys() - {"partner"}:
        found = f"an unknown key, {quoted(key)}"
        problems.append(Problem(file, key, found, PLACE + " tables only", f"remove {key}, or write {PLACE}"))
    tables = content.get("partner", [])
    if not isinstance(tables, list):
        found = "[partner]" if isinstance(tables, dict) else f"partner = {shown(tables)}"
        remedy = f"write {PLACE} with double brackets"
        problems.append(Problem(file, PLACE, found, f"{PLACE}, once for each", remedy))
        return []
    partners: list[Partner] = []
    for number, table in enumerate(tables, 1):
        named = table.get("name") if isinstance(table, dict) else None
        place = f"{PLACE} {number}" + (
            f" ({named})" if isinstance(named, str) and named.isprintable() else ""
        )
        wishes = read_table(PartnerTable, table, file, place, problems)
        if wishes is None:
            continue
        flaws = _network_problems(wishes, file, place)
        problems += flaws
        if flaws:
            continue
        if any(wishes.name == other.name for other in partners):
            found = f"{quoted(wishes.name)} again"
            problems.append(Problem(file, f"{place} name", found, "each partner once", "join the two"))
            continue
        partners.append(Partner(wishes.name, wishes, file, place))
    return partners


def entitlements(partners: Iterable[Partner], operations: Iterable[Operation]) -> list[Entitlement]:
    """What each partner may have of each order: the annex narrowed by its wishes; sorted by partner, then order.

    A partner without an annex has nothing, and an annex without its partner gives nothing.
    """
    known = {partner.name: partner for partner in partners}
    granted = (
        _narrowed(known[annex.partner], annex, order, operation)
        for operation in operations
        for order in operation.orders
        for annex in order.annex
        if annex.partner in known
    )
    return sorted(entitlement for entitlement in granted if entitlement is not None)


def _narrowed(partner: Partner, annex: Annex, order: Order, operation: Operation) -> Entitlement | None:
    wishes = partner.wishes
    columns = common(annex.columns, wishes.columns)
    families = common(annex.families, wishes.families)
    countries = common(annex.countries, wishes.countries)
    networks = common_networks(annex.networks, wishes.networks)
    if columns is None or families is None or countries is None or networks is None:
        return None
    return Entitlement(
        partner=partner.name,
        order=order.id,
        operation=operation.name,
        columns=columns,
        families=families,
        countries=countries,
        networks=networks,
        tlp=annex.tlp,
        datasets=tuple(dict.fromkeys(wishes.datasets)),
        formats=tuple(dict.fromkeys(wishes.formats)),
        retention_days=min(order.retention_days, wishes.retention_days),
        purpose=wishes.purpose,
    )


def common(given: Sequence[str], wished: Sequence[str]) -> tuple[str, ...] | None:
    """What both name, where () names all; None where they have nothing in common."""
    if not given or not wished:
        return tuple(dict.fromkeys((*given, *wished)))
    return tuple(dict.fromkeys(word for word in given if word in set(wished))) or None


def common_networks(given: Sequence[str], wished: Sequence[str]) -> tuple[str, ...] | None:
    """The same for networks: of two that overlap, the smaller."""
    if not given or not wished:
        return tuple(dict.fromkeys((*given, *wished)))
    found: dict[str, None] = {}
    for one in map(ipaddress.ip_network, given):
        for other in map(ipaddress.ip_network, wished):
            if one.version == other.version and one.overlaps(other):
                found[str(max(one, other, key=lambda network: network.prefixlen))] = None
    return tuple(found) or None


def _network_problems(wishes: PartnerTable, file: str, place: str) -> list[Problem]:
    problems = []
    for network in wishes.networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            expected = 'a network without host bits, as "192.0.2.0/24" or "2001:db8::/32"'
            problems.append(
                Problem(file, f"{place} networks", quoted(network), expected, "correct or remove it")
            )
    return problems
