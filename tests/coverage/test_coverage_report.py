"""The report beside a plain model: every listed domain, its state, its numbers; registries are their domains added up."""

from collections import defaultdict

import pytest
from coverage_world import BEGINS_US, DAY, DAY_US, ENDS_US, MONTH, World, address, operation, text_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_world import NOON_US

from collector.ground.codes import Action
from collector.orders.entries import Entry
from collector.orders.index import MARKER
from collector.orders.instants import ALWAYS_US, NEVER_US, to_text

HOUR_US = 3_600_000_000
REGISTRIES = ("verisign", "reg, with a comma", "")
NAMES = ("evil.com", "a.evil.com", "b.a.evil.com", "old.net", "deep.sub.org", "quiet.info")
HOSTS = (*NAMES, "w.evil.com", "x.old.net", "fine.example")
EDGES = [BEGINS_US + hours * HOUR_US for hours in (-72, -48, -30, -24, -6, 0, 6, 12, 18, 24, 30, 48, 72)]
ROW = st.tuples(
    st.sampled_from(NAMES),
    st.sampled_from(["redirect", "register", "transfer", "block"]),
    st.sampled_from(REGISTRIES),
    st.sampled_from([None, *EDGES]),
    st.sampled_from([None, *EDGES]),
)
WINDOWS = st.sampled_from(
    [
        MONTH,
        (text_of(BEGINS_US + 6 * HOUR_US), text_of(ENDS_US + DAY_US)),
        ("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
    ]
)
CHECK_INS = st.lists(
    st.tuples(
        st.sampled_from(HOSTS).map(str.encode),
        st.integers(0, 24 * 4 - 1).map(lambda quarter: BEGINS_US + quarter * HOUR_US // 4 + 7),
        st.integers(1, 4).map(address),
    ),
    max_size=40,
)
OPERATIONS = st.lists(
    st.tuples(
        st.lists(ROW, max_size=9), WINDOWS, st.integers(0, 2), st.lists(st.sampled_from(NAMES), max_size=1)
    ),
    min_size=1,
    max_size=2,
)


def without_overlaps(rows):
    """Rows of one domain that do not overlap, as a schedule must have them."""
    kept = []
    for name, action, registry, begin, end in rows:
        first, beyond = begin if begin is not None else ALWAYS_US, end if end is not None else NEVER_US
        others = [(one[3], one[4]) for one in kept if one[0] == name]
        if first < beyond and all(beyond <= other or until <= first for other, until in others):
            kept.append((name, action, registry, first, beyond))
    return kept


def line_of(row) -> str:
    name, action, registry, first, beyond = row
    dates = ["" if moment in (ALWAYS_US, NEVER_US) else text_of(moment) for moment in (first, beyond)]
    return f'{name},fam,{action},"{registry}",{dates[0]},{dates[1]}\n'


def best_row(rows):
    """Where an unexpected check-in is told: blocked today, else in date, else the last that was, else the first to come."""
    return min(
        rows,
        key=lambda row: (
            not (row["in_date"] and row["action"] == "block"),
            not row["in_date"],
            not row["until"] <= BEGINS_US,
            -row["until"] if row["until"] <= BEGINS_US else 0,
            row["from"],
        ),
    )


def model(rules, recorded, unexpected, told):
    """What must be told, of all rows of the schedule, from the index's own words; slowly."""
    index = rules.index
    rows = []
    for place in range(index.count):
        term = index.terms_of_rows[place]
        if term == MARKER:
            continue
        first, until = index.term_from[term], index.term_until[term]
        operation_name = index.operations[index.operations_of_terms[term]]
        name = index.name(place).decode()
        exceptions = rules.plan(rules.operations.index(operation_name)).exceptions
        if any(name == off.decode() or name.endswith("." + off.decode()) for off in exceptions):
            continue
        rows.append(
            {
                "place": place,
                "operation": operation_name,
                "domain": name,
                "registry": index.registries[index.registries_of_terms[term]],
                "action": Action(index.actions_of_terms[term]).name.lower(),
                "from": first,
                "until": until,
                "in_date": first < ENDS_US and until > BEGINS_US,
                "seen": [(moment, src) for row, moment, src, _ in recorded if row == place],
                "unrecorded": 0,
            }
        )
    for entry, count in unexpected.items():
        best_row([row for row in rows if (row["operation"], row["domain"]) == entry])["unrecorded"] = count
    for row in rows:
        due = row["in_date"] and row["action"] != "block"
        times = [moment for moment, _ in row["seen"]]
        row["expected"] = due or bool(times)
        row["state"] = (
            "reached"
            if times
            else "unexpected"
            if row["unrecorded"]
            else None
            if due and not told[row["operation"]]
            else "silent"
        )
        row["check_ins"] = len(times) + row["unrecorded"]
        row["hosts"] = None if row["unrecorded"] and not times else len({src for _, src in row["seen"]})
        row["first_seen"] = fine(min(times)) if times else None
        row["last_seen"] = fine(max(times)) if times else None
        row["valid_from"] = None if row["from"] == ALWAYS_US else to_text(row["from"])
        row["valid_until"] = None if row["until"] == NEVER_US else to_text(row["until"])
    rows.sort(key=lambda row: (row["operation"], row["registry"], row["domain"], row["from"]))
    return rows


def fine(moment_us: int) -> str:
    return f"{text_of(moment_us)[:-1]}.{moment_us % 1_000_000:06d}Z"


def as_told(rows, columns=None):
    names = columns or (
        "operation", "registry", "domain", "action", "valid_from", "valid_until", "expected", "state", "check_ins",
        "unrecorded", "hosts", "first_seen", "last_seen",
    )  # fmt: skip
    return [{name: row[name] for name in names} for row in rows]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(operations=OPERATIONS, check_ins=CHECK_INS, others=CHECK_INS)
def test_every_listed_domain_is_told_as_the_model_has_it(tmp_path_factory, operations, check_ins, others):
    """Random schedules (several windows a day, grace, exceptions, nested names), orders, check-ins in two segments."""
    world = World(tmp_path_factory.mktemp("model"))
    files, orders = {}, {}
    for number, (rows, window, grace, exceptions) in enumerate(operations):
        name = f"op{number}"
        kept = without_overlaps(rows) or [("only.com", "redirect", "verisign", ALWAYS_US, NEVER_US)]
        orders[f"{name}-1"] = window
        text = operation(name, orders={f"{name}-1": window}, grace=grace, exceptions=exceptions)
        files[name] = (text, "".join(map(line_of, kept)))
    rules = world.load(files, orders)
    recorded = world.come(check_ins) + world.come(others)
    world.write_book()
    told = {
        f"{order.partition('-')[0]}": window[0] != "2026-11-01T00:00:00Z" or window == MONTH
        for order, window in orders.items()
    }
    wanted = model(rules, recorded, world.unexpected, told)
    everything, _ = world.told(everything=True)
    assert as_told(everything) == as_told(wanted)
    of_the_day = [row for row in wanted if row["in_date"] or row["check_ins"]]
    rows, registries = world.told()
    assert as_told(rows) == as_told(of_the_day)
    assert_added_up(registries, of_the_day)
    rules.close()


def assert_added_up(registries, rows):
    """Registries against their domains, in the model's words."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["operation"], row["registry"]].append(row)
    assert [(one.operation, one.registry) for one in registries] == sorted(groups)
    for one in registries:
        own = groups[one.operation, one.registry]
        assert one.sum("expected") == sum(row["expected"] for row in own)
        assert one.sum("reached") == sum(row["state"] == "reached" for row in own)
        assert one.sum("silent") == sum(row["state"] == "silent" and row["expected"] for row in own)
        assert one.sum("blocked") == sum(row["in_date"] and row["action"] == "block" for row in own)
        assert one.sum("unexpected") == sum(row["unrecorded"] > 0 for row in own)
        assert one.sum("check_ins") == sum(row["check_ins"] for row in own)
        assert one.sum("unrecorded") == sum(row["unrecorded"] for row in own)
        assert one.hosts == len({src for row in own for _, src in row["seen"]})
        times = [moment for row in own for moment, _ in row["seen"]]
        assert (one.first_us, one.last_us) == ((min(times), max(times)) if times else (None, None))
        assert one.state == (
            "reached"
            if one.sum("reached")
            else "silent"
            if one.sum("silent")
            else "unexpected"
            if one.sum("unexpected")
            else ""
        )
        for action in one.actions:
            assert action.check_ins == sum(row["check_ins"] for row in own if row["action"] == action.action)


SCHEDULE = (
    "evil.com,tinba,redirect,verisign,,\nblocked.com,tinba,block,verisign,,\nblocked-too.com,tinba,block,verisign,,\n"
    "old.com,tinba,redirect,verisign,,2026-11-01\nquiet.net,tinba,redirect,silent-registry,,\nlater.net,tinba,redirect,pir,2027-01-01,\n"
)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.load({"op": (operation("op"), SCHEDULE)}, {"op-1": MONTH})
    return made


def came(*hosts, at=NOON_US):
    return [(host, at + place, address(place + 1)) for place, host in enumerate(hosts)]


def states(rows):
    return {row["domain"]: row["state"] for row in rows}


def test_reached_silent_and_unexpected(world):
    """The words themselves: what was recorded, what should have been, what should not."""
    world.come(came(b"evil.com", b"www.evil.com", b"a.blocked.com", b"old.com"))
    world.write_book()
    rows, registries = world.told()
    assert states(rows) == {
        "evil.com": "reached",
        "blocked.com": "unexpected",
        "blocked-too.com": "silent",
        "old.com": "unexpected",
        "quiet.net": "silent",
    }
    assert {one.registry: one.state for one in registries} == {
        "verisign": "reached",
        "silent-registry": "silent",
    }
    assert [(one.domain, one.check_ins) for one in world.first] == [("blocked.com", 1), ("old.com", 1)]
    assert states(world.told(everything=True)[0])["later.net"] == "silent"


def test_what_is_asked_for_narrows_what_is_told(world):
    """By state (silent: only what should have been reached), by registry."""
    world.come(came(b"evil.com", b"blocked.com"))
    world.write_book()
    for state, domains in (
        ("reached", ["evil.com"]),
        ("silent", ["quiet.net"]),
        ("unexpected", ["blocked.com"]),
    ):
        assert [row["domain"] for row in world.told(state=state)[0]] == domains
    assert [row["domain"] for row in world.told(registry="silent-registry")[0]] == ["quiet.net"]
    assert world.first == []


def test_a_schedule_that_changed_in_the_day_tells_the_names_of_both(world):
    """What only the earlier one had is told by it where it was reached; what changed its action, by the row it had then."""
    world.come(came(b"gone.com", b"evil.com", b"turned.com", b"gone-blocked.com"))
    first = SCHEDULE + (
        "gone.com,tinba,redirect,former,,\ngone-silent.com,tinba,redirect,former,,\n"
        "turned.com,tinba,redirect,former,,\ngone-blocked.com,tinba,block,former,,\n"
    )
    second = SCHEDULE + "turned.com,tinba,block,verisign,,\n"
    world.load({"op": (operation("op"), first)}, {"op-1": MONTH}, BEGINS_US - 1)
    world.come(came(b"gone.com", b"evil.com", b"turned.com", b"gone-blocked.com", at=NOON_US - 5 * HOUR_US))
    world.load({"op": (operation("op"), second)}, {"op-1": MONTH}, NOON_US)
    world.come(came(b"turned.com", at=NOON_US + HOUR_US))
    world.write_book()
    rows, _ = world.told()
    told = {(row["domain"], row["registry"]): row["state"] for row in rows}
    assert told["gone.com", "former"] == "reached"
    assert ("gone-silent.com", "former") not in told
    assert told["gone-blocked.com", "former"] == "unexpected"
    assert told["turned.com", "former"] == "reached"
    assert told["turned.com", "verisign"] == "unexpected"
    assert len(rows) == 8
    assert world.day().as_it_was


def test_a_row_of_a_schedule_that_is_gone_is_told_without_a_registry(world):
    """Where the earlier schedule's index is not there any more, its rows are not lost: they stand without words."""
    world.load(
        {"op": (operation("op"), SCHEDULE + "gone.com,tinba,redirect,former,,\n")},
        {"op-1": MONTH},
        BEGINS_US - 1,
    )
    former = world.digest
    world.come(came(b"gone.com", b"gone.com"))
    world.load({"op": (operation("op"), SCHEDULE)}, {"op-1": MONTH}, NOON_US)
    world.unexpected[Entry("op", "gone-too.com")] = 4
    world.write_book(nameless=3)
    (world.data / "rules" / f"{former}.json").unlink()
    rows, registries = world.told()
    told = {row["domain"]: (row["registry"], row["state"], row["check_ins"], row["hosts"]) for row in rows}
    assert told["gone.com"] == ("", "reached", 2, 2)
    assert told["gone-too.com"] == ("", "unexpected", 4, None)
    assert world.nameless == 3
    [without] = [one for one in registries if one.registry == ""]
    assert (without.state, without.hosts, without.sum("reached")) == ("reached", 2, 1)


def test_one_operation_alone_reads_its_orders_rows_only(tmp_path):
    """The same name in two operations: each has its own check-ins, and `only` shows one of them."""
    world = World(tmp_path)
    both = {
        "op": (operation("op"), "evil.com,a,redirect,r,,\n"),
        "two": (operation("two"), "evil.com,b,redirect,s,,\nx.com,b,block,s,,\n"),
    }
    world.load(both, {"op-1": MONTH, "two-1": MONTH})
    world.come(came(b"evil.com", b"x.com"))
    world.write_book()
    assert [(row["operation"], row["state"]) for row in world.told()[0]] == [
        ("op", "reached"),
        ("two", "silent"),
        ("two", "unexpected"),
    ]
    assert states(world.told(only="two")[0]) == {"evil.com": "silent", "x.com": "unexpected"}
    assert states(world.told(only="op")[0]) == {"evil.com": "reached"}


def test_rows_that_were_found_wrong_are_not_counted(world):
    """What was withdrawn is nobody's check-in any more, the report's neither."""
    import hashlib

    import pyarrow as pa
    import pyarrow.parquet as pq
    from coverage_world import STREAM

    from collector.exports.withdrawn import KEYS, list_path

    world.come(came(b"evil.com", b"evil.com", b"evil.com"))
    digest = hashlib.sha256(b"list").hexdigest()
    path = list_path(world.data, DAY, digest)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"stream": [STREAM, STREAM], "record": [0, 2]}, KEYS), path)
    facts = {
        "operation": "op",
        "order": "op-1",
        "day": DAY.isoformat(),
        "sha256": digest,
        "rows": 2,
        "given": {},
    }
    world.log.append("withdrawn", ENDS_US, **facts, actor="p-1", reason="our own prober")
    rows, _ = world.told()
    assert [(row["check_ins"], row["hosts"]) for row in rows if row["domain"] == "evil.com"] == [(1, 1)]
    assert any("found wrong" in note for note in world.day().notes)


