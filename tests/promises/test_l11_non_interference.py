"""L-11: two check-ins that differ only in content leave byte-identical records, counts, answers, logs and audit entries."""

import copy
import itertools
import json
import os
import random
import re
import socket
import string
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from collectors import SCHEDULE, Collector, write_operation
from conversations import PROXY
from data_plane import DataPlane
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_l12_canaries import service
from wire_cases import extension, hello, records, server_name, vector

from collector.orders.entries import Entry, key_of

NOW_US = 1_795_348_800_000_000  # 2026-11-22T12:00:00Z
STARTS = datetime(2026, 11, 1, tzinfo=UTC)
SEED = int(os.environ.get("PAIR_SEED", "20261122"))
SHRINKING = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))

LABEL = (string.ascii_letters + string.digits).encode()
TOKEN = (string.ascii_letters + string.digits + "!#$%&'*+.^_`|~-").encode()
NO_LINE = bytes(sorted(set(range(256)) - set(b"\r\n")))
ANY = bytes(range(256))


class Hole:
    """A place for content: which bytes may stand there, and how many."""

    def __init__(self, alphabet: bytes, low: int, high: int) -> None:
        self.alphabet, self.low, self.high = alphabet, low, high

    def strategy(self, length: int | None):
        """Fillings of one length, or of any."""
        low, high = (self.low, self.high) if length is None else (length, length)
        return st.binary(min_size=low, max_size=high).map(self.fill)

    def fill(self, raw: bytes) -> bytes:
        """As many bytes of the hole's alphabet."""
        return bytes(self.alphabet[byte % len(self.alphabet)] for byte in raw)


PATH, VALUE, NAME, HOST, BODY = (
    Hole(NO_LINE, 0, 30),
    Hole(NO_LINE, 0, 30),
    Hole(TOKEN, 1, 12),
    Hole(LABEL, 1, 20),
    Hole(ANY, 0, 60),
)


def request(host: list, *, more: tuple = ()) -> list:
    """A request to a host, every other part of it a hole."""
    return [
        b"GET /", PATH, b" HTTP/1.1\r\nUser-Agent: ", VALUE, b"\r\nHost: ", *host, b"\r\nCookie: ", VALUE,
        b"\r\nAuthorization: Basic ", VALUE, b"\r\nX-", NAME, b": ", VALUE, b"\r\n", *more, b"\r\n", BODY,
    ]  # fmt: skip


def a_hello(*name: object) -> list:
    """A ClientHello whose random, session, ALPN, key share and payload are holes of fixed length: lengths are not content."""
    marks = {b"R" * 32: Hole(ANY, 32, 32), b"S" * 32: Hole(ANY, 32, 32), b"A" * 7: Hole(LABEL, 7, 7)}
    marks |= {b"K" * 16: Hole(ANY, 16, 16), b"h" * 12: Hole(LABEL, 12, 12)}
    host = b"".join(b"h" * 12 if isinstance(part, Hole) else part for part in name)
    message = hello(
        extension(16, vector(2, vector(1, b"A" * 7))),
        server_name(host),
        extension(51, b"K" * 16),
        session=b"S" * 32,
    ).replace(bytes(range(32)), b"R" * 32)
    parts: list = [records(message)]
    for mark, hole in marks.items():
        split: list = []
        for part in parts:
            if isinstance(part, bytes) and mark in part:
                before, _, after = part.partition(mark)
                split += [before, hole, after]
            else:
                split.append(part)
        parts = split
    return [*parts, BODY]


