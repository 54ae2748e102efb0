"""The data dictionary: what each column of a published file means, in which unit, and what the statute calls it.

Names, types and what may be null are the writers' own (`segments.table.EVENTS`, `native.HOSTS`,
`shadowserver.REPORTS`); here stands what no file can say. `GET /v1/schema/{dataset}.json` gives it out, and
deploy/PARTNERS.md prints it (tests hold the two together).

Statutory class, after 18 USC 3121(c) and 3127 (law.md, "Content or not"):

    addressing, routing   source and destination address and port, transport, time
    signalling            the kind of protocol, and that a proxy passed it on
    volume                bytes in total; only where the order names it
    looked up             found for the address at export, in databases of the operator's; nothing of it came over the wire
    label                 a word or number of the court's schedule, or of the collector's own bookkeeping
    content               never decoded or recorded; such a column exists for a format's sake and is empty in every row
    empty                 a column of the format's that nothing here fills
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import pyarrow as pa

from collector.exports.native import HOSTS, WITHDRAWN
from collector.exports.network_activity import CONSTANTS
from collector.exports.network_activity import SCHEMA as NETWORK_ACTIVITY
from collector.exports.ocsf import SCHEMA_VERSION as OCSF_VERSION
from collector.exports.shadowserver import REPORTS, SEVERITY
from collector.exports.shadowserver import SCHEMA_VERSION as REPORTS_VERSION
from collector.segments.table import EVENTS
from collector.segments.versions import SCHEMA_VERSION

Class = Literal["addressing, routing", "signalling", "volume", "looked up", "label", "content", "empty"]
ROUTING: Class = "addressing, routing"


class Meaning(NamedTuple):
    """What a type does not say. `unit` is empty where there is none."""

    statutory_class: Class
    unit: str
    words: str


class Column(NamedTuple):
    """One line of the dictionary."""

    name: str
    type: str
    nullable: bool
    meaning: Meaning

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name,
            "type": self.type,
            "nullable": self.nullable,
            "unit": self.meaning.unit,
            "class": self.meaning.statutory_class,
            "meaning": self.meaning.words,
        }


_INSTANT = "microseconds, UTC"
MEANINGS: dict[str, Meaning] = {
    "timestamp": Meaning(ROUTING, _INSTANT, "when the connection was accepted, or the datagram read"),
    "src_ip": Meaning(
        ROUTING,
        "",
        "the infected machine's address, or that of its NAT; RFC 5952, IPv4 dotted, never ::ffff:",
    ),
    "src_port": Meaning(
        ROUTING,
        "",
        "the source port; with the time it finds the subscriber behind a shared address (RFC 6302)",
    ),
    "source_trust": Meaning(
        "signalling",
        "",
        "why the source is believed: handshake (TCP), proxy (told by a listed proxy), datagram (UDP: can be spoofed)",
    ),
    "src_asn": Meaning("looked up", "AS number", "the network that announces src_ip; a bare number"),
    "src_geo": Meaning(
        "looked up", "ISO 3166-1 alpha-2", "the country of src_ip, as good as the database is"
    ),
    "mark": Meaning(
        "looked up",
        "",
        "src_ip is known as scanner, crawler, researcher or probe, and likely no victim; marked, never dropped",
    ),
    "dst_ip": Meaning(ROUTING, "", "the substitute server's address"),
    "dst_port": Meaning(ROUTING, "", "the substitute server's port, to which the machine connected"),
    "transport": Meaning(ROUTING, "", "tcp or udp"),
    "application": Meaning(
        "signalling", "", "what the first bytes began as: http, tls or opaque; nothing finer is kept"
    ),
    "domain": Meaning(
        ROUTING,
        "",
        "the entry of the court's schedule that the named host matched; null for a service without a name",
    ),
    "family": Meaning("label", "", "the malware family that the schedule names for this domain or service"),
    "infection": Meaning("label", "", "operation and family, joined by a hyphen"),
    "bytes_in": Meaning(
        "volume",
        "bytes",
        "how much the kernel had handed over when the verdict fell; null unless the order's fields name volume",
    ),
    "order_id": Meaning("label", "", "the alias of the order under which it was recorded"),
    "sensor": Meaning("label", "", "the collector that recorded it"),
    "stream": Meaning("label", "", "sensor, worker and start of the stream of records"),
    "record": Meaning(
        "label", "", "number in the stream; stream and record together are unique, and name the row for good"
    ),
    "event_id": Meaning(
        "label", "", "stream and record, joined by a hyphen: what reports and OCSF know a row by"
    ),
    "first_seen": Meaning(ROUTING, _INSTANT, "the day's first check-in of this host"),
    "last_seen": Meaning(ROUTING, _INSTANT, "the day's last check-in of this host"),
    "check_ins": Meaning(ROUTING, "check-ins", "how many rows of events this row stands for"),
    "active_hours": Meaning(ROUTING, "hours", "in how many of the day's 24 hours it was seen"),
    "src_ports": Meaning(
        ROUTING, "ports", "distinct source ports; many mean a NAT with many machines, or one that asks often"
    ),
    "domains": Meaning(ROUTING, "domains", "distinct entries of the schedule that it asked for"),
}
_OF_LAST = {"src_port", "dst_ip", "domain", "source_trust", "infection"}
"""Columns of hosts that are those of the day's last check-in."""

