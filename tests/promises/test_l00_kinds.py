"""L-00: two instruments with clocks of their own, and kinds of order as one table that counsel can add a row to."""
# ruff: noqa: E501 - a row of a table stays on one line

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from collectors import write_operation
from order_world import STARTS, belongs, order, rules_of, us

from collector.ground.errors import ConfigurationError
from collector.orders.account import account_of
from collector.orders.compile import compile_rules
from collector.orders.docket import read_operations
from collector.orders.kinds import KINDS, OrderKind
from collector.orders.notes import notes_of
from collector.orders.telling import tell

GERMAN = OrderKind(
    longest=timedelta(0),
    longest_months=3,
    longest_words="3 months",
    ended_by=("terminated",),
    extends=("stpo-100g",),
    renewal="each extension is a new order of at most 3 months (StPO § 100e(1))",
    return_due=None,
    statute="StPO § 100g",
)
ROOMS = Path(__file__).resolve().parents[2] / "collector"


@pytest.fixture
def german(monkeypatch):
    """Another country's law, as a row and nothing else."""
    monkeypatch.setitem(KINDS, "stpo-100g", GERMAN)


def test_l00_another_countrys_law_is_a_row(german, tmp_path):
    """Its longest window, extension, ending, statute and lack of a return hold everywhere, with no other line changed."""
    first = datetime(2026, 11, 30, tzinfo=UTC)
    middle, end = datetime(2027, 2, 28, tzinfo=UTC), datetime(2027, 5, 28, tzinfo=UTC)
    orders = order("g-1", first, middle, "stpo-100g") + order(
        "g-2", middle, end, "stpo-100g", 'extends = "g-1"'
    )
    rules = rules_of(tmp_path, orders=orders)
    assert [belongs(rules, us(edge) + n) for edge in (first, middle, end) for n in (-1, 0)] == [
        None, "g-1", "g-1", "g-2", "g-2", None,
    ]  # fmt: skip
    assert [
        (state.kind, state.return_due_us, state.chain) for state in rules.orders_in_force(us(middle))
    ] == [
        ("stpo-100g", None, "g-1"),
        ("stpo-100g", None, "g-1"),
    ]
    operations = read_operations([tmp_path / "op.toml"])
    assert notes_of(operations, us(end)) == []
    told = "\n".join(tell(account_of(operations[0], us(middle)), in_force=True))
    assert "stpo-100g (StPO § 100g)" in told
    assert "return due" not in told


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        (lambda at: order("g-1", at, at.replace(year=2027, month=2) + timedelta(microseconds=1), "stpo-100g"), "at most 3 months after starts for stpo-100g (StPO § 100g)"),
        (lambda at: order("p-1", at, at + timedelta(days=1)) + order("g-1", at + timedelta(days=1), at + timedelta(days=2), "stpo-100g", 'extends = "p-1"'), "an order of kind stpo-100g (StPO § 100g"),
        (lambda at: order("g-1", at, at + timedelta(days=2), "stpo-100g", denied=at + timedelta(days=1)), "stpo-100g is ended by terminated"),
        (lambda at: order("g-1", at, at + timedelta(days=2), "stpo-999"), '"pen-trap", "emergency", "stpo-100g"'),
    ],
)  # fmt: skip
def test_l00_a_rows_limits_are_enforced_in_its_own_words(german, tmp_path, orders, expected):
    """Too long by a microsecond, an extension across kinds, an ending that its law does not know, an unknown kind."""
    path = write_operation(tmp_path, orders=orders(STARTS))
    with pytest.raises(ConfigurationError) as caught:
        read_operations([path])
    assert expected in caught.value.problems[0].expected


def test_l00_calendar_months_end_on_the_months_last_day():
    """Three months from 30 November last to 28 February, from 1 November to 1 February (BGB § 188(3))."""
    for starts, latest in (
        (datetime(2026, 11, 30, tzinfo=UTC), datetime(2027, 2, 28, tzinfo=UTC)),
        (datetime(2027, 11, 30, tzinfo=UTC), datetime(2028, 2, 29, tzinfo=UTC)),
        (datetime(2026, 11, 1, 5, tzinfo=UTC), datetime(2027, 2, 1, 5, tzinfo=UTC)),
    ):
        assert GERMAN.latest_end(starts) == latest
    assert KINDS["pen-trap"].latest_end(STARTS) == STARTS + timedelta(days=60)
    assert KINDS["emergency"].latest_end(STARTS) == STARTS + timedelta(hours=48)


