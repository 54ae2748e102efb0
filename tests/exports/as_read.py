"""How recipients read the two formats beside native Parquet, without anything of ours: a report's rows as cells, an event as a
row of `events`.
"""

import csv
import io
import ipaddress
import json
import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path

SCHEMA = json.loads((Path(__file__).parent / "reference" / "reports-sinkhole.json").read_text())
INTELMQ_NAME = re.compile(r"^(?:\d{4}-\d{2}-\d{2}-)?(\w+)(-\w+)*\.csv$")
"""IntelMQ's: what it takes a file's report from."""


def report_of(name: str) -> str:
    return INTELMQ_NAME.fullmatch(name).group(1)


def read_reports(contents: dict[str, str]) -> dict[str, list[dict]]:
    """All parts' rows by report, as IntelMQ's csv reader gives them."""
    found = defaultdict(list)
    for name in sorted(contents):
        found[report_of(name)] += csv.DictReader(io.StringIO(contents[name]), dialect="unix")
    return dict(found)


def report(one: dict) -> str:
    """The report that a row belongs in."""
    version = ipaddress.ip_address(one["src_ip"]).version
    return f"event{version}_sinkhole" + ("_http" if one.get("application") == "http" else "")


def report_row(one: dict) -> dict:
    """A row of events as the report's row: from the published column list, by partners' facts, cell by cell."""
    given = defaultdict(lambda: None, one)
    cells = dict.fromkeys(SCHEMA[report(one)]["fields"], "")
    plain = {
        **{name: given[name] for name in ("src_ip", "src_port", "src_asn", "src_geo", "dst_ip", "dst_port")},
        "protocol": given["transport"],
        "infection": given["infection"],
        "tag": given["infection"],
        "family": given["family"],
        "application": given["application"],
        "severity": "critical",
        "timestamp": one["timestamp"].strftime("%Y-%m-%d %H:%M:%S.%f"),
        "event_id": f"{one['stream']}-{one['record']}",
    }
    if given["application"] == "http":
        plain["http_host"] = given["domain"]
    if given["application"] == "tls":
        plain["ssl_servername"] = given["domain"]
    return cells | {name: str(value) for name, value in plain.items() if value is not None}


def row_of_event(event: dict) -> dict:
    """The row of `events` that an event came from: all but order_id, which the file says once."""
    source, destination = event["src_endpoint"], event["dst_endpoint"] or {}
    stream, _, record = event["metadata"]["uid"].rpartition("-")
    told = json.loads(event["enrichments"][0]["data"]) if event["enrichments"] else {}
    connection = event["connection_info"]
    return {
        "timestamp": datetime.fromisoformat(event["metadata"]["original_time"]),
        "src_ip": source["ip"],
        "src_port": source["port"],
        "source_trust": told.get("source_trust"),
        "src_asn": (source["autonomous_system"] or {}).get("number"),
        "src_geo": (source["location"] or {}).get("country"),
        "mark": told.get("mark"),
        "dst_ip": destination.get("ip"),
        "dst_port": destination.get("port"),
        "transport": connection["protocol_name"],
        "application": told.get("application"),
        "domain": destination.get("hostname"),
        "family": told.get("family"),
        "infection": told.get("infection"),
        "bytes_in": (event["traffic"] or {}).get("bytes_in"),
        "sensor": stream.partition(".")[0],
        "stream": stream,
        "record": int(record),
    }


def told(one: dict, columns=()) -> dict:
    """What can be told of a row by who has only `columns` (empty: all); the sensor is in the stream's name."""
    kept = {*columns, "sensor"} if columns else set(one)
    return {name: value if name in kept else None for name, value in one.items() if name != "order_id"}
