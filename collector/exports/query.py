"""The export's statements: SQL and nothing else, made of an order, an entitlement and the names of relations.

    events       a day's segments, in the columns of `segments.table.EVENTS`
    addresses    one row per distinct src_ip (`addresses`): place, src_asn, src_geo, mark, within_<n>
    <joined>     `of_order`: one order's rows with what is known of their addresses
    <ordered>    `in_order`: the same, sorted
    <hosts>      `hosts`: one row per host

Which files stand behind a name, and which engine reads them, is not known here, so that the same statement can run over several
sensors' segments in another store. A partner's rows are `given`: a predicate on columns that are the same for all rows
of a host, so one predicate serves both datasets. What the annex does not give is not selected: it is cut before a
file is written (law.md L-31). Texts come from configuration and are quoted.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from collector.exports.agreement import HOST_COLUMNS
from collector.exports.kinds import Entitlement, FileDataset
from collector.orders.instants import ALWAYS_US, NEVER_US, to_text
from collector.segments.table import EVENTS

KNOWN_OF_ADDRESS = ("src_asn", "src_geo", "mark")
EVENT_ID = "stream || '-' || record"
"""What names a row in the reports and in OCSF."""
_US = "epoch_us({})"
_COLUMNS: dict[str, tuple[str, ...]] = {"events": tuple(EVENTS.names), "hosts": HOST_COLUMNS}

Ranges = Mapping[str, Sequence[tuple[int, int]]]
"""Record numbers by stream, both ends inclusive."""


class Window(NamedTuple):
    """The time an order covers as it stands now: [starts_us, ends_us), UTC microseconds."""

    starts_us: int
    ends_us: int


def distinct_addresses(relation: str) -> str:
    """Every source address of a relation, once."""
    return f"SELECT DISTINCT src_ip FROM {relation}"


def of_order(
    order: str, window: Window | None, flags: int, *, leave_out: str = "", only: str = "", where: str = ""
) -> str:
    """One order's rows within its window (None: whenever), with what is known of their addresses; unsorted.

    `flags` is how many lists of networks there are; `leave_out` and `only` name relations of (stream, record); `where` is a
    predicate on the columns given.
    """
    columns = [f"a.{name}" if name in KNOWN_OF_ADDRESS else f"e.{name}" for name in EVENTS.names]
    columns += ["a.place", *(f"a.within_{number}" for number in range(flags))]
    conditions = [_covered(order, window) if window else f"e.order_id = {quoted(order)}"]
    if leave_out:
        conditions.append(f"NOT {_among(leave_out)}")
    if only:
        conditions.append(_among(only))
    joined = (
        f"SELECT {', '.join(columns)} FROM events e JOIN addresses a USING (src_ip)"
        f" WHERE {' AND '.join(conditions)}"
    )
    # Outside of the join, where a column has one meaning: both sides have a src_geo, and one of them is empty.
    return f"SELECT * FROM ({joined}) WHERE {where}" if where else joined


def withdrawn_rows(relation: str, orders: Iterable[tuple[str, Window]]) -> str:
    """How many rows of the orders, within their windows, are among those of a relation of (stream, record)."""
    covered = " OR ".join(f"({_covered(order, window)})" for order, window in orders)
    return f"SELECT count(*) FROM events e WHERE ({covered or 'false'}) AND {_among(relation)}"


def rows_of_no_order(orders: Iterable[tuple[str, Window]]) -> str:
    """How many rows belong to none of the orders, or lie outside its window."""
    covered = " OR ".join(f"({_covered(order, window)})" for order, window in orders)
    return f"SELECT count(*) FROM events e WHERE NOT ({covered or 'false'})"


def keys_of(statement: str) -> str:
    """Stream and record of a statement's rows, each once, sorted: what `withdrawn` lists have."""
    return f"SELECT DISTINCT stream, record FROM ({statement}) ORDER BY stream, record"


def count_of(statement: str) -> str:
    """How many rows a statement has."""
    return f"SELECT count(*) FROM ({statement})"


def by_file(statement: str) -> str:
    """How many rows of a statement stand in each file."""
    return f"SELECT file, count(*) FROM ({statement}) GROUP BY file"


def among(statement: str, relation: str) -> str:
    """Those of a statement's rows that a relation of (stream, record) names."""
    return f"SELECT * FROM ({statement}) SEMI JOIN {relation} USING (stream, record)"


def about_address(statement: str, address: str, from_us: int, until_us: int) -> str:
    """By file, of a statement's rows (`given`): how many are of an address and a time, and the first and last, microseconds."""
    return (
        f"SELECT file, count(*), {_US.format('min(first_seen)')}, {_US.format('max(seen)')} FROM ({statement})"
        f" WHERE src_ip = {quoted(address)} AND seen >= {moment(from_us)} AND first_seen < {moment(until_us)} GROUP BY file"
    )


