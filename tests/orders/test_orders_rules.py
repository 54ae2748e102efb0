"""Deciding: the real rules beside a model of a few lines, edges to the microsecond, and what a compilation leaves on disk."""
# ruff: noqa: E501 - a table's row stays on one line

import ipaddress
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.ground.codes import Fate, Kind, Transport
from collector.ground.errors import ConfigurationError, CorruptError
from collector.ground.record import IPV4_PREFIX
from collector.orders.compile import compile_operations, compile_rules
from collector.orders.docket import read_operations
from collector.orders.entries import Entry, entry_of, key_of
from collector.orders.instants import DAY_US, parse_us
from collector.orders.rules import MISSED, NOTHING, Rules
from collector.orders.summary import summary

HEADER = "domain,family,action,registry,valid_from,valid_until\n"
DST = IPV4_PREFIX + ipaddress.ip_address("192.0.2.1").packed
STARTS, ENDS = parse_us("2026-11-01T00:00:00Z"), parse_us("2026-12-31T00:00:00Z")
TCP, UDP = int(Transport.TCP), int(Transport.UDP)


@pytest.fixture
def load(write):
    """Compile the usual operation with changes, and load it."""

    def _load(*changes, schedule=HEADER + "evil.com,tinba,redirect,verisign,,\n", more=()) -> Rules:
        path = write(*changes, schedule=schedule)
        directory = path.parent / "rules"
        return Rules.load(directory, compile_rules([path, *more], directory))

    return _load


def test_the_window_is_exact_to_the_microsecond(load):
    """[starts, ends): the first microsecond counts, the last one before `ends` does, `ends` does not."""
    rules = load()
    row = rules.index.rows_of(b"evil.com").start
    for now, fate, order in (
        (STARTS - 1, Fate.SUPPRESSED_WINDOW, -1),
        (STARTS, Fate.RECORDED, 0),
        (ENDS - 1, Fate.RECORDED, 0),
        (ENDS, Fate.SUPPRESSED_WINDOW, -1),
    ):
        assert rules.decide(b"evil.com", TCP, DST, 80, now) == (fate, 0, order, Kind.DOMAIN, row, False)
        states = [state.active for state in rules.orders_in_force(now)]
        assert states == [fate == Fate.RECORDED]


def test_a_domains_dates_are_exact_to_the_microsecond_with_grace(load):
    """A domain outside its dates, widened by grace_days, is not listed."""
    schedule = HEADER + "evil.com,tinba,redirect,verisign,2026-11-10,2026-11-11T00:00:00.5Z\n"
    for grace in (0, 2):
        rules = load(('file = "a.csv"', f'file = "a.csv"\ngrace_days = {grace}'), schedule=schedule)
        begins = parse_us("2026-11-10") - grace * DAY_US
        ends = parse_us("2026-11-11T00:00:00.5Z") + grace * DAY_US
        fates = [
            rules.decide(b"evil.com", TCP, DST, 80, now)[0] for now in (begins - 1, begins, ends - 1, ends)
        ]
        assert fates == [-1, Fate.RECORDED, Fate.RECORDED, -1]


@pytest.mark.parametrize(
    ("host", "row"),
    [
        (b"evil.com", b"evil.com"),
        (b"www.evil.com", b"evil.com"),
        (b"x.y.z.evil.com", b"evil.com"),
        (b"notevil.com", None),
        (b"evil.com.org", None),
        (b"com", None),
        (b"", None),
        (b".", None),
        (b"..", None),
        (b".evil.com", b"evil.com"),
        (b"evil..com", None),
        (b"deep.nested.evil.com", b"deep.nested.evil.com"),
        (b"a.deep.nested.evil.com", b"deep.nested.evil.com"),
        (b"nested.evil.com", b"evil.com"),
        (b"blocked.evil.com", None),
        (b"www.blocked.evil.com", None),
        (b"past.evil.com", None),
        (b"very.deeply.hidden.other.evil.com", b"very.deeply.hidden.other.evil.com"),
        (b"deeply.hidden.other.evil.com", b"evil.com"),
        (b"b.shared.co.uk", b"b.shared.co.uk"),
        (b"shared.co.uk", None),
        (b"co.uk", None),
        (b"x.co.uk", None),
        (b"h.b.c.evil.com", b"evil.com"),
        (b"\xff\x00.evil.com", b"evil.com"),
        (b"a" * 245 + b".evil.com", b"evil.com"),
    ],
)
def test_the_longest_listed_suffix_wins(load, host, row):
    """Subdomains match; a longer listed name shadows a shorter one even when it is blocked or out of date."""
    schedule = HEADER + (
        "evil.com,tinba,redirect,x,,\n"
        "deep.nested.evil.com,tinba,redirect,x,,\n"
        "blocked.evil.com,tinba,block,x,,\n"
        "past.evil.com,tinba,redirect,x,,2026-10-01\n"
        "b.shared.co.uk,tinba,register,x,,\n"
        "f.g.h.b.c.evil.com,tinba,transfer,x,,\n"
        "very.deeply.hidden.other.evil.com,tinba,redirect,x,,\n"
    )
    rules = load(schedule=schedule)
    decision = rules.decide(host, TCP, DST, 80, STARTS)
    assert decision == rules.decide_slowly(host, TCP, DST, 80, STARTS)
    assert (rules.index.name(decision[4]) if decision[0] != -1 else None) == row


