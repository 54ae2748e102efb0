"""What the tests of segments share: a real schedule index, and the slow model that says what each row must be.

The model goes row by row, with `struct`, `datetime` and `ipaddress`; nothing of it is in the code under test.
"""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st

from collector.ground.codes import Application, Kind, Transport, Trust
from collector.ground.record import IPV4_PREFIX, RECORD, VOLUME_NONE
from collector.orders.compile import compile_rules
from collector.orders.index import MARKER
from collector.orders.rules import Rules

STREAM = "sinkhole-1.0.1795305600000000"
NOON_US = 1_795_348_800_000_000  # 2026-11-22T12:00:00Z
DAY_US = 86_400_000_000

HEADER = "domain,family,action,registry,valid_from,valid_until\n"
AVALANCHE = """\
tinba-one.com,tinba,redirect,verisign,2026-11-01,2026-12-01
deep.below.unlisted.org,citadel,redirect,pir,,
twice.net,tinba,redirect,verisign,2026-11-01,2026-11-02
twice.net,bugat/dridex,transfer,verisign,2026-11-02,2026-11-03
xn--mnchen-3ya.de,citadel,register,denic,,
"""
ZERO = """\
zero-one.info,zeroaccess,redirect,afilias,,
tinba-one.com,rovnix,redirect,verisign,,
"""
ORDER = """
[[order]]
id = "{id}"
kind = "pen-trap"
docket = "SEALED-DOCKET-1"
issued = 2026-11-01T00:00:00Z
starts = {starts}T00:00:00Z
ends = {ends}T00:00:00Z
officers = ["SEALED-OFFICER"]
fields = ["volume"]
retention_days = 90
"""


def operation_text(name: str, services: str, orders: str) -> str:
    """An operation file."""
    return f"""
operation = "{name}"
[injunction]
court = "SEALED-COURT"
docket = "SEALED-DOCKET-0"
issued = 2026-11-01T00:00:00Z
[answer]
status = 200
header = "X-Sinkhole: malware"
notice_file = ""
[[domains]]
file = "{name}.csv"
{services}
{orders}
"""


def small_rules(directory: Path) -> Rules:
    """Rules as they are compiled: two operations, three orders, two services, names listed twice, a marker."""
    service = '[[services]]\ntransport = "udp"\nport = {}\nfamily = "{}"\n'
    first = ORDER.format(id="avalanche-1", starts="2026-11-01", ends="2026-12-01")
    second = ORDER.format(id="avalanche-2", starts="2026-12-01", ends="2026-12-31")
    third = ORDER.format(id="zero-1", starts="2026-11-01", ends="2026-12-01")
    for name, rows, text in (
        ("avalanche", AVALANCHE, operation_text("avalanche", service.format(53, "tinba"), first + second)),
        ("zero", ZERO, operation_text("zero", service.format(16464, "zeroaccess"), third)),
    ):
        (directory / f"{name}.csv").write_text(HEADER + rows)
        (directory / f"{name}.toml").write_text(text)
    digest = compile_rules(sorted(directory.glob("*.toml")), directory / "rules")
    return Rules.load(directory / "rules", digest)


def listed_rows(rules: Rules) -> list[int]:
    """Rows of the index that a record may name."""
    return [row for row in range(rules.index.count) if rules.index.terms_of_rows[row] != MARKER]


def pack(
    time_us=NOON_US,
    src=IPV4_PREFIX + bytes([192, 0, 2, 1]),
    dst=IPV4_PREFIX + bytes([198, 51, 100, 7]),
    subject=0,
    bytes_in=VOLUME_NONE,
    order=0,
    src_port=50_000,
    dst_port=80,
    transport=Transport.TCP,
    application=Application.HTTP,
    trust=Trust.HANDSHAKE,
    kind=Kind.SERVICE,
) -> bytes:
    """One record's 58 bytes."""
    return RECORD.pack(
        time_us, src, dst, subject, bytes_in, order, src_port, dst_port, transport, application, trust, kind
    )


