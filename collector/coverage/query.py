"""The report's statements: SQL and nothing else.

    events       a day's segments, in the columns of `segments.table.EVENTS`
    withdrawn    stream and record of rows that were found wrong
    listing      `listing.SCHEMA`: the schedule's rows that concern the day
    book         `book.SCHEMA`: unexpected check-ins
    targets      the listing's rows that may be recorded
    pairs        one row per listing's row (or, beside the listing, operation and domain) and source address
    reached      one row per listing's row: what was recorded of it
    missed       the same: what came although it is blocked or out of date
    found        the report: one row per listed domain

A domain with several windows on one day has its check-ins split by their time; all others go by their name alone, which costs
nothing a row. Distinct addresses are counted from pairs, not with count(DISTINCT): a group-by can spill to disk.
"""

from collections.abc import Mapping

from collector.exports.query import quoted

COLUMNS = (
    "operation", "registry", "domain", "family", "action", "valid_from", "valid_until", "expected", "state", "check_ins",
    "unrecorded", "hosts", "first_seen", "last_seen",
)  # fmt: skip
"""What is told of a listed domain."""
STATES = {
    "reached": "state = 'reached'",
    "silent": "state = 'silent' AND expected",
    "unexpected": "unrecorded > 0",
}
"""What of the report may be asked for."""


def listing_with_former(former: str) -> str:
    """The listing, and of an earlier schedule the rows of names that the listing cannot account for."""
    return (
        f"SELECT * FROM listing UNION ALL SELECT f.* FROM {former} f WHERE NOT EXISTS ("
        "SELECT 1 FROM listing l WHERE l.operation = f.operation AND l.domain = f.domain AND (l.records OR NOT f.records))"
    )


def targets() -> str:
    """`several`: the operation has more than one such row of the domain."""
    return (
        "SELECT place, operation, domain, in_us, out_us, count(*) OVER (PARTITION BY operation, domain) > 1 AS several"
        " FROM listing WHERE records"
    )


def split_domains() -> str:
    """How many rows of `targets` share their domain with another."""
    return "SELECT count(*) FROM targets WHERE several"


def pairs(orders: Mapping[str, str], *, split: bool, leave_out: bool) -> str:
    """`orders`: the operation of each whose rows are read. `split`: there are domains with several windows."""
    of = (
        ", ".join(f"({quoted(order)}, {quoted(operation)})" for order, operation in orders.items())
        or "('', '')"
    )
    source = f"events e JOIN (VALUES {of}) o(order_id, operation) ON e.order_id = o.order_id"
    wrong = (
        " AND NOT EXISTS (SELECT 1 FROM withdrawn w WHERE w.stream = e.stream AND w.record = e.record)"
        if leave_out
        else ""
    )
    piece, at = "NULL::BIGINT", "t.place = g.piece OR (g.piece IS NULL AND NOT t.several)"
    if split:
        piece = "c.place"
        source += (
            " LEFT JOIN (SELECT * FROM targets WHERE several) c ON c.operation = o.operation AND c.domain = e.domain"
            " AND epoch_us(e.timestamp) >= c.in_us AND epoch_us(e.timestamp) < c.out_us"
        )
    return f"""
        SELECT t.place, g.operation, CASE WHEN t.place IS NULL THEN g.domain END AS domain, g.src_ip, g.check_ins,
            g.first_seen, g.last_seen
        FROM (
            SELECT o.operation, e.domain, {piece} AS piece, e.src_ip, count(*) AS check_ins,
                min(e.timestamp) AS first_seen, max(e.timestamp) AS last_seen
            FROM {source} WHERE e.domain IS NOT NULL{wrong} GROUP BY ALL
        ) g LEFT JOIN targets t ON t.operation = g.operation AND t.domain = g.domain{f" AND ({at})" if split else ""}"""


def reached() -> str:
    """`domain` only where the listing has no row for it."""
    return (
        "SELECT place, operation, domain, sum(check_ins)::BIGINT AS check_ins, count(*) AS hosts,"
        " min(first_seen) AS first_seen, max(last_seen) AS last_seen FROM pairs GROUP BY place, operation, domain"
    )


def asked_for(operation: str) -> str:
    """The entries of the book that have words, of one operation or of all."""
    only = f" AND operation = {quoted(operation)}" if operation else ""
    return f"SELECT DISTINCT operation, domain FROM book WHERE domain IS NOT NULL{only}"


def nameless() -> str:
    """How many unexpected check-ins are told without a name."""
    return "SELECT coalesce(sum(check_ins), 0)::BIGINT FROM book WHERE domain IS NULL"