def test_an_exception_takes_off_the_name_and_all_beneath_it(load):
    """At once, also below a listed name, and nothing else."""
    rules = load(("[[services]]", '[[except]]\ndomain = "Good.evil.com."\n\n[[services]]'))
    fates = [
        rules.decide(host, TCP, DST, 80, STARTS)[0]
        for host in (b"good.evil.com", b"x.good.evil.com", b"notgood.evil.com")
    ]
    assert fates == [-1, -1, Fate.RECORDED]


def test_services_match_by_transport_address_and_port(load):
    """Address left out: any of ours. A domain goes before a service."""
    rules = load(
        (
            'family = "zeroaccess"',
            'family = "zeroaccess"\n[[services]]\ntransport = "tcp"\nport = 80\naddress = "192.0.2.1"\nfamily = "sality"',
        )
    )
    other = IPV4_PREFIX + bytes(4)
    assert rules.service_families == ["zeroaccess", "sality"]
    assert rules.decide(None, UDP, other, 16464, STARTS) == (0, 0, 0, Kind.SERVICE, 0, False)
    assert rules.decide(None, TCP, DST, 80, STARTS) == (0, 0, 0, Kind.SERVICE, 1, False)
    assert rules.decide(b"x.y.z", TCP, DST, 80, STARTS) == (0, 0, 0, Kind.SERVICE, 1, False)
    assert rules.decide(b"evil.com", TCP, DST, 80, STARTS)[3] == Kind.DOMAIN
    assert rules.decide(None, TCP, DST, 80, ENDS) == (Fate.SUPPRESSED_WINDOW, 0, -1, Kind.SERVICE, 1, False)
    for transport, dst, port in ((TCP, DST, 16464), (UDP, DST, 80), (TCP, other, 80)):
        assert rules.decide(None, transport, dst, port, STARTS) == NOTHING
        assert not rules.lists_service(transport, dst, port)
    assert rules.lists_service(TCP, DST, 80)
    assert rules.lists_service(UDP, other, 16464)


def test_volume_comes_from_the_order_that_the_record_belongs_to(load):
    """The earliest start wins, then the id; its fields decide about volume."""
    second = '[[order]]\nid = "avalanche-0"\nkind = "pen-trap"\ndocket = "x"\nissued = 2026-11-01T00:00:00Z\nstarts = {}\nends = 2026-12-30T00:00:00Z\nofficers = ["o"]\nfields = ["volume"]\n\n[[order.annex]]'
    same = load(("[[order.annex]]", second.format("2026-11-01T00:00:00Z")))
    assert same.order_ids == ["avalanche-0", "avalanche-1"]
    assert same.decide(b"evil.com", TCP, DST, 80, STARTS)[2] == 0
    assert same.decide(b"evil.com", TCP, DST, 80, STARTS)[5] is True
    assert same.decide(b"evil.com", TCP, DST, 80, ENDS - 1)[2] == 1
    later = load(("[[order.annex]]", second.format("2026-11-01T00:00:00.000001Z")))
    assert later.decide(b"evil.com", TCP, DST, 80, STARTS + 5)[2] == 1


def test_an_order_that_ended_early_is_not_in_force(load):
    """Terminated orders stop at that microsecond."""
    rules = load(("officers", "terminated = 2026-11-05T00:00:00Z\nofficers"))
    moment = parse_us("2026-11-05")
    assert rules.decide(b"evil.com", TCP, DST, 80, moment - 1)[0] == Fate.RECORDED
    assert rules.decide(b"evil.com", TCP, DST, 80, moment)[0] == Fate.SUPPRESSED_WINDOW


