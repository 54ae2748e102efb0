"""The captured streams: what each one is, and what a collector should make of it. Pure but for reading the
file.

The truth is the capture's own: `host` is what an intrusion-detection system's protocol analyser decoded,
`kind` what it took the stream for. Nothing of the collector is asked.
"""

import base64
import ipaddress
import json
import re
from pathlib import Path
from typing import NamedTuple

LABELS = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
TLS_FIRST = b"\x16\x03"
REQUEST_LINE = re.compile(rb"[A-Z]{3,16}[ \t]+\S+[ \t]+HTTP/1\.[01]")


class Stream(NamedTuple):
    """One first flight."""

    identity: str
    source: str
    kind: str
    host: str | None
    segments: tuple[bytes, ...]


class Wanted(NamedTuple):
    """What should come of a stream when every listable host of the captures is on the schedule."""

    recorded: bool
    domain: str | None
    application: str | None
    """None: the stream begins like neither HTTP nor TLS though it is filed as one; either reading of it is fair."""
    reason: str
    """listed, or why it is not: no host, address literal, single label, or not a name."""


def read_streams(path: Path) -> list[Stream]:
    """All streams of a captures file."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        segments = tuple(base64.b64decode(segment) for segment in row["segments"])
        found.append(Stream(row["id"], row["source"], row["kind"], row["host"], segments))
    return found


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def listable(host: str | None) -> tuple[str | None, str]:
    """The domain that a schedule may list for this host, or None; and why."""
    if not host:
        return None, "no host"
    if is_address(host):
        return None, "address literal"
    name, colon, port = host.rpartition(":")
    if colon and port.isdigit():
        host = name  # a Host loses its port
    if is_address(host):
        return None, "address literal"
    host = host.lower().removesuffix(".")
    if "." not in host:
        return None, "single label"
    return (host, "listed") if LABELS.fullmatch(host) and len(host) <= 253 else (None, "not a name")


def application(stream: Stream) -> str | None:
    """Http or tls when the first bytes are what the stream is filed as."""
    head = b"".join(stream.segments)[:8192].lstrip(b"\r\n")
    if stream.kind == "tls":
        return "tls" if head.startswith(TLS_FIRST) else None
    return "http" if REQUEST_LINE.match(head) else None


def wanted(stream: Stream) -> Wanted:
    """What should come of it."""
    domain, reason = listable(stream.host)
    return Wanted(domain is not None, domain, application(stream), reason)


def schedule_of(streams: list[Stream]) -> list[str]:
    """Every domain that the streams' hosts allow on a schedule, in order of appearance."""
    return list(dict.fromkeys(want.domain for want in map(wanted, streams) if want.domain))
