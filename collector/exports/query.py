"""The export's statements: SQL and nothing else, made of an order, an entitlement and the names of relations.

    events       a day's segments, in the columns of `segments.table.EVENTS`
    addresses    one row per distinct src_ip (`addresses`): place, src_asn, src_geo, mark, within_<n>
    <ordered>    `of_order`: one order's rows with what is known of their addresses
    <hosts>      `hosts`: one row per host

Which files stand behind a name, and which engine reads them, is not known here, so that the same statement can run over several
sensors' segments in another store. A partner's rows are `given`: a predicate on columns that are the same for all rows
of a host, so one predicate serves both datasets. What the annex does not give is not selected: it is cut before a
file is written (law.md L-31). Texts come from configuration and are quoted.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from collector.exports.agreement import HOST_COLUMNS
from collector.exports.kinds import Dataset, Entitlement
from collector.segments.table import EVENTS

KNOWN_OF_ADDRESS = ("src_asn", "src_geo", "mark")
IN_ORDER = "place, timestamp, stream, record"
"""Exports are sorted by src_ip's network order, then time; a record's number makes the order total."""
IN_TIME = "timestamp, stream, record"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_COLUMNS: dict[str, tuple[str, ...]] = {"events": tuple(EVENTS.names), "hosts": HOST_COLUMNS}

Ranges = Mapping[str, Sequence[tuple[int, int]]]
"""Record numbers by stream, both ends inclusive."""


class Window(NamedTuple):
    """The time an order covers as it stands now: [starts_us, ends_us), UTC microseconds."""

    starts_us: int
    ends_us: int


def distinct_addresses() -> str:
    """Every source address of the day, once."""
    return "SELECT DISTINCT src_ip FROM events"


def of_order(order: str, window: Window, flags: int, *, leave_out: str = "") -> str:
    """One order's rows within its window, with what is known of their addresses; unsorted.

    `flags` is how many lists of networks there are; `leave_out` names a relation of (stream, record) withdrawn.
    """
    columns = [f"a.{name}" if name in KNOWN_OF_ADDRESS else f"e.{name}" for name in EVENTS.names]
    columns += ["a.place", *(f"a.within_{number}" for number in range(flags))]
    conditions = [_covered(order, window)]
    if leave_out:
        conditions.append(
            f"NOT EXISTS (SELECT 1 FROM {leave_out} w WHERE w.stream = e.stream AND w.record = e.record)"
        )
    return (
        f"SELECT {', '.join(columns)} FROM events e JOIN addresses a USING (src_ip)"
        f" WHERE {' AND '.join(conditions)}"
    )


def rows_of_no_order(orders: Iterable[tuple[str, Window]]) -> str:
    """How many rows belong to none of the orders, or lie outside its window."""
    covered = " OR ".join(f"({_covered(order, window)})" for order, window in orders)
    return f"SELECT count(*) FROM events e WHERE NOT ({covered or 'false'})"


def in_order(statement: str, by: str = IN_ORDER) -> str:
    """The rows of a statement, sorted."""
    return f"SELECT * FROM ({statement}) ORDER BY {by}"


def hosts(ordered: str, first_place: int, last_place: int, flags: int) -> str:
    """One row per src_ip, family, transport, dst_port, application and order, for a slice of the addresses; sorted.

    By slices because an address's rows stand together: memory is that of a slice, whatever the day's size. `place` stands for
    the address among the keys: a number is grouped twice as fast as a text.
    """
    keys = ("place", "family", "transport", "dst_port", "application", "order_id")
    latest = ("src_port", "dst_ip", "domain", "source_trust", "infection")
    counted = ("first_seen", "last_seen", "check_ins", "active_hours", "src_ports", "domains")
    of_address = ("src_ip", *KNOWN_OF_ADDRESS, *(f"within_{number}" for number in range(flags)))
    packed = ", ".join(f"{quoted(name)}: {name}" for name in latest)
    return f"""
        SELECT {", ".join((*keys, *counted, *of_address))}, {", ".join(f"latest.{name} AS {name}" for name in latest)}
        FROM (
            SELECT
                {", ".join(keys)},
                min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS check_ins,
                count(DISTINCT date_trunc('hour', timestamp)) AS active_hours,
                count(DISTINCT src_port) AS src_ports, count(DISTINCT domain) AS domains,
                {", ".join(f"any_value({name}) AS {name}" for name in of_address)},
                max_by({{{packed}}}, {{'timestamp': timestamp, 'stream': stream, 'record': record}}) AS latest
            FROM {ordered} WHERE place >= {first_place} AND place <= {last_place}
            GROUP BY {", ".join(keys)}
        ) ORDER BY place, family, transport, dst_port, application"""


def given(entitlement: Entitlement, flag: int | None) -> str:
    """The predicate of a partner's rows; `flag` is the number of its list of networks, None where it has none."""
    conditions = [_within(flag), _one_of("family", entitlement.families)]
    conditions.append(_one_of("src_geo", entitlement.countries))
    return " AND ".join(filter(None, conditions)) or "true"