def test_without_an_order_in_force_nobody_says_silent(tmp_path):
    """Nothing was recorded, so what was not reached cannot be told; what should not have come can."""
    world = World(tmp_path)
    window = ("2026-11-01T00:00:00Z", "2026-11-22T00:00:00Z")
    world.load({"op": (operation("op", orders={"op-1": window}), SCHEDULE)}, {"op-1": window})
    world.come(came(b"evil.com", b"blocked.com"))
    world.write_book()
    rows, registries = world.told()
    assert states(rows) == {
        "evil.com": None,
        "blocked.com": "unexpected",
        "blocked-too.com": "silent",
        "quiet.net": None,
    }
    assert [one.state for one in registries] == ["", "unexpected"]
    assert world.day().recorded == {}


def test_hosts_are_counted_exactly(world):
    """Distinct addresses, IPv4 and IPv6, however often each came: a registry's are not its domains' added up."""
    hosts = [(b"evil.com", NOON_US + n, bytes(12) + (n % 15_000).to_bytes(4, "big")) for n in range(20_000)]
    hosts += [(b"quiet.net", NOON_US, address(1)), (b"quiet.net", NOON_US, b"\x20\x01" + bytes(14))]
    world.come(hosts)
    world.come([(b"evil.com", NOON_US + HOUR_US, address(1))])
    rows, registries = world.told()
    assert {row["domain"]: (row["check_ins"], row["hosts"]) for row in rows if row["state"] == "reached"} == {
        "evil.com": (20_001, 15_001),
        "quiet.net": (2, 2),
    }
    assert {one.registry: one.hosts for one in registries} == {"silent-registry": 2, "verisign": 15_001}


