"""The page that a judge's clerk reads first: what the order was, who acted, when, what was collected, and what was not.

One file that stands alone: its style and picture are inside, it has no script and asks for nothing from outside (a policy in
its head makes the browser see to that). Everything in it comes from record.json and collected.json, and is escaped: names
of courts and officers come from files that people write.
"""

from collections.abc import Mapping
from html import escape
from typing import Any

from collector.court.picture import Edge, bars
from collector.court.style import STYLE
from collector.ground.markup import Cell, plural, table

Document = Mapping[str, Any]

FATES = {
    "recorded": "recorded, under all operations of this collector together",
    "suppressed_window": "for a listed name or service, outside of an order's time: answered, not recorded",
    "suppressed_scope": "for a name or service that is not listed: answered, not recorded",
    "suppressed_clock": "for a listed name or service, while the collector's clock was in doubt: answered, not recorded",
    "suppressed_probe": "from the operator's own tests: answered, never recorded",
    "rejected_silent": "connections that said nothing",
    "rejected_parse": "began in a known form and could not be read as one",
    "rejected_proxy": "through a forwarding server that did not say for whom",
    "dropped_overload": "given up under overload",
    "dropped_disk": "could not be written to disk",
    "dropped_crash": "lost when a process ended unexpectedly",
}
APPLICATIONS = {
    "http": "HTTP (a web request; only the listed name was kept)",
    "tls": "TLS (an encrypted connection; only the listed name was kept)",
    "opaque": "other (a contact with a listed service)",
}
CHANGES = {
    "started": "the collector started with these settings",
    "operation_loaded": "operation file, schedules and answer put in force",
    "operation_removed": "the operation's file was gone",
    "order_loaded": "an order was entered",
    "order_extended": "an order was extended",
    "order_changed": "an order's dates or fields were changed",
    "order_ended": "an order was ended",
    "order_removed": "an order was taken out of its file",
    "orders_loaded": "the orders were put in force",
    "configuration_refused": "changed files were refused as mistaken; the old ones stayed in force",
}
FAMILIES_SHOWN = 15
ROWS_SHOWN = 200
"""Rows of a table that may be long; all of them are in record.json."""
NOT_MACHINES = (
    "An address is not a machine, and not a person. One address may hide many machines: a household, a company, a "
    "carrier's shared addresses (NAT). One machine may have many addresses, even within a day (DHCP, travel). The "
    "numbers of addresses on this page are therefore neither numbers of infected machines nor of people. Where a contact "
    "was a single datagram (UDP), its source address may have been forged."
)