def not_known(entitlement: Entitlement, flag: int | None) -> str:
    """The predicate of the rows that lack nothing but a country to be the partner's."""
    if not entitlement.countries:
        return "false"
    return f"src_geo IS NULL AND {given(entitlement._replace(countries=()), flag)}"


def rows_for(
    relation: str, dataset: Dataset, entitlement: Entitlement, predicate: str, only: Ranges | None = None
) -> str:
    """A partner's rows of a dataset in the columns that it may have, in the order in which `relation` is stored.

    The last column is `place`, by which whoever reads on can tell that the order was kept. `only` takes some records.
    """
    late = f" AND ({records_in(only)})" if only is not None else ""
    return f"SELECT {', '.join(columns_for(dataset, entitlement))}, place FROM {relation} WHERE {predicate}{late}"


def columns_for(dataset: Dataset, entitlement: Entitlement) -> tuple[str, ...]:
    """The columns of a dataset that an entitlement gives, in the dataset's order."""
    named = _COLUMNS[dataset]
    return tuple(name for name in named if not entitlement.columns or name in entitlement.columns)


def records_in(ranges: Ranges) -> str:
    """The predicate of records by stream and number."""
    parts = [
        f"stream = {quoted(stream)} AND record BETWEEN {first} AND {last}"
        for stream, pieces in ranges.items()
        for first, last in pieces
    ]
    return " OR ".join(f"({part})" for part in parts) or "false"


def outcomes(relation: str, predicates: Sequence[tuple[str, str]]) -> str:
    """What becomes of an order's rows: delivered, unknown_country, filtered; then the rows of each partner.

    `predicates` are `given` and `not_known` of each entitlement. One row of counts:
    the second equation, counted and not inferred.
    """
    delivered = " OR ".join(f"({one})" for one, _ in predicates)
    unknown = " OR ".join(f"({other})" for _, other in predicates)
    each = "".join(f", count(*) FILTER (WHERE {one})" for one, _ in predicates)
    return (
        f"SELECT count(*) FILTER (WHERE {delivered}),"
        f" count(*) FILTER (WHERE NOT coalesce({delivered}, false) AND ({unknown})),"
        f" count(*) FILTER (WHERE NOT coalesce({delivered}, false) AND NOT coalesce({unknown}, false)){each} FROM {relation}"
    )


def moment(us: int) -> str:
    """An instant as SQL writes it."""
    return f"TIMESTAMPTZ '{(_EPOCH + timedelta(microseconds=us)).isoformat(sep=' ')}'"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _covered(order: str, window: Window) -> str:
    return (
        f"e.order_id = {quoted(order)} AND e.timestamp >= {moment(window.starts_us)}"
        f" AND e.timestamp < {moment(window.ends_us)}"
    )


def _within(flag: int | None) -> str:
    return f"within_{flag}" if flag is not None else ""


def _one_of(column: str, words: Iterable[str]) -> str:
    listed = ", ".join(quoted(word) for word in words)
    return f"{column} IN ({listed})" if listed else ""