def loaded(tmp_path, schedule, **more):
    world = World(tmp_path)
    world.load({"op": (operation("op", **more), schedule)}, {"op-1": MONTH})
    return world


def test_a_domain_that_changes_registries_at_noon_has_its_check_ins_split_there(tmp_path):
    """Two rows of one name on one day: each has what came in its own window, to the microsecond."""
    noon = "2026-11-22T12:00:00Z"
    world = loaded(
        tmp_path,
        f"turn.com,a,redirect,reg-a,,{noon}\nturn.com,a,transfer,reg-b,{noon},\nevil.com,a,redirect,reg-a,,\n",
    )
    times = (NOON_US - HOUR_US, NOON_US - 1, NOON_US, NOON_US + 1, NOON_US + HOUR_US)
    world.come([(b"w.turn.com", moment, address(1)) for moment in times] + came(b"evil.com"))
    rows, registries = world.told()
    told = {
        (row["domain"], row["registry"]): (row["check_ins"], row["hosts"], row["last_seen"]) for row in rows
    }
    assert told == {
        ("turn.com", "reg-a"): (2, 1, "2026-11-22T11:59:59.999999Z"),
        ("turn.com", "reg-b"): (3, 1, "2026-11-22T13:00:00.000000Z"),
        ("evil.com", "reg-a"): (1, 1, "2026-11-22T12:00:00.000000Z"),
    }
    assert [one.hosts for one in registries] == [1, 1]