def missed(operation: str, begins_us: int) -> str:
    """The book's entries at one row of their name: the one that is blocked today, else in date, else the last that was."""
    return f"""
        SELECT place, operation, CASE WHEN place IS NULL THEN domain END AS domain, check_ins FROM (
            SELECT l.place, b.*, row_number() OVER (PARTITION BY b.operation, b.domain ORDER BY
                coalesce(l.former, true), coalesce(l.in_date AND NOT l.due, false) DESC, coalesce(l.in_date, false) DESC,
                CASE WHEN l.valid_until <= {begins_us} THEN l.valid_until END DESC NULLS LAST, l.valid_from, l.place) AS choice
            FROM (
                SELECT operation, domain, sum(check_ins)::BIGINT AS check_ins FROM book
                WHERE (operation, domain) IN ({asked_for(operation)}) GROUP BY ALL
            ) b LEFT JOIN listing l ON l.operation = b.operation AND l.domain = b.domain
        ) WHERE choice = 1"""


def found(told: Mapping[str, bool], *, everything: bool) -> str:
    """One row per listed domain of the day, or with `everything` of the schedule; sorted.

    `told`: whether an order of the operation was loaded and in force that day, and its rows are there, so that it can be told
    what was not reached.
    """
    named = ", ".join(quoted(name) for name, was in told.items() if was) or "''"
    rest = " OR NOT l.former" if everything else " OR (l.in_date AND NOT l.former)"
    counts = (
        "coalesce(r.check_ins, 0) AS recorded, coalesce(m.check_ins, 0) AS unrecorded,"
        " r.hosts, r.first_seen, r.last_seen"
    )
    return f"""
        SELECT *, (due OR recorded > 0) AS expected, recorded + unrecorded AS check_ins, CASE
            WHEN recorded > 0 THEN 'reached' WHEN unrecorded > 0 THEN 'unexpected'
            WHEN due AND operation NOT IN ({named}) THEN NULL ELSE 'silent' END AS state
        FROM (
            SELECT l.place, l.operation, l.registry, l.domain, l.family, l.action, l.valid_from, l.valid_until,
                l.in_date, l.due, {counts}
            FROM listing l LEFT JOIN reached r ON r.place = l.place LEFT JOIN missed m ON m.place = l.place
            WHERE r.place IS NOT NULL OR m.place IS NOT NULL{rest}
            UNION ALL
            SELECT NULL, coalesce(r.operation, m.operation), '', coalesce(r.domain, m.domain), '', '', NULL, NULL, false, false,
                {counts}
            FROM (SELECT * FROM reached WHERE place IS NULL) r FULL JOIN (SELECT * FROM missed WHERE place IS NULL) m
                ON r.operation = m.operation AND r.domain = m.domain
        ) ORDER BY operation, registry, domain, valid_from NULLS FIRST, place"""


def registries() -> str:
    """One row per operation, registry and action; counts of domains, and of what came for them."""
    return """
        SELECT operation, registry, action, count(*) FILTER (expected), count(*) FILTER (expected AND state = 'reached'),
            count(*) FILTER (expected AND state = 'silent'), count(*) FILTER (in_date AND action = 'block'),
            count(*) FILTER (unrecorded > 0), sum(check_ins)::BIGINT, sum(unrecorded)::BIGINT,
            epoch_us(min(first_seen)), epoch_us(max(last_seen))
        FROM found GROUP BY operation, registry, action ORDER BY ALL"""


def hosts_of_registries() -> str:
    """Distinct source addresses by operation and registry."""
    return """
        SELECT operation, registry, count(*) FROM (
            SELECT p.operation, coalesce(l.registry, '') AS registry, p.src_ip
            FROM pairs p LEFT JOIN listing l ON l.place = p.place GROUP BY ALL
        ) GROUP BY ALL"""


def unexpected(most: int, registry: str | None) -> str:
    """The names that were asked for most although they are blocked or out of date."""
    only = f" AND registry = {quoted(registry)}" if registry is not None else ""
    return (
        f"SELECT operation, registry, domain, family, action, unrecorded FROM found WHERE unrecorded > 0{only}"
        f" ORDER BY unrecorded DESC, operation, domain LIMIT {most}"
    )


def domains(*, registry: str | None, state: str) -> str:
    """The report's rows as they are told, in the order in which they are stored; instants as text."""
    conditions = [f"registry = {quoted(registry)}"] if registry is not None else []
    if state:
        conditions.append(STATES[state])
    return (
        f"SELECT {', '.join(_told(name) for name in COLUMNS)} FROM found"
        f" WHERE {' AND '.join(conditions) or 'true'}"
    )


def _told(name: str) -> str:
    second, fine = "'%Y-%m-%dT%H:%M:%SZ'", "'%Y-%m-%dT%H:%M:%S.%fZ'"
    if name in ("valid_from", "valid_until"):
        moment = f"make_timestamp({name})"
        whole = f"{name} % 1000000 = 0"
        return f"CASE WHEN {whole} THEN strftime({moment}, {second}) ELSE strftime({moment}, {fine}) END AS {name}"
    if name in ("first_seen", "last_seen"):
        return f"strftime({name}, {fine}) AS {name}"
    if name == "hosts":  # of what is not recorded nobody knows how many there were
        return "CASE WHEN recorded > 0 OR unrecorded = 0 THEN coalesce(hosts, 0) END AS hosts"
    return name
