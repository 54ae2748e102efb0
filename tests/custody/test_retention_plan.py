"""The plan of what may go, held against a plain model over many worlds (law.md L-33)."""

from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from collector.audit.ledger import Ledger
from collector.audit.log import Entry
from collector.custody.known_orders import KnownOrder
from collector.custody.retention import Holding, plan

DAY_US = 86_400_000_000
DAY = date(2026, 11, 22)
NOON_US = 1_795_348_800_000_000
IDS = ["a", "b", "c", "d"]


@st.composite
def worlds(draw):
    known = {}
    for place, order in enumerate(IDS[: draw(st.integers(1, 4))]):
        extends = draw(st.sampled_from([None, *IDS[:place]]))
        start = NOON_US + draw(st.integers(-3, 3)) * DAY_US
        known[order] = KnownOrder(
            order, "op", start, start + draw(st.integers(1, 8)) * DAY_US, extends, draw(st.sampled_from([None, 1, 3, 10]))
        )  # fmt: skip
    ledger = Ledger()
    for order in IDS:
        if draw(st.booleans()):
            moment = NOON_US + draw(st.integers(-2, 20)) * DAY_US
            ledger.delivered[order] = Entry(
                1, moment, "delivered", {"bundle_sha256": draw(st.sampled_from("xy"))}, b""
            )
        if draw(st.integers(0, 4)) == 0:
            ledger.holds[order] = Entry(2, 0, "hold_set", {}, b"")
    if draw(st.booleans()):
        ledger.returned["x"] = Entry(3, NOON_US + draw(st.integers(-2, 20)) * DAY_US, "returned", {}, b"")
    holdings, orders = [], {}
    for number in range(draw(st.integers(1, 5))):
        day = DAY + timedelta(days=draw(st.integers(-3, 6)))
        written = NOON_US + draw(st.integers(-3, 8)) * DAY_US
        holding = Holding(
            f"f{number}",
            "segment",
            day,
            1,
            1,
            written,
            draw(st.integers(0, 5)) > 0,
            draw(st.integers(0, 5)) == 0,
        )
        holdings.append(holding)
        orders[holding.name] = draw(
            st.one_of(
                st.none(),
                st.frozensets(st.sampled_from([*known, *known, "stranger"]), min_size=1, max_size=2),
            )
        )
    names = st.frozensets(st.sampled_from([holding.name for holding in holdings]))
    listed = (
        draw(st.dictionaries(st.sampled_from([*ledger.delivered]), st.none() | names))
        if ledger.delivered
        else {}
    )
    for holding in holdings:
        if draw(st.integers(0, 4)) == 0:
            moment = NOON_US + draw(st.integers(-2, 20)) * DAY_US
            ledger.released[holding.name] = Entry(4, moment, "released", {}, b"")
    return known, ledger, holdings, orders, listed, NOON_US + draw(st.integers(0, 30)) * DAY_US


def chain(known, order):
    """All orders tied to this one, by walking until nothing is added."""
    tied = {order}
    while True:
        more = {one.id for one in known.values() if one.extends in tied} | {
            known[one].extends for one in tied
        } - {None}
        if more <= tied:
            return tied
        tied |= more


def may_go(holding, orders, known, ledger, listed, now_us):
    """The rule, said once more and plainly."""
    if holding.aside or not holding.sealed or orders is None:
        return False
    for name in orders:
        if name not in known or name in ledger.holds:
            return False
        tied = chain(known, name)
        end = max(known[one].ends_us for one in tied)
        if now_us < end:
            return False
        for one in tied:
            if one not in ledger.delivered:
                return False
            entry = ledger.delivered[one]
            made = entry.time_us
            if entry.facts["bundle_sha256"] in ledger.returned:
                made = min(made, ledger.returned[entry.facts["bundle_sha256"]].time_us)
            if made < end:
                return False
            if one == name and one in listed and holding.name not in (listed[one] or ()):
                return False
            written = holding.written_us
            if holding.name in ledger.released:
                written = max(written, ledger.released[holding.name].time_us)
            if one == name and one not in listed and made < written:
                return False
        kept = known[name].retention_days
        today = date(2026, 11, 22) + timedelta(days=(now_us - NOON_US) // DAY_US)
        if kept is None or (today - holding.day).days <= kept:
            return False
    return True


@settings(max_examples=600, deadline=None)
@given(worlds())
def test_l33_the_plan_is_the_rule(world):
    """A file goes when every order in it is over, delivered, not held and out of time; else it stays with a reason."""
    known, ledger, holdings, orders, listed, now_us = world
    made = plan(holdings, lambda holding: orders[holding.name], known, ledger, now_us, listed=listed)
    expected = {h.name for h in holdings if may_go(h, orders[h.name], known, ledger, listed, now_us)}
    assert {holding.name for holding in made.go} == expected
    assert {staying.holding.name for staying in made.stay} == {h.name for h in holdings} - expected
    assert all(staying.reasons for staying in made.stay)
    for only in known:
        named = plan(
            holdings, lambda holding: orders[holding.name], known, ledger, now_us, only=only, listed=listed
        )
        assert {h.name for h in named.go} == {name for name in expected if only in orders[name]}