SHAPES = {
    "listed": request([b"evil-one.com"]),
    "a listed domain's subdomain": request([HOST, b".evil-one.com"]),
    "two labels below": request([HOST, b".", HOST, b".EVIL-two.net:80"]),
    "unlisted": request([b"u-", HOST, b".example"]),
    "unlisted in a listed suffix's letters": request([HOST, b"evil-one.com.example"]),
    "a blocked domain's subdomain": request([HOST, b".blocked.org"]),
    "a domain that is out of date": request([HOST, b".old-one.com"]),
    "no host": [b"GET /", PATH, b" HTTP/1.0\r\nX-", NAME, b": ", VALUE, b"\r\n\r\n", BODY],
    "a host with a blank": request([b"a ", HOST]),
    "two hosts": request([b"a-", HOST, b".example"], more=(b"Host: b-", HOST, b".example\r\n")),
    "absolute target": [b"GET http://u-", HOST, b".example/", PATH, b" HTTP/1.1\r\nA: ", VALUE, b"\r\n\r\n", BODY],
    "unfinished": [b"GET /", PATH, b" HTTP/1.1\r\nHost: evil-one.com\r\nCookie: ", VALUE],
    "unfinished first line": [b"POST /", PATH],
    "bare line feeds": [b"PUT /", PATH, b" HTTP/1.1\nHost: evil-one.com\nA: ", VALUE, b"\n\n", BODY],
    "tls listed": a_hello(b"evil-one.com"),
    "tls below": a_hello(HOST, b".evil-one.com"),
    "tls unlisted": a_hello(HOST, b".example"),
    "opaque": [b"\0\1", BODY],
    "irc": [b"NICK ", VALUE, b"\r\nUSER ", VALUE, b"\r\n"],
}  # fmt: skip
PROXY_V1 = b"PROXY TCP4 198.51.100.7 192.0.2.9 4711 80\r\n"


@st.composite
def pairs(draw, *, same_length: bool):
    """(shape's name, one check-in, the other, proxied): of equal length, cut at the same places, where lengths may count."""
    name = draw(st.sampled_from(sorted(SHAPES)))
    one, other = b"", b""
    for part in SHAPES[name]:
        if isinstance(part, bytes):
            one, other = one + part, other + part
        elif same_length:
            length = draw(st.integers(part.low, part.high))
            one += draw(part.strategy(length))
            other += draw(part.strategy(length))
        else:
            one += draw(part.strategy(None))
            other += draw(part.strategy(None))
    proxied = draw(st.booleans())
    cuts = sorted(draw(st.lists(st.integers(1, max(1, len(one))), max_size=3))) if same_length else []
    return name, *pieces(one, other, cuts, proxied), proxied


def pieces(one: bytes, other: bytes, cuts: list[int], proxied: bool) -> tuple[list[bytes], list[bytes]]:
    """Both check-ins in segments: behind a proxy's header where they come through one, and cut at the same places."""
    edges = [0, *cuts, max(len(one), len(other))]
    found = []
    for text in (one, other):
        cut = [text[start:end] for start, end in itertools.pairwise(edges)]
        found.append([PROXY_V1 + cut[0], *cut[1:]] if proxied else cut)
    return found[0], found[1]


def drawn(dice: random.Random, *, same_length: bool) -> tuple[str, list[bytes], list[bytes], bool]:
    """`pairs` from plain dice: no shrinking, and a hundred times as many in the same time."""
    name = dice.choice(sorted(SHAPES))
    one, other = b"", b""
    for part in SHAPES[name]:
        if isinstance(part, bytes):
            one, other = one + part, other + part
        else:
            length = dice.randint(part.low, part.high)
            one += part.fill(dice.randbytes(length))
            other += part.fill(dice.randbytes(length if same_length else dice.randint(part.low, part.high)))
    proxied = dice.random() < 0.3
    cuts = sorted(dice.randint(1, len(one)) for _ in range(dice.choice([0, 0, 1, 3]))) if same_length else []
    return name, *pieces(one, other, cuts, proxied), proxied


@pytest.fixture(scope="module", params=[True, False], ids=["volume", "no-volume"])
def plane(request, tmp_path_factory):
    """A data plane whose time stands still; volume recorded or not."""
    made = DataPlane(
        tmp_path_factory.mktemp("plane"),
        NOW_US,
        volume=request.param,
        schedule=SCHEDULE + "old-one.com,tinba,redirect,reg-a,,2026-01-01\n",
        starts=STARTS,
        ends=STARTS + timedelta(days=60),
    )
    made.volume = request.param
    yield made
    made.close()


def assert_alike(plane, pair) -> None:
    """Both leave the same records, the same counts and the same answer."""
    _, one, other, proxied = pair
    assert plane.check_in(one, proxied=proxied) == plane.check_in(other, proxied=proxied)


