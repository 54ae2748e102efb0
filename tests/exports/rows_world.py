"""Rows of `events` as a writer gets them: sorted, in batches cut anywhere, texts plain or dictionary-coded."""

import ipaddress
import itertools
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from hypothesis import strategies as st

from collector.exports.kinds import Labels
from collector.segments.table import EVENTS

LABELS = Labels("avalanche-1", date(2026, 11, 21), "AMBER", "victim notification", "shadowserver", 0)
MIDNIGHT = datetime(2026, 11, 21, tzinfo=UTC)
KEYS = ("timestamp", "src_ip", "src_port", "order_id", "stream", "record")
"""What every annex gives: a row without them is refused when the configuration is loaded."""
FAMILIES = ("citadel", "bugat/dridex", "kins/vmzeus", "gozi2", "b68-zeroaccess-2-32bit", "0x.a_b+c", "a" * 64)
DOMAINS = (
    "tinba-one.com",
    "xn--mnchen-3ya.de",
    "_srv.deep.below.unlisted.org",
    "9.example.net",
    "a" * 63 + ".biz",
)
ADDRESSES = (
    "192.0.2.1",
    "0.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "2001:db8::7",
    "64:ff9b::192.0.2.1",
    "fe80::a:b",
)


def row(**changes) -> dict:
    """One row in full."""
    facts = {
        "timestamp": MIDNIGHT + timedelta(hours=10, microseconds=123_456),
        "src_ip": "192.0.2.1",
        "src_port": 50_000,
        "source_trust": "handshake",
        "src_asn": 64_500,
        "src_geo": "DE",
        "mark": None,
        "dst_ip": "198.51.100.7",
        "dst_port": 80,
        "transport": "tcp",
        "application": "http",
        "domain": "tinba-one.com",
        "family": "tinba",
        "infection": "avalanche-tinba",
        "bytes_in": None,
        "order_id": "avalanche-1",
        "sensor": "sinkhole-1",
        "stream": "sinkhole-1.0.1795305600000000",
        "record": 7,
    }
    return facts | changes


def rows(max_size=40) -> st.SearchStrategy[list[dict]]:
    """Rows of one order's day, in no order."""
    family = st.sampled_from(FAMILIES)
    address = st.one_of(
        st.sampled_from(ADDRESSES), st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(address_text)
    )
    one = st.builds(
        lambda family, **facts: row(family=family, infection=f"avalanche-{family}", **facts),
        family=family,
        timestamp=st.integers(0, 86_400_000_000 - 1).map(lambda us: MIDNIGHT + timedelta(microseconds=us)),
        src_ip=address,
        dst_ip=address,
        src_port=st.integers(0, 65_535),
        dst_port=st.integers(0, 65_535),
        source_trust=st.sampled_from(["handshake", "proxy", "datagram"]),
        src_asn=st.none() | st.integers(0, 2**32 - 1),
        src_geo=st.none() | st.sampled_from(["DE", "US", "GB"]),
        mark=st.none() | st.sampled_from(["scanner", "crawler", "researcher", "probe"]),
        transport=st.sampled_from(["tcp", "udp"]),
        application=st.sampled_from(["http", "tls", "opaque"]),
        domain=st.none() | st.sampled_from(DOMAINS),
        bytes_in=st.none() | st.integers(0, 2**32 - 2),
        stream=st.sampled_from(["sinkhole-1.0.1795305600000000", "sinkhole-1.1.1795305600000001"]),
        record=st.integers(0, 2**62),
    )
    return st.lists(one, max_size=max_size)


def address_text(address: ipaddress.IPv6Address) -> str:
    """As addresses stand in `events`: no ::ffff:192.0.2.1."""
    return str(address.ipv4_mapped or address)


def by_address(found: list[dict]) -> list[dict]:
    """The order of native exports and of CSV."""
    return sorted(
        found, key=lambda one: (number(one["src_ip"]), one["timestamp"], one["stream"], one["record"])
    )


def by_time(found: list[dict]) -> list[dict]:
    """The order of OCSF."""
    return sorted(found, key=lambda one: (one["timestamp"], one["stream"], one["record"]))


def number(text: str) -> int:
    """An address as 128 bits, IPv4 mapped."""
    address = ipaddress.ip_address(text)
    return int(address) + (0xFFFF << 32 if address.version == 4 else 0)


def batches(found: list[dict], edges=(), columns=(), coded=False) -> list[pa.RecordBatch]:
    """The rows cut before each of `edges`; only `columns` (empty: all); texts dictionary-coded where wanted."""
    names = [name for name in EVENTS.names if not columns or name in columns]
    schema = pa.schema([EVENTS.field(name) for name in names])
    whole = pa.RecordBatch.from_pylist([{name: one[name] for name in names} for one in found], schema=schema)
    if coded:
        whole = pa.RecordBatch.from_pydict(
            {
                name: column.dictionary_encode() if pa.types.is_string(column.type) else column
                for name, column in zip(names, whole.columns, strict=True)
            }
        )
    cuts = sorted({0, len(found), *(edge for edge in edges if edge <= len(found))})
    return [whole.slice(start, end - start) for start, end in itertools.pairwise(cuts)]


def column_choices() -> st.SearchStrategy[tuple[str, ...]]:
    """What an annex may give: all, or the keys and any others."""
    others = [name for name in EVENTS.names if name not in KEYS]
    return st.just(()) | st.sets(st.sampled_from(others)).map(lambda chosen: (*KEYS, *sorted(chosen)))