def test_without_orders_what_is_listed_is_answered_and_not_recorded(write):
    """L-01: the operation's answer, suppressed_window."""
    path = write()
    text = path.read_text()
    path.write_text(text[: text.index("[[order]]")])
    directory = path.parent / "rules"
    rules = Rules.load(directory, compile_rules([path], directory))
    assert rules.decide(b"evil.com", TCP, DST, 80, STARTS)[:3] == (Fate.SUPPRESSED_WINDOW, 0, -1)
    nothing = Rules.load(directory, compile_rules([], directory))
    assert nothing.decide(b"evil.com", TCP, DST, 80, STARTS) == NOTHING
    assert nothing.decide(None, UDP, DST, 16464, STARTS) == NOTHING


def test_the_document_keeps_what_is_sealed_out(load):
    """Neither docket nor court nor officer is in what workers load."""
    rules = load()
    for path in rules.index.path.parent.iterdir():
        content = path.read_bytes()
        for secret in (b"0:26", b"Example District", b"officer"):
            assert secret not in content
        assert path.stat().st_mode & 0o777 == 0o600


def test_a_changed_order_keeps_the_index_and_a_changed_schedule_does_not(write):
    """The index is named by what it is made from; the document by its content."""
    path = write()
    directory = path.parent / "rules"
    first = compile_rules([path], directory)
    assert compile_rules([path], directory) == first
    index = next(directory.glob("*.index"))
    made = index.stat().st_ino
    second = compile_rules([write(("ends   = 2026-12-31", "ends = 2026-12-30"))], directory)
    assert second != first
    assert [(p, p.stat().st_ino) for p in directory.glob("*.index")] == [(index, made)]
    third = compile_rules([write(schedule=HEADER + "other.com,tinba,redirect,x,,\n")], directory)
    assert len({first, second, third}) == 3
    assert len(list(directory.glob("*.index"))) == 2
    assert json.loads((directory / f"{first}.json").read_bytes())["index"] == index.stem


def test_a_wrong_schedule_leaves_nothing_behind(write):
    """The old rules stay in force until everything new is right."""
    path = write(schedule=HEADER + "com,tinba,redirect,x,,\n")
    with pytest.raises(ConfigurationError, match=r"public|two labels"):
        compile_rules([path], path.parent / "rules")
    assert not list((path.parent / "rules").iterdir())


def test_a_changed_document_is_refused(load):
    """Rules are only what their name says."""
    rules = load()
    path = rules.index.path.parent / f"{rules.digest}.json"
    path.write_bytes(path.read_bytes().replace(b"pen-trap", b"pen-trip"))
    with pytest.raises(CorruptError, match="does not match"):
        Rules.load(path.parent, rules.digest)


LABELS = st.sampled_from(["a", "b", "c", "evil", "x-1", "_s"])
TOPS = st.sampled_from(["com", "co.uk", "duckdns.org", "evil.com"])
NAMES = st.builds(
    lambda labels, top: ".".join([*labels, top]), st.lists(LABELS, min_size=1, max_size=4), TOPS
)
DAYS = st.integers(0, 30)
ROWS = st.lists(
    st.tuples(NAMES, st.sampled_from(["redirect", "block"]), DAYS, st.integers(1, 10)), max_size=12
)
ORDERS = st.lists(st.tuples(DAYS, st.integers(1, 10)), max_size=3)
OPERATIONS = st.lists(
    st.tuples(ROWS, ORDERS, st.integers(0, 2), st.lists(NAMES, max_size=1), st.booleans()),
    min_size=1,
    max_size=3,
)


def day(number: int) -> str:
    return f"2026-11-{number + 1:02}T00:00:00Z" if number < 30 else f"2026-12-{number - 29:02}T00:00:00Z"