def assert_alike_but_for_volume(plane, pair) -> None:
    """The same, except that where volume is recorded the one field bytes_in may differ."""
    _, one, other, proxied = pair
    first, second = plane.check_in(one, proxied=proxied), plane.check_in(other, proxied=proxied)
    if plane.volume:
        first, second = (
            left._replace(records=left.records[:44] + left.records[48:]) for left in (first, second)
        )
    assert first == second


@SHRINKING
@given(pair=pairs(same_length=True))
def test_l11_content_of_equal_length_changes_nothing(plane, pair):
    """Records, every counter and the answer are the same, byte for byte, whatever stands in the holes."""
    assert_alike(plane, pair)


@SHRINKING
@given(pair=pairs(same_length=False))
def test_l11_without_volume_not_even_lengths_show(plane, pair):
    """Of different lengths: with volume off nothing shows at all, with volume on in the one field bytes_in only."""
    assert_alike_but_for_volume(plane, pair)


def test_l11_thousands_of_pairs(plane):
    """2,000 pairs of equal and 1,500 of different length, with volume on and again with volume off."""
    dice = random.Random(SEED)
    for _ in range(2000):
        assert_alike(plane, drawn(dice, same_length=True))
    for _ in range(1500):
        assert_alike_but_for_volume(plane, drawn(dice, same_length=False))


def test_l11_the_shapes_are_not_all_one(plane):
    """The pairs above are of every sort: recorded by domain, unlisted, rejected, of all three applications."""
    fates, applications, recorded, unexpected = set(), set(), 0, 0
    for parts in SHAPES.values():
        whole = b"".join(
            part if isinstance(part, bytes) else bytes(part.alphabet[:1]) * part.low for part in parts
        )
        left = plane.check_in([whole])
        fates |= {name for name in left.counted if name.startswith("fate_")}
        applications |= {name for name in left.counted if name.startswith("application_")}
        recorded += bool(left.records)
        unexpected += bool(left.unexpected)
    assert fates == {"fate_recorded", "fate_suppressed_scope", "fate_rejected_parse"}
    assert applications == {"application_http", "application_tls", "application_opaque"}
    assert recorded >= 7
    assert unexpected == 2  # blocked and out of date, and no other


def test_l11_an_unexpected_check_in_leaves_its_entrys_number_and_no_more(plane):
    """For a blocked domain's subdomain: the sum, the entry's key and hint, one number of the day: all of the schedule's."""
    left = plane.check_in([b"GET /path HTTP/1.1\r\nHost: some.label.blocked.org\r\nCookie: c\r\n\r\nbody"])
    [(key, hint)] = plane.desk.rules.missed(b"blocked.org")
    day = NOW_US // 86_400_000_000
    assert sorted(left.unexpected.values()) == sorted([1, key, hint, day << 48 | 1])
    assert left.records == b""
    assert left.counted == dict.fromkeys(("accepted_tcp", "application_http", "fate_suppressed_scope"), 1)


def test_l11_a_key_that_is_made_of_the_wires_name_is_found(plane, monkeypatch):
    """The test is tested: were the count kept by the host that was asked for, pairs would differ."""
    rules = plane.desk.rules
    leak = [(key_of(Entry("op", "x")), 7)]
    real = type(rules).missed

    def by_host(self, name):
        return [(key_of(Entry("op", name.decode())), hint) for _, hint in real(self, name)] or leak

    monkeypatch.setattr(type(rules), "missed", by_host)
    dice = random.Random(SEED)
    alike = []
    while len(alike) < 20:
        pair = drawn(dice, same_length=True)
        if pair[0] == "a blocked domain's subdomain":
            one, other = plane.check_in(pair[1], proxied=pair[3]), plane.check_in(pair[2], proxied=pair[3])
            alike.append(one.unexpected == other.unexpected)
    assert not all(alike)