_REPORT_MEANINGS: dict[str, Meaning] = {
    "timestamp": Meaning(ROUTING, "UTC, as text: 2026-11-21 10:00:00.123456", MEANINGS["timestamp"].words),
    "protocol": MEANINGS["transport"],
    "severity": Meaning("label", "", f"always {SEVERITY}"),
    "tag": Meaning("label", "", "the same as infection"),
    "event_id": Meaning("label", "", "stream and record of events, joined by a hyphen"),
    "http_host": MEANINGS["domain"]._replace(
        words="the entry of the court's schedule that the named host matched"
    ),
    "ssl_servername": MEANINGS["domain"]._replace(
        words="the schedule's entry where the name came by TLS; else empty"
    ),
    **dict.fromkeys(
        ("http_url", "http_agent", "http_referer", "forwarded_by", "machine_name", "ssl_cipher", "version"),
        Meaning("content", "", "never recorded: always empty"),
    ),
}
_UNFILLED = Meaning("empty", "", "nobody fills it")
_NUMBERS = {"src_port", "dst_port", "src_asn"}

_OCSF: dict[str, Meaning | str] = {
    "class_uid": Meaning("label", "", "4001, Network Activity"),
    "category_uid": Meaning("label", "", "4, Network Activity"),
    "activity_id": Meaning("label", "", "1, Open"),
    "type_uid": Meaning("label", "", "400101, Network Activity: Open"),
    "severity_id": Meaning("label", "", "5, Critical"),
    "time": MEANINGS["timestamp"]._replace(unit="milliseconds since 1970, UTC"),
    "metadata.version": Meaning("label", "", "the version of OCSF"),
    "metadata.product.name": Meaning("label", "", "what made the event"),
    "metadata.product.vendor_name": Meaning("label", "", "the same"),
    "metadata.product.version": Meaning("label", "", "the collector's version"),
    "metadata.uid": Meaning("label", "", "stream and record of events, joined by a hyphen"),
    "metadata.original_time": MEANINGS["timestamp"]._replace(unit=f"{_INSTANT}, as text that ends in Z"),
    "src_endpoint.ip": "src_ip",
    "src_endpoint.port": "src_port",
    "src_endpoint.autonomous_system.number": "src_asn",
    "src_endpoint.location.country": "src_geo",
    "dst_endpoint.ip": "dst_ip",
    "dst_endpoint.port": "dst_port",
    "dst_endpoint.hostname": "domain",
    "connection_info.direction_id": Meaning("label", "", "1, inbound"),
    "connection_info.protocol_num": Meaning(ROUTING, "", "6 (TCP) or 17 (UDP)"),
    "connection_info.protocol_name": "transport",
    "connection_info.protocol_ver_id": Meaning(ROUTING, "", "4 or 6, the source's version of IP"),
    "observation_point_id": Meaning("label", "", "2: seen at the destination"),
    "traffic.bytes_in": "bytes_in",
    "enrichments[].name": Meaning("label", "", "which attribute the enrichment is told of"),
    "enrichments[].value": Meaning(ROUTING, "", "that attribute's value"),
    "enrichments[].type": Meaning("label", "", "always sinkhole"),
    "enrichments[].provider": Meaning("label", "", "who tells it"),
    "enrichments[].data": Meaning(
        "label", "", "JSON text of family, infection, application, source_trust and mark"
    ),
}
"""By path; `[]` stands for the elements of a list. A text names the column of events that it is."""
_ALWAYS = {"time", "metadata.uid", "metadata.original_time", "src_endpoint.ip", "src_endpoint.port"}