def about_address_in_records(
    relation: str, order: str, ranges: Ranges, address: str, from_us: int, until_us: int
) -> str:
    """The same of an order's rows of `events` with these record numbers; one row, without a file."""
    return (
        f"SELECT count(*), {_US.format('min(timestamp)')}, {_US.format('max(timestamp)')} FROM {relation}"
        f" WHERE src_ip = {quoted(address)} AND order_id = {quoted(order)}"
        f" AND timestamp >= {moment(from_us)} AND timestamp < {moment(until_us)} AND ({records_in(ranges)})"
    )


class Order(NamedTuple):
    """How rows are sorted, and a whole number that rises with it, by which a sort can be cut into pieces."""

    by: str
    grain: str


ADDRESSES_A_GRAIN = 64
IN_PLACE = Order("place, timestamp, stream, record", f"place // {ADDRESSES_A_GRAIN}")
"""Exports are sorted by src_ip's network order, then time; a record's number makes the order total."""
IN_TIME = Order("timestamp, stream, record", "epoch_us(timestamp) // 60000000")


def grains(relation: str, order: Order) -> str:
    """How many rows have each number of the order's grain, from the first."""
    return f"SELECT {order.grain} AS grain, count(*) FROM {relation} GROUP BY grain ORDER BY grain"


def in_order(relation: str, order: Order = IN_PLACE, piece: tuple[int, int] | None = None) -> str:
    """The rows of a relation, sorted; of a piece those from its first number of the grain to its last."""
    of_piece = f" WHERE {order.grain} BETWEEN {piece[0]} AND {piece[1]}" if piece else ""
    return f"SELECT * FROM {relation}{of_piece} ORDER BY {order.by}"


def hosts(ordered: str, piece: tuple[int, int], flags: int) -> str:
    """One row per src_ip, family, transport, dst_port, application and order, for the addresses of a piece (IN_PLACE); sorted.

    By pieces because an address's rows stand together: memory is that of a piece, whatever the day's size. `place` stands for
    the address among the keys: a number is grouped twice as fast as a text.
    """
    first, last = piece[0] * ADDRESSES_A_GRAIN, (piece[1] + 1) * ADDRESSES_A_GRAIN - 1
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
            FROM {ordered} WHERE place BETWEEN {first} AND {last}
            GROUP BY {", ".join(keys)}
        ) ORDER BY place, family, transport, dst_port, application"""


def given(entitlement: Entitlement, flag: int | None) -> str:
    """The predicate of a partner's rows; `flag` is the number of its list of networks, None where it has none."""
    conditions = [_within(flag), one_of("family", entitlement.families)]
    conditions.append(one_of("src_geo", entitlement.countries))
    return " AND ".join(filter(None, conditions)) or "true"


def not_known(entitlement: Entitlement, flag: int | None) -> str:
    """The predicate of the rows that lack nothing but a country to be the partner's."""
    if not entitlement.countries:
        return "false"
    return f"src_geo IS NULL AND {given(entitlement._replace(countries=()), flag)}"


def rows_for(
    relation: str, dataset: FileDataset, entitlement: Entitlement, predicate: str, only: Ranges | None = None
) -> str:
    """A partner's rows of a dataset in the columns that it may have, in the order in which `relation` is stored.

    The last column is `place`, by which whoever reads on can tell that the order was kept. `only` takes some records.
    """
    late = f" AND ({records_in(only)})" if only is not None else ""
    columns = ", ".join(
        f"{EVENT_ID} AS event_id" if name == "event_id" else name
        for name in columns_for(dataset, entitlement)
    )
    return f"SELECT {columns}, place FROM {relation} WHERE {predicate}{late}"


def columns_for(dataset: FileDataset, entitlement: Entitlement) -> tuple[str, ...]:
    """The columns of a dataset that an entitlement gives, in the dataset's order."""
    if dataset == "withdrawn":
        return ("event_id", *columns_for("events", entitlement))
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
    """An instant as SQL writes it; ALWAYS_US and NEVER_US have no end."""
    text = {ALWAYS_US: "-infinity", NEVER_US: "infinity"}.get(us) or to_text(us)
    return f"TIMESTAMPTZ '{text}'"


def quoted(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _covered(order: str, window: Window) -> str:
    return (
        f"e.order_id = {quoted(order)} AND e.timestamp >= {moment(window.starts_us)}"
        f" AND e.timestamp < {moment(window.ends_us)}"
    )


def _among(relation: str) -> str:
    return f"EXISTS (SELECT 1 FROM {relation} w WHERE w.stream = e.stream AND w.record = e.record)"


def _within(flag: int | None) -> str:
    return f"within_{flag}" if flag is not None else ""


def one_of(column: str, words: Iterable[str]) -> str:
    """The predicate that a column has one of the words; empty without words."""
    listed = ", ".join(quoted(word) for word in words)
    return f"{column} IN ({listed})" if listed else ""