def address_text(raw: bytes) -> str:
    """What `ipaddress` makes of 16 bytes; an IPv4 address held in them is dotted."""
    address = ipaddress.IPv6Address(raw)
    return str(address.ipv4_mapped) if address.ipv4_mapped else address.compressed


def expected_row(raw: bytes, number: int, stream: str, rules: Rules) -> dict:
    """One record as a row of `events`, in column order."""
    t, src, dst, subject, volume, order, src_port, dst_port, transport, application, trust, kind = (
        RECORD.unpack(raw)
    )
    index = rules.index
    if kind == Kind.DOMAIN:
        term = index.terms_of_rows[subject]
        domain = index.name(subject).decode()
        family = index.families[index.families_of_terms[term]]
        operation = index.operations[index.operations_of_terms[term]]
    else:
        domain, family, operation = None, rules.service_families[subject], rules.service_operations[subject]
    return {
        "timestamp": datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t),
        "src_ip": address_text(src),
        "src_port": src_port,
        "source_trust": {0: "handshake", 1: "proxy", 2: "datagram"}[trust],
        "src_asn": None,
        "src_geo": None,
        "mark": None,
        "dst_ip": address_text(dst),
        "dst_port": dst_port,
        "transport": {6: "tcp", 17: "udp"}[transport],
        "application": {0: "opaque", 1: "http", 2: "tls"}[application],
        "domain": domain,
        "family": family,
        "infection": f"{operation}-{family}",
        "bytes_in": None if volume == VOLUME_NONE else volume,
        "order_id": rules.order_ids[order],
        "sensor": stream.split(".", maxsplit=1)[0],
        "stream": stream,
        "record": number,
    }


def expected_rows(records: bytes, first: int, stream: str, rules: Rules) -> list[dict]:
    """All rows, by time, then record number."""
    pieces = [records[at : at + RECORD.size] for at in range(0, len(records), RECORD.size)]
    rows = [expected_row(piece, first + place, stream, rules) for place, piece in enumerate(pieces)]
    return sorted(rows, key=lambda row: (row["timestamp"], row["record"]))


ADDRESSES = st.one_of(
    st.binary(min_size=4, max_size=4).map(lambda octets: IPV4_PREFIX + octets),
    st.binary(min_size=16, max_size=16),
    st.lists(st.sampled_from([b"\0\0", b"\0\1", b"\x0a\0", b"\xff\xff"]), min_size=8, max_size=8).map(
        b"".join
    ),
)


def subjects_by_operation(rules: Rules) -> dict[str, list[tuple[Kind, int]]]:
    """All that records may be about."""
    found: dict[str, list[tuple[Kind, int]]] = {name: [] for name in rules.operations}
    for row in listed_rows(rules):
        operation = rules.index.operations_of_terms[rules.index.terms_of_rows[row]]
        found[rules.index.operations[operation]].append((Kind.DOMAIN, row))
    for service, operation in enumerate(rules.service_operations):
        found[operation].append((Kind.SERVICE, service))
    return found


def record_strategy(rules: Rules) -> st.SearchStrategy[bytes]:
    """Records of one UTC day that the small rules know."""
    subjects = subjects_by_operation(rules)
    about = st.sampled_from(
        [
            (order, kind, subject)
            for order, operation in enumerate(rules.order_operations)
            for kind, subject in subjects[operation]
        ]
    )
    return st.builds(
        lambda about, **fields: pack(order=about[0], kind=about[1], subject=about[2], **fields),
        about=about,
        time_us=st.integers(0, DAY_US - 1).map(lambda us: NOON_US - DAY_US // 2 + us),
        src=ADDRESSES,
        dst=ADDRESSES,
        bytes_in=st.one_of(st.just(VOLUME_NONE), st.integers(0, VOLUME_NONE)),
        src_port=st.integers(0, 65535),
        dst_port=st.integers(0, 65535),
        transport=st.sampled_from(Transport),
        application=st.sampled_from(Application),
        trust=st.sampled_from(Trust),
    )