DESCRIPTIONS = {
    "events": "One row per recorded check-in, sorted by src_ip in network order, then time. Publications add up.",
    "hosts": "One row per src_ip, family, transport, dst_port, application, order_id in a day; a supplement replaces the day.",
    "withdrawn": "In a withdrawal: the rows of events that are taken back, sorted as events are. Remove them everywhere.",
    "network_activity": "events as OCSF's class 4001, sorted by time. Publications add up.",
}


def schema_document(dataset: str) -> dict[str, Any] | None:
    """A dataset's dictionary, as JSON has it; None for a name that is none."""
    columns = columns_of(dataset)
    if columns is None:
        return None
    version = REPORTS_VERSION if dataset in REPORTS else SCHEMA_VERSION
    return {
        "dataset": dataset,
        "schema_version": OCSF_VERSION if dataset == "network_activity" else version,
        "description": DESCRIPTIONS.get(dataset, "events in the form of Shadowserver's report of this name."),
        "columns": [column.as_dict() for column in columns],
    }


def columns_of(dataset: str) -> list[Column] | None:
    """The columns in the order of the file."""
    if dataset == "events":
        return [_native(field, MEANINGS[field.name]) for field in EVENTS]
    if dataset == "hosts":
        return [_native(field, _of_host(field.name)) for field in HOSTS]
    if dataset == "withdrawn":
        return [_native(field, MEANINGS[field.name]) for field in WITHDRAWN]
    if dataset == "network_activity":
        return [_of_ocsf(path, kind) for path, kind in _attributes(NETWORK_ACTIVITY)]
    if dataset in REPORTS:
        return [_of_report(name) for name in REPORTS[dataset]]
    return None


def _native(field: pa.Field, meaning: Meaning) -> Column:
    return Column(field.name, str(field.type).replace("tz=", ""), field.nullable, meaning)


def _of_host(name: str) -> Meaning:
    meaning = MEANINGS[name]
    return (
        meaning._replace(words=meaning.words + "; of the day's last check-in")
        if name in _OF_LAST
        else meaning
    )


def _attributes(fields: Iterable[pa.Field], above: str = "") -> Iterator[tuple[str, pa.DataType]]:
    """The paths of OCSF's attributes and their types, objects and lists taken apart."""
    for field in fields:
        kind, path = field.type, above + field.name
        if pa.types.is_list(kind):
            kind, path = kind.value_type, path + "[]"
        if pa.types.is_struct(kind):
            yield from _attributes(kind, path + ".")
        else:
            yield path, kind.value_type if pa.types.is_dictionary(kind) else kind


def _of_ocsf(path: str, kind: pa.DataType) -> Column:
    found = _OCSF[path]
    meaning = MEANINGS[found] if isinstance(found, str) else found
    fixed = path in CONSTANTS or path.startswith("metadata.") or path in _ALWAYS
    return Column(path, str(kind), not fixed, meaning)


def _of_report(name: str) -> Column:
    meaning = _REPORT_MEANINGS.get(name) or MEANINGS.get(name) or _UNFILLED
    always = name in {"timestamp", "src_ip", "src_port", "severity", "event_id"}
    return Column(name, "integer" if name in _NUMBERS else "text", not always, meaning)


def markdown(dataset: str) -> str:
    """The dictionary as a table, for deploy/PARTNERS.md."""
    lines = ["| column | type | unit | class | meaning |", "| --- | --- | --- | --- | --- |"]
    for column in columns_of(dataset) or ():
        null = ", null" if column.nullable else ""
        of = column.meaning
        lines.append(
            f"| {column.name} | {column.type}{null} | {of.unit} | {of.statutory_class} | {of.words} |"
        )
    return "\n".join(lines)