def summary_page(record: Document, collected: Document) -> str:
    """The whole page."""
    docket = record["injunction"]["docket"]
    body = "\n".join(
        [
            _head(record),
            _glance(record),
            f'<p class="box" id="addresses"><strong>Addresses are not machines.</strong> {escape(NOT_MACHINES)}</p>',
            _orders(record),
            _collected(record),
            _not_recorded(record),
            _interruptions(record, collected),
            _officers(record),
            _configuration(record),
            _notice(record),
            _proof(record, collected),
            _by_day(record),
        ]
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        f"<title>Return to the court: {escape(docket)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(record: Document) -> str:
    injunction = record["injunction"]
    dockets = ", ".join(dict.fromkeys(order["docket"] for order in record["orders"]))
    interim = (
        '<p class="box"><strong>Interim.</strong> Made while an order was in force, or before every day was closed. '
        "The final return follows.</p>"
        if record["interim"]
        else ""
    )
    return (
        '<header><p class="seal">Under seal (18 USC 3123(d)) until the court orders otherwise</p>'
        "<h1>Return of a pen register and trap and trace device</h1>"
        f"<p>{escape(injunction['court'])} · order docket {escape(dockets)} · "
        f"injunction docket {escape(injunction['docket'])}</p>"
        f"<p>Record under {escape(record['statute'])}, as of {_time(record['as_of'])} (entry {record['entries']:,} of the "
        f"audit log). All times are UTC.</p>{interim}</header>"
    )


def _glance(record: Document) -> str:
    part = record["iv_collected"]
    busy = sum(1 for day in part["by_day"] if day["rows"])
    if not part["rows"]:
        words = "<p>No check-in was recorded under this order.</p>"
    else:
        words = (
            f'<p class="big"><b>{part["rows"]:,}</b> {plural(part["rows"], "check-in")} from <b>{part["hosts"]:,}</b> '
            f"{plural(part['hosts'], 'address', 'addresses')} on <b>{busy:,}</b> {plural(busy, 'day')}</p>"
            f"<p>The first on {_time(part['first'])}, the last on {_time(part['last'])}. A check-in is one contact "
            "by a machine with a domain name or service that the court's schedule lists, which a bot makes by itself to ask "
            "for instructions. Recorded were addresses, ports, time, and which listed name was asked for; no content.</p>"
        )
    outside = sum(part["rows_outside_window"].values())
    if outside:
        words += (
            f"<p><strong>{outside:,} of them lie outside of their order's time as it is known now</strong> (recorded "
            "before the collector was told that the order had ended). They are marked in collected.json.</p>"
        )
    return f"<section><h2>In short</h2>{words}</section>"


def _orders(record: Document) -> str:
    rows = [
        [
            order["id"],
            order["kind"],
            order["docket"],
            _time(order["issued"]),
            _time(order["in_force_from"]),
            _time(order["in_force_until"]),
            _ending(order),
        ]
        for order in record["orders"]
    ]
    heads = ("Order", "Kind", "Docket", "Issued", "In force from", "until", "Ended by")
    gaps = "".join(
        f"<li>{_time(gap['from'])} to {_time(gap['until'])}, before {escape(gap['before'])}</li>"
        for gap in record["not_covered"]
    )
    told = f"<p>Between the orders nothing was recorded:</p><ul>{gaps}</ul>" if gaps else ""
    return f"<section><h2>The order{'s' if len(rows) > 1 else ''}</h2>{table('Orders', heads, rows)}{told}</section>"


def _ending(order: Document) -> str:
    given = [key for key in ("terminated", "obtained", "denied") if key in order]
    return " and ".join(given) or "its own end"


def _collected(record: Document) -> str:
    part = record["iv_collected"]
    edges = []
    for order in record["orders"]:
        edges.append(Edge(order["in_force_from"], f"{order['id']} begins"))
        edges.append(Edge(order["in_force_until"], f"{order['id']} ends"))
    picture = bars([(day["day"], day["rows"]) for day in part["by_day"]], sorted(edges))
    families = part["by_family"]
    shown = [[row["family"], row["rows"]] for row in families[:FAMILIES_SHOWN]]
    rest = families[FAMILIES_SHOWN:]
    if rest:
        shown.append([f"{len(rest)} others", sum(row["rows"] for row in rest)])
    kinds = [
        [APPLICATIONS.get(row["application"], row["application"]), row["rows"]]
        for row in part["by_application"]
    ]
    orders = [[row["order"], row["rows"]] for row in part["by_order"]]
    return (
        f"<section><h2>What was collected</h2><figure>{picture}<figcaption>Check-ins recorded on each day. "
        "The figures are in the last table.</figcaption></figure>"
        + table("By family of malware", ("Family", "Check-ins"), shown)
        + table("By kind of contact", ("Kind", "Check-ins"), kinds)
        + table("By order", ("Order", "Check-ins"), orders)
        + "</section>"
    )


def _not_recorded(record: Document) -> str:
    part = record["not_recorded"]
    rows: list[list[Cell]] = [
        [FATES.get(fate, fate), count]
        for fate, count in sorted(part["fates"].items(), key=lambda item: (-item[1], item[0]))
        if count and fate != "recorded"
    ]
    rows += [
        [f"dropped by the machine's own network part before the collector saw them ({name.upper()})", count]
        for name, count in part["kernel_dropped"].items()
        if count
    ]
    words = (
        "<p>Contacts that the collector saw during these orders' time and did not record, with the reason. "
    )
    words += "The counts are of the whole collector: it keeps no name of what it does not record.</p>"
    if part["runs_without_counts"]:
        count = part["runs_without_counts"]
        words += f"<p>{count} {plural(count, 'run')} of the collector left no counts (see Interruptions).</p>"
    return f"<section><h2>What was not recorded</h2>{words}{table('Not recorded', ('Reason', 'Contacts'), rows)}</section>"


def _interruptions(record: Document, collected: Document) -> str:
    times, part = record["ii_times"], record["iv_collected"]
    runs = [
        [_time(run["started"]), _time(run["stopped"]) if run["stopped"] else _cut(run)]
        for run in times["runs"][:ROWS_SHOWN]
    ]
    possible = [
        [span["order"], _time(span["from"]), _time(span["until"])]
        for span in times["recording_possible"][:ROWS_SHOWN]
    ]
    gaps = [
        [gap["day"], gap["stream"], ", ".join(f"{first} to {last}" for first, last in gap["records"])]
        for gap in part["gaps"][:ROWS_SHOWN]
    ]
    told = "<p>No record is missing within the files.</p>" if not gaps else (
        "<p>Numbers that are missing within the files: records lost with a process or a damaged journal.</p>"
        + table("Missing records", ("Day", "Stream", "Records"), gaps)
    )  # fmt: skip
    damaged = collected["damaged_journals"]
    if damaged:
        words = f"{len(damaged)} {plural(len(damaged), 'journal')} did not read back everywhere and"
        told += f"<p>{words} stand aside; collected.json names them.</p>"
    return (
        "<section><h2>Interruptions</h2>"
        + table("Runs of the collector", ("Started", "Stopped"), runs)
        + table(
            "When recording was possible: an order in force and the collector running",
            ("Order", "From", "Until"),
            possible,
        )
        + told
        + "</section>"
    )


def _cut(run: Document) -> str:
    if run["end"] == "running":
        return "still running"
    return f"unknown: cut off before {_time(run['at_the_latest'])}"


def _officers(record: Document) -> str:
    officers, times = record["i_officers"], record["ii_times"]
    named = [[name, order] for order, names in officers["named_in_orders"].items() for name in names]
    installed = [[person["name"], person["actor"]] for person in officers["installed"]]
    names = {person["actor"]: person["name"] for person in officers["accessed"]}
    accesses = [
        [
            names.get(entry["actor"], entry["actor"]),
            entry["order"],
            _time(entry["opened"]),
            _end(entry),
            _lasted(entry),
            entry["reason"],
        ]
        for entry in times["accesses"][:ROWS_SHOWN]
    ]
    more = len(times["accesses"]) - len(accesses)
    told = f"<p>{more:,} more are in record.json.</p>" if more > 0 else ""
    if not accesses:
        told = "<p>Nobody read the collected records through the collector's program.</p>"
    install = ", ".join(_time(moment) for moment in times["installed"]) or "unknown"
    uninstall = ", ".join(_time(moment) for moment in times["uninstalled"]) or "not uninstalled"
    return (
        f"<section><h2>Who, and when</h2><p>Installed: {install}. Uninstalled: {uninstall}.</p>"
        + table("Officers named in the orders", ("Officer", "Order"), named)
        + table("Who installed or started the collector", ("Person", "Actor in the log"), installed)
        + table(
            "Each access to collected records",
            ("Person", "Order", "Opened", "Closed", "Lasted", "Reason"),
            accesses,
        )
        + told
        + "<p>An administrator of the machine can read its files without this program; that would not be listed here.</p>"
        + "</section>"
    )


def _end(entry: Document) -> str:
    return _time(entry["closed"]) if entry["closed"] else f"{entry['end']}"


def _lasted(entry: Document) -> str:
    duration = entry["duration_us"]
    if duration is None:
        return "unknown"
    seconds = duration / 1_000_000
    if seconds < 60:
        return f"{seconds:.3f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def _configuration(record: Document) -> str:
    part = record["iii_configuration"]
    rows = [[_time(said["time"]), CHANGES.get(said["event"], said["event"]), _what(said)]
            for said in (*part["at_installation"], *part["modifications"])[:ROWS_SHOWN]]  # fmt: skip
    words = (
        f"<p>Lines 1 to {len(part['at_installation'])} are the configuration at installation, the others each change "
        "after it. The texts are in the folder configuration/, named by their SHA-256.</p>"
    )
    heads = ("Time", "What", "Which")
    return f"<section><h2>Configuration and its changes</h2>{words}{table('Configuration', heads, rows)}</section>"


def _what(said: Document) -> str:
    if said["event"] == "order_changed":
        before, after = said["before"], said["after"]
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        return f"{said['order']}: " + "; ".join(
            f"{key} {before.get(key, '—')} → {after.get(key, '—')}" for key in changed
        )
    if said["event"] == "order_ended":
        return f"{said['order']}: {said['by']} {said['at']}"
    if said["event"] == "order_extended":
        return f"{said['order']} extends {said['extends']}"
    if said["event"] == "order_loaded":
        return f"{said['order']}: {said['starts']} to {said['ends']}"
    if said["event"] == "configuration_refused":
        return f"{said['problems']} problem(s)"
    texts = [said["configuration"][:16]] if "configuration" in said else []
    texts += [f"{item['file']} {item['sha256'][:16]}" for item in said.get("schedules", ())]
    return ", ".join(texts) or str(said.get("order", ""))


def _notice(record: Document) -> str:
    part = record["notice"]
    if not part["count"]:
        words = "No public notice was served."
    else:
        words = (
            f"A fixed public notice was served {part['count']:,} times, the same bytes to everyone, from "
            f"{_time(part['since'])} to {_time(part['until'])}."
        )
    return f"<section><h2>Public notice</h2><p>{words}</p></section>"


def _proof(record: Document, collected: Document) -> str:
    part = record["iv_collected"]
    files = part["files"]
    rows: list[list[Cell]] = [
        ["Files of the days looked at", len(collected["files"])],
        ["of them with records of this order", part["files_with_rows"]],
        ["their size in bytes", part["bytes"]],
        ["set aside (quarantined) and not read", files["quarantined"]],
        ["deleted, with an entry in the log that says so", files["deleted"]],
    ]
    rows_here = (
        ""
        if collected["rows_included"]
        else "<p>The records themselves are not in this bundle, only their hashes.</p>"
    )
    return (
        f"<section><h2>Files and proof</h2>{table('Files', ('What', 'Number'), rows)}{rows_here}"
        "<p>Each file's SHA-256 is in collected.json, and SHA256SUMS lists every file of this bundle. The audit log is a "
        "signed chain (a Merkle tree): if any entry were changed, removed or moved, the signature would no longer fit. To "
        "check all of it, run in this folder: <code>python3 -I -S verify.py</code></p></section>"
    )


def _by_day(record: Document) -> str:
    rows = [[day["day"], day["rows"], day["hosts"]] for day in record["iv_collected"]["by_day"]]
    heads = ("Day (UTC)", "Check-ins", "Addresses")
    return f"<section><h2>Figures by day</h2>{table('By day', heads, rows)}</section>"


def _time(text: str | None) -> str:
    """An instant as people read it; to the microsecond only in record.json."""
    return "unknown" if text is None else f"{text[:10]} {text[11:19]}"