def write_operations(folder: Path, operations: list) -> tuple[list[Path], list[dict]]:
    """Files, and the same for the model."""
    paths, model = [], []
    for number, (rows, orders, grace, exceptions, service) in enumerate(operations):
        name = f"op{number}"
        kept: dict[str, list[tuple[int, int, str]]] = {}
        for domain, action, begin, length in rows:
            windows = kept.setdefault(domain, [])
            if all(begin + length <= other or end <= begin for other, end, _ in windows):
                windows.append((begin, begin + length, action))
        lines = [
            f"{domain},f,{action},r,{day(begin)},{day(end)}\n"
            for domain, windows in kept.items()
            for begin, end, action in windows
        ]
        (folder / f"{name}.csv").write_text(HEADER + "".join(lines))
        text = f'operation = "{name}"\n[injunction]\ncourt = "c"\ndocket = "d"\nissued = {day(0)}\n'
        text += f'[[domains]]\nfile = "{name}.csv"\ngrace_days = {grace}\n' if kept else ""
        text += "".join(f'[[except]]\ndomain = "{domain}"\n' for domain in exceptions)
        text += '[[services]]\ntransport = "tcp"\nport = 81\nfamily = "s"\n' if service else ""
        for count, (begin, length) in enumerate(orders):
            text += f'[[order]]\nid = "{name}-{count}"\nkind = "pen-trap"\ndocket = "d"\nissued = {day(0)}\n'
            text += f'starts = {day(begin)}\nends = {day(begin + length)}\nofficers = ["o"]\n'
        paths.append(folder / f"{name}.toml")
        paths[-1].write_text(text)
        spans = [(f"{name}-{count}", begin, begin + length) for count, (begin, length) in enumerate(orders)]
        model.append(
            {"rows": kept, "orders": spans, "grace": grace, "except": exceptions, "service": service}
        )
    return paths, model


def suffixes(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[place:]) for place in range(len(labels))]


def counts(windows: list[tuple[int, int, str]], now: float, grace: int) -> bool:
    """Whether one of a domain's rows counts at a time in days."""
    for begin, end, action in windows:
        if begin <= now < end:
            return action != "block"
    return any(
        action != "block"
        and begin - grace <= now < end + grace
        and not any(now < other < begin or end < until <= now for other, until, _ in windows)
        for begin, end, action in windows
    )


def missed(model: list[dict], host: str) -> set[tuple[str, str]]:
    """Operation and longest listed name wherever one lists the host and does not except it."""
    found = set()
    for number, operation in enumerate(model):
        names = suffixes(host)
        listed = next((name for name in names if name in operation["rows"]), None)
        if listed and not any(name in operation["except"] for name in names):
            found.add((f"op{number}", listed))
    return found


def expect(model: list[dict], host: str | None, port: int, now: float) -> tuple[int, str | None, int]:
    """(fate, order, kind) by the words of the contract, slowly."""
    matches = []
    for operation in model:
        names = suffixes(host) if host else []
        listed = next((name for name in names if name in operation["rows"]), None)
        excepted = any(name in operation["except"] for name in names)
        if listed and not excepted and counts(operation["rows"][listed], now, operation["grace"]):
            matches.append((0, operation))
        if operation["service"] and port == 81:
            matches.append((1, operation))
    if not matches:
        return -1, None, -1
    force = [
        (kind, begin, name)
        for kind, operation in matches
        for name, begin, end in operation["orders"]
        if begin <= now < end
    ]
    if force:
        kind, _, name = min(force)
        return int(Fate.RECORDED), name, kind
    return int(Fate.SUPPRESSED_WINDOW), None, min(kind for kind, _ in matches)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS, hosts=st.lists(NAMES, max_size=6), data=st.data())
def test_the_rules_decide_as_the_model_does(tmp_path_factory, operations, hosts, data):
    """On random operations, schedules, exceptions, services and times, at edges and a microsecond before them."""
    folder = tmp_path_factory.mktemp("model")
    paths, model = write_operations(folder, operations)
    rules = Rules.load(folder / "rules", compile_rules(paths, folder / "rules"))
    listed = [name for operation in model for name in operation["rows"]]
    tried = {None, "com", "co.uk", *hosts, *listed, *("w." + name for name in listed)}
    tried |= {suffix for name in listed for suffix in suffixes(name)}
    for host in sorted(tried, key=str):
        number = data.draw(st.integers(0, 42))
        port = data.draw(st.sampled_from([80, 81]))
        for shift in (0, -1):
            now_us = parse_us("2026-11-01") + number * DAY_US + shift
            decision = rules.decide(host.encode() if host else None, TCP, DST, port, now_us)
            wanted = expect(model, host, port, number + shift * 1e-9)
            order = rules.order_ids[decision[2]] if decision[2] >= 0 else None
            assert (decision[0], order, decision[3]) == wanted, (host, port, now_us)
            assert decision == rules.decide_slowly(host.encode() if host else None, TCP, DST, port, now_us)
            out = missed(model, host) if host and wanted[0] == -1 else set()
            if wanted[0] == -1:
                assert decision == (MISSED if out else NOTHING)
            if out:
                told = {entry_of(key, hint, [rules.index]) for key, hint in rules.missed(host.encode())}
                assert told == out
    rules.close()


