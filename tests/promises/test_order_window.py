"""The order's window and scope: exact to the microsecond, listed names and services only, arrival decides, answers go on."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from collectors import Collector, exchange, get, running, write_operation
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.ground.codes import Fate, Kind
from collector.orders.compile import compile_rules
from collector.orders.rules import Rules

RECORDED, WINDOW, NOTHING = int(Fate.RECORDED), int(Fate.SUPPRESSED_WINDOW), -1
STARTS = datetime(2026, 11, 1, 6, 30, 0, 1, tzinfo=UTC)
ENDS = STARTS + timedelta(days=60)
DST = bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def us(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def order(name: str, starts: datetime, ends: datetime, kind: str = "pen-trap", more: str = "") -> str:
    """One order as the operator writes it."""
    instants = [moment.isoformat().replace("+00:00", "Z") for moment in (starts, ends)]
    return f"""
[[order]]
id = "{name}"
kind = "{kind}"
docket = "D"
issued = {instants[0]}
starts = {instants[0]}
ends = {instants[1]}
officers = ["A"]
fields = []
retention_days = 90
{more}
"""


def rules_of(folder, **operation) -> Rules:
    """Compiled rules of one operation."""
    path = write_operation(folder, **operation)
    return Rules.load(folder / "rules", compile_rules([path], folder / "rules"))


def fate(rules: Rules, moment_us: int, name: bytes = b"evil-one.com") -> int:
    """What becomes of a check-in to `name` that arrives then."""
    return rules.decide(name, 6, DST, 80, moment_us)[0]


def test_l02_the_window_is_exact_to_the_microsecond(tmp_path):
    """[starts, ends): one microsecond before starts is out, starts is in, the last one is in, ends is out."""
    rules = rules_of(tmp_path, starts=STARTS, ends=ENDS)
    first, end = us(STARTS), us(ENDS)
    for moment, wanted in [
        (first - 1, WINDOW), (first, RECORDED), (first + 1, RECORDED),
        (end - 1, RECORDED), (end, WINDOW), (end + 1, WINDOW), (0, WINDOW), (1 << 62, WINDOW),
    ]:  # fmt: skip
        assert fate(rules, moment) == wanted, moment
        assert fate(rules, moment, b"a.b.evil-two.net") == wanted, moment
        assert fate(rules, moment, b"good.example") == NOTHING


@settings(max_examples=300)
@given(offset=st.integers(-(10**13), 10**13))
def test_l02_any_moment_is_in_or_out_by_comparison_alone(shared_rules, offset):
    """For any microsecond around the window the decision is exactly starts <= t < ends."""
    moment = us(STARTS) + offset
    inside = us(STARTS) <= moment < us(ENDS)
    assert fate(shared_rules, moment) == (RECORDED if inside else WINDOW)


@pytest.fixture(scope="module")
def shared_rules(tmp_path_factory):
    """One order of sixty days."""
    return rules_of(tmp_path_factory.mktemp("rules"), starts=STARTS, ends=ENDS)


def test_l02_a_gap_between_orders_is_not_recorded_and_an_extension_has_none(tmp_path):
    """Two orders with a microsecond between them leave exactly that one out; the extension begins where the first ends."""
    middle, end = STARTS + timedelta(days=20), STARTS + timedelta(days=40)
    gap = timedelta(microseconds=1)
    adjoining = order("op-1", STARTS, middle) + order("op-2", middle, end, more='extends = "op-1"')
    rules = rules_of(tmp_path / "adjoining", orders=adjoining)
    assert [rules.decide(b"evil-one.com", 6, DST, 80, us(middle) + n)[2] for n in (-1, 0)] == [0, 1]
    apart = order("op-1", STARTS, middle) + order("op-2", middle + gap, end, more='extends = "op-1"')
    rules = rules_of(tmp_path / "apart", orders=apart)
    assert [fate(rules, us(middle) + n) for n in (-1, 0, 1)] == [RECORDED, WINDOW, RECORDED]


def test_l04_an_emergency_order_stops_at_48_hours_or_when_obtained_or_denied(tmp_path):
    """To the microsecond: at its end, or at the instant at which the court granted or denied."""
    end = STARTS + timedelta(hours=48)
    decided = STARTS + timedelta(hours=5, microseconds=7)
    word = decided.isoformat().replace("+00:00", "Z")
    for name, more, stop in (
        ("plain", "", end),
        ("obtained", f"obtained = {word}", decided),
        ("denied", f"denied = {word}", decided),
    ):
        rules = rules_of(tmp_path / name, orders=order("op-1", STARTS, end, "emergency", more))
        assert [fate(rules, us(stop) + n) for n in (-1, 0)] == [RECORDED, WINDOW], name


def test_l07_a_terminated_order_ends_at_that_instant(tmp_path):
    """`terminated` moves the end forward, to the microsecond."""
    stop = STARTS + timedelta(days=3, microseconds=5)
    word = stop.isoformat().replace("+00:00", "Z")
    rules = rules_of(tmp_path, orders=order("op-1", STARTS, ENDS, more=f"terminated = {word}"))
    assert [fate(rules, us(stop) + n) for n in (-1, 0)] == [RECORDED, WINDOW]


LABELS = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=12).map(str.encode)
SUFFIXES = st.sampled_from(
    [
        b"evil-one.com",
        b"evil-two.net",
        b"blocked.org",
        b"com",
        b"net",
        b"evil-one.net",
        b"xevil-one.com",
        b"evil-one.com.org",
    ]
)


@settings(max_examples=500)
@given(labels=st.lists(LABELS, max_size=4), suffix=SUFFIXES)
def test_l05_only_listed_names_and_what_is_below_them(shared_rules, labels, suffix):
    """A name is recorded exactly where it is a listed, not blocked domain, or ends in a dot and one."""
    name = b".".join([*labels, suffix])
    listed = any(name == entry or name.endswith(b"." + entry) for entry in (b"evil-one.com", b"evil-two.net"))
    found, _, _, kind, subject, _ = shared_rules.decide(name, 6, DST, 80, us(STARTS))
    assert (found == RECORDED) == listed
    if listed:
        assert kind == Kind.DOMAIN
        assert name.endswith(shared_rules.index.name(subject))


def test_l05_only_the_listed_service(tmp_path):
    """A service is a transport and a port, and an address where one is given; its neighbours are not listed."""
    text = (
        '[[services]]\ntransport = "udp"\nport = 16464\nfamily = "zeroaccess"\n'
        '[[services]]\ntransport = "tcp"\naddress = "192.0.2.1"\nport = 99\nfamily = "kelihos"\n'
    )
    rules = rules_of(tmp_path, starts=STARTS, ends=ENDS, services=text)
    other = DST[:-1] + b"\x02"
    for transport, dst, port, wanted in [
        (17, DST, 16464, True), (17, other, 16464, True), (6, DST, 16464, False), (17, DST, 16465, False),
        (6, DST, 99, True), (6, other, 99, False), (17, DST, 99, False),
    ]:  # fmt: skip
        assert (rules.decide(None, transport, dst, port, us(STARTS))[0] == RECORDED) == wanted
        assert (rules.decide(b"good.example", transport, dst, port, us(STARTS))[0] == RECORDED) == wanted


def test_l02_outside_the_window_machines_are_answered_and_counted(tmp_path):
    """A real collector whose order has ended: ready, not recording and saying why; the operation's answer; no row."""
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=31)
    with running(tmp_path, operation={"starts": past, "ends": past + timedelta(days=30)}) as collector:
        assert exchange(collector.port, get()).startswith(b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\n")
        assert exchange(collector.port, get(b"good.example")).startswith(b"HTTP/1.1 200 OK\r\n")
        assert collector.settled_fates(2) == {
            "accepted": 2,
            "suppressed_window": 1,
            "suppressed_scope": 1,
            "open": 0,
        }
        state = collector.ready()
        assert (state["ready"], state["recording"]) == (True, False)
        assert state["not_recording_because"] == ["no order in force"]
        assert collector.metrics()["pentrap_recording"] == 0
        assert collector.stop() == 0
    assert collector.rows() == []
    assert list(collector.data.rglob("*.journal")) == []


def straddle(collector: Collector, edge: datetime) -> None:
    """One connection that arrives before the edge and finishes its head after it, and one that arrives after it."""
    import socket

    with socket.create_connection(("127.0.0.1", collector.port)) as sock:
        sock.settimeout(10)
        sock.sendall(get()[:20])
        time.sleep(0.3)
        assert datetime.now(UTC) < edge, "the machine was too slow for this test"
        time.sleep(max(0.0, (edge - datetime.now(UTC)).total_seconds()) + 0.2)
        sock.sendall(get()[20:])
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 OK\r\nX-Sinkhole")
    assert exchange(collector.port, get()).startswith(b"HTTP/1.1 200 OK\r\nX-Sinkhole")


@pytest.mark.parametrize("edge_is", ["ends", "starts"])
def test_l08_the_time_of_arrival_decides(tmp_path, edge_is):
    """A head that began before the order's edge and ended after it: when it came decides, and no row is beyond the window."""
    collector = Collector(tmp_path, settings={"intake.head_deadline_seconds": 10})
    edge = datetime.now(UTC) + timedelta(seconds=4)
    window = {
        "ends": {"starts": edge - timedelta(days=30), "ends": edge},
        "starts": {"starts": edge, "ends": edge + timedelta(days=30)},
    }[edge_is]
    write_operation(tmp_path / "operations", **window)
    with collector.start():
        straddle(collector, edge)
        fates = collector.settled_fates(2)
        collector.stop()
    assert fates == {"accepted": 2, "recorded": 1, "suppressed_window": 1, "open": 0}
    [row] = collector.rows()
    assert (row["timestamp"] < edge) == (edge_is == "ends")