def test_dates_are_half_open_and_a_day_has_what_touches_it(tmp_path):
    """Until 00:00 of the day is not in it, nor from 00:00 of the next; a microsecond within is."""
    world = loaded(
        tmp_path,
        "ends-before.com,a,redirect,r,,2026-11-22\nends-in.com,a,redirect,r,,2026-11-22T00:00:00.000001Z\n"
        "begins-in.com,a,redirect,r,2026-11-22T23:59:59.999999Z,\nbegins-after.com,a,redirect,r,2026-11-23,\n",
    )
    assert states(world.told()[0]) == {"begins-in.com": "silent", "ends-in.com": "silent"}


def test_grace_lets_be_reached_and_makes_nobody_silent(tmp_path):
    """In the days around its own a domain may be recorded; where it was not, nobody expected it to be."""
    schedule = "reached.com,a,redirect,r,,2026-11-22\nquiet.com,a,redirect,r,,2026-11-22\n"
    world = loaded(tmp_path, schedule, grace=1)
    world.come(came(b"reached.com"))
    rows, [registry] = world.told()
    assert states(rows) == {"reached.com": "reached"}
    assert (registry.sum("expected"), registry.sum("silent")) == (1, 0)


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        (["block,blocked,,2026-11-22T09:00:00Z", "redirect,evening,2026-11-22T18:00:00Z,"], "blocked"),
        (
            [
                "block,blocked,2026-11-22,2026-11-23",
                "redirect,later,2026-11-23,",
                "redirect,before,,2026-11-01",
            ],
            "blocked",
        ),
        (
            [
                "redirect,long-ago,,2026-10-01",
                "redirect,latest,2026-10-01,2026-11-01",
                "redirect,later,2026-12-01,",
            ],
            "latest",
        ),
        (["redirect,later,2026-12-01,2026-12-02", "redirect,last,2026-12-02,"], "later"),
        (["redirect,part,2026-11-22T18:00:00Z,", "redirect,before,,2026-11-01"], "part"),
    ],
)
def test_an_unexpected_check_in_is_told_at_the_row_that_says_why(tmp_path, rows, chosen):
    """The one that is blocked today, else one in date for a part of it, else the last that was, else the first to come."""
    lines = [
        f"odd.com,a,{action},{registry},{dates}\n"
        for action, registry, dates in (row.split(",", 2) for row in rows)
    ]
    world = loaded(tmp_path, "".join(lines))
    world.come(came(b"odd.com"))
    world.write_book()
    assert [row["registry"] for row in world.told(state="unexpected")[0]] == [chosen]


def test_an_exception_takes_a_name_and_all_beneath_it_off_the_report(tmp_path):
    """And nothing else: a name that ends in the same letters stays."""
    schedule = "good.com,a,redirect,r,,\nw.good.com,a,redirect,r,,\nverygood.com,a,redirect,r,,\n"
    assert states(loaded(tmp_path, schedule, exceptions=["good.com"]).told()[0]) == {"verygood.com": "silent"}