def test_what_is_blocked_or_out_of_date_is_told_apart_from_what_is_not_listed(load):
    """MISSED with the schedule's own entry, never the host; a listed service still takes the check-in."""
    schedule = HEADER + (
        "old.com,tinba,redirect,x,,2026-10-01\nold.com,tinba,redirect,x,2027-01-01,\n"
        "blocked.com,tinba,block,x,,\nfine.com,tinba,redirect,x,,\n"
    )
    service = 'family = "zeroaccess"\n[[services]]\ntransport = "tcp"\nport = 81\nfamily = "s"'
    rules = load(('family = "zeroaccess"', service), schedule=schedule)
    for host, name in ((b"old.com", "old.com"), (b"a.b.blocked.com", "blocked.com")):
        assert rules.decide(host, TCP, DST, 80, STARTS) is MISSED
        [(key, hint)] = rules.missed(host)
        assert entry_of(key, hint, [rules.index]) == ("avalanche", name)
        assert entry_of(key ^ 1, hint, [rules.index]) is None
        elsewhere = next(row for row in range(rules.index.count) if rules.index.name(row) != name.encode())
        assert entry_of(key, hint >> 32 << 32 | elsewhere, [rules.index]) is None
        assert entry_of(key, hint ^ 1 << 63, [rules.index]) is None
        assert entry_of(key, hint | 0xFFFF_FFFF, [rules.index]) is None
        assert rules.decide(host, TCP, DST, 81, STARTS)[:2] == (Fate.RECORDED, 0)
    for host in (b"notold.com", b"com", None):
        assert rules.decide(host, TCP, DST, 80, STARTS) is NOTHING
    assert rules.decide(b"fine.com", TCP, DST, 80, STARTS)[0] == Fate.RECORDED


def test_an_entrys_key_is_the_same_in_every_index(load):
    """A schedule that changed numbers its rows anew; the key of a name that is still there stays, and tells operations apart."""
    blocked = "blocked.com,tinba,block,x,,\n"
    first = load(schedule=HEADER + blocked)
    [(key, hint)] = first.missed(b"w.blocked.com")
    second = load(schedule=HEADER + "".join(f"d{n}.com,tinba,redirect,x,,\n" for n in range(50)) + blocked)
    [(again, there)] = second.missed(b"blocked.com")
    assert again == key
    assert there != hint
    assert entry_of(key, there, [first.index, second.index]) == ("avalanche", "blocked.com")
    assert entry_of(key, hint, [second.index]) is None
    assert key_of(Entry("avalanch", "eblocked.com")) != key


def test_operations_read_once_can_be_compiled_again(write):
    """`compile_operations` takes what `read_operations` gave, with the same digest."""
    path = write()
    directory = path.parent / "rules"
    assert compile_operations(read_operations([path]), directory) == compile_rules([path], directory)


def test_the_summary_tells_what_is_in_force_and_nothing_sealed(write):
    """Orders with their windows, rows by action, services, exceptions; no docket, court or officer."""
    path = write(
        ("officers", "terminated = 2026-11-05T00:00:00Z\nofficers"),
        ("[[services]]", '[[except]]\ndomain = "good.evil.com"\n\n[[services]]'),
        schedule=HEADER + "evil.com,a,redirect,x,,\nb.com,a,block,x,,\nc.co.uk,a,redirect,x,,\n",
    )
    operations = read_operations([path])
    rules = Rules.load(path.parent / "rules", compile_operations(operations, path.parent / "rules"))
    assert summary(operations, rules.index) == [
        "operation avalanche: 78 bytes of answer",
        "  order avalanche-1: pen-trap, records from 2026-11-01T00:00:00Z until 2026-11-05T00:00:00Z (ended early) (at most 60 days, 18 USC 3123(c))",
        "  schedule rows: 2 redirect, 1 block",
        "  taken off: good.evil.com and everything beneath it",
        "  service: udp port 16464 at any address: zeroaccess",
    ]