def test_l00_no_kind_is_named_outside_of_the_table():
    """No other module knows a kind by name, so that none forgets the next row."""
    for path in ROOMS.rglob("*.py"):
        if path.name != "kinds.py":
            assert not re.search(r"""["'](pen-trap|emergency)["']""", path.read_text()), path


def test_l00_the_injunctions_clock_and_the_orders_clocks_are_two(tmp_path):
    """An expired injunction is said, and neither recording nor the answer hangs on it; the rules carry both clocks."""
    expires = STARTS + timedelta(days=1)
    path = write_operation(tmp_path, orders=order("op-1", STARTS, STARTS + timedelta(days=30)))
    text = path.read_text().replace(
        "issued = 2026-01-01T00:00:00Z", f"issued = 2026-01-01T00:00:00Z\nexpires = {expires.isoformat()}"
    )
    path.write_text(text)
    digest = compile_rules([path], tmp_path / "rules")
    document = json.loads((tmp_path / f"rules/{digest}.json").read_bytes())
    assert document["operations"][0]["expires_us"] == us(expires)
    from collector.orders.rules import Rules

    rules = Rules.load(tmp_path / "rules", digest)
    assert rules.injunctions == [("op", us(expires))]
    assert belongs(rules, us(expires) + 1) == "op-1"
    account = account_of(read_operations([path])[0], us(expires) + 1)
    assert (account.recording, account.injunction.in_force) == (True, False)


def test_l00_returns_are_due_after_the_whole_chain(tmp_path):
    """30 days after the end of the last extension of any branch; a termination is an end; nothing sealed is in the rules."""
    days = [STARTS + timedelta(days=number) for number in (0, 2, 40, 80, 100)]
    orders = (
        order("e-1", days[0], days[1], "emergency")
        + order("a-1", days[1], days[2], more='extends = "e-1"')
        + order("a-2", days[2], days[4], more='extends = "a-1"', terminated=days[3])
        + order("a-3", days[2], days[2] + timedelta(days=1), more='extends = "a-1"')
        + order("other", days[0], days[1])
    )
    rules = rules_of(tmp_path, orders=orders)
    told = {state.id: (state.return_due_us, state.chain) for state in rules.orders_in_force(0)}
    chained = (us(days[3] + timedelta(days=30)), "e-1")
    assert told == dict.fromkeys(("e-1", "a-1", "a-2", "a-3"), chained) | {
        "other": (us(days[1] + timedelta(days=30)), "other")
    }
    [document] = (tmp_path / "rules").glob("*.json")
    assert not re.search(rb"docket|court|agency|officer|SEALED", document.read_bytes())


def test_l00_rules_of_the_former_format_are_still_read(tmp_path):
    """A journal of that time names such a document; a format of the future is refused rather than guessed at."""
    import hashlib

    from collector.ground.errors import CorruptError
    from collector.orders.rules import Rules

    rules_of(tmp_path, orders=order("op-1", STARTS, STARTS + timedelta(days=1))).close()
    [path] = (tmp_path / "rules").glob("*.json")
    document = json.loads(path.read_bytes())
    former = document | {"format": 1}
    for one in former["orders"]:
        del one["extends"], one["return_due_us"]
    for one in former["operations"]:
        del one["expires_us"]

    def load(content: dict) -> Rules:
        text = json.dumps(content).encode()
        digest = hashlib.sha256(text).hexdigest()
        (tmp_path / f"rules/{digest}.json").write_bytes(text)
        return Rules.load(tmp_path / "rules", digest)

    rules = load(former)
    assert belongs(rules, us(STARTS)) == "op-1"
    assert rules.orders_in_force(0)[0].return_due_us is None
    assert rules.injunctions == [("op", None)]
    with pytest.raises(CorruptError, match="format 3"):
        load(document | {"format": 3})