def utter(collector: Collector, dice) -> None:
    """A fixed order of check-ins on real sockets; all content is drawn from `dice`, lengths are not."""

    def word(length: int) -> bytes:
        return bytes(dice.choices(LABEL, k=length))

    def tcp(data: bytes, source: str = "127.0.0.1") -> None:
        with socket.socket() as sock:
            sock.settimeout(8)
            sock.bind((source, 0))
            sock.connect(("127.0.0.1", collector.port))
            sock.sendall(data)
            while sock.recv(65536):
                continue

    for _ in range(6):
        listed = (b"evil-one.com", word(9) + b".evil-one.com", word(7) + b".blocked.org")
        for host in (*listed, word(11) + b".example", word(3) + b" x"):
            head = (
                b"GET /" + word(20) + b" HTTP/1.1\r\nHost: " + host + b"\r\nX-" + word(5) + b": " + word(30)
            )
            tcp(head + b"\r\n\r\n" + word(40))
            tcp(PROXY_V1 + head + b"\r\n\r\n" + word(40), PROXY)
        tcp(records(hello(server_name(word(8) + b".evil-two.net"), session=word(32))))
        tcp(b"\0" + word(50))
        tcp(b"PROXY TCP4 " + word(30) + b"\r\n", PROXY)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(word(100), ("127.0.0.1", collector.udp_port))
    with socket.create_connection(("127.0.0.1", collector.port)) as sock:
        sock.sendall(b"GET /" + word(30))
        sock.settimeout(8)
        while sock.recv(65536):
            continue


VOLATILE = re.compile(r"duration|_seconds|process_|disk_free|journal_bytes|segments_rows")


def traces(folder, dice, ports) -> dict[str, object]:
    """All that a whole collector leaves of `utter`, times, ports and process ids made equal."""
    collector = Collector(
        folder,
        settings={
            "intake.proxy_protocol_from": [f"{PROXY}/32"],
            "intake.head_deadline_seconds": 0.3,
            "segments.seal_seconds": 3600,
        },
        log_level="debug",
    )
    collector.port, collector.udp_port, collector.manage_port, collector.pull_port = ports
    starts = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
    write_operation(folder / "operations", volume=True, services=service(ports[1]), starts=starts)
    with collector.start():
        utter(collector, dice)
        fates = collector.settled_fates(6 * 14 + 1)
        metrics = {name: value for name, value in collector.metrics().items() if not VOLATILE.search(name)}
        assert collector.stop() == 0
        rows = [
            {name: value for name, value in row.items() if name not in ("timestamp", "src_port", "stream")}
            for row in collector.rows()
        ]
        ports_of_proxied = {row["src_port"] for row in collector.rows() if row["source_trust"] == "proxy"}
    logs = [json.loads(line) for line in collector.log_file.read_text().splitlines() if line.startswith("{")]
    audit = [json.loads(line) for line in (collector.data / "audit/log.jsonl").read_text().splitlines()]
    for entry in (*logs, *audit):
        for name in ("pid", "timestamp", "time", "actor", "vkey"):  # ids and keys are made at random
            entry.pop(name, None)
    return {
        "fates": fates,
        "metrics": metrics,
        "rows": rows,
        "proxied": ports_of_proxied,
        "logs": logs,
        "audit": audit,
        "unexpected": [
            (row["operation"], row["domain"], row["check_ins"])
            for path in collector.data.glob("coverage/*.parquet")
            for row in pq.read_table(path).to_pylist()
        ],
        "files": sorted(
            path.name.split("-")[0] for path in collector.data.rglob("*") if path.is_file()
        ).__len__(),
    }


def test_l11_two_whole_collectors_that_heard_different_content_are_alike(tmp_path):
    """Real sockets: the same check-ins with other content of equal length leave equal rows, metrics, logs and audit entries."""
    from collectors import free_port

    ports = (free_port(), free_port(socket.SOCK_DGRAM), free_port(), free_port())
    first = traces(tmp_path / "one", random.Random(1), ports)
    second = traces(tmp_path / "two", random.Random(2), ports)
    assert first["fates"]["recorded"] >= 6 * 6
    assert first["unexpected"] == [("op", "blocked.org", 12)]
    for name, left in first.items():
        assert left == second[name], name
    assert copy.copy(first["proxied"]) == {4711}
