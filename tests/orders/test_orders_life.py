"""The life of orders in the files: what is refused, and what is lawful and still worth a second look."""
# ruff: noqa: E501 - a table's row stays on one line

import pytest

from collector.ground.errors import ConfigurationError, Problem
from collector.orders.docket import read_operations
from collector.orders.instants import parse_us
from collector.orders.notes import notes_of

NOW = parse_us("2026-11-20T00:00:00Z")
USUAL = {"kind": "pen-trap", "issued": "2026-11-01", "starts": "2026-11-01", "ends": "2026-12-31"}


def order(name: str, **keys: str) -> str:
    """One order; dates alone mean 00:00 UTC."""
    lines = [f'id = "{name}"', 'docket = "0:26-mc-SECRET"', 'officers = ["SECRET"]']
    for key, value in (USUAL | keys).items():
        text = f'"{value}"' if key in ("kind", "extends") else value if "T" in value else value + "T00:00:00Z"
        lines.append(f"{key} = {text}")
    return "\n[[order]]\n" + "\n".join(lines) + "\n"


@pytest.fixture
def read(write):
    """Read the usual operation with these orders instead of its own."""

    def _read(*orders: str, injunction: str = ""):
        path = write(("issued = 2026-11-01T00:00:00Z\n", f"issued = 2026-11-01T00:00:00Z\n{injunction}\n"))
        text = path.read_text()
        path.write_text(text[: text.index("[[order]]")] + "".join(orders))
        return read_operations([path])

    return _read


FIRST = order("a-1")
EMERGENCY = order("e-1", kind="emergency", ends="2026-11-03")

REFUSED = [
    # (orders, place, found, expected, remedy)
    ((order("a-1", ends="2026-12-31T00:00:00.000001Z"),), "1 (a-1) ends", "60 days, 0:00:00.000001", "at most 60 days after starts for pen-trap (18 USC 3123(c))", "write 2026-12-31T00:00:00Z or earlier"),
    ((FIRST, order("a-2", starts="2026-12-31", ends="2027-03-01T00:00:00.000001Z", extends="a-1")), "2 (a-2) ends", "60 days, 0:00:00.000001", "18 USC 3123(c)", "each extension is a new order"),
    ((order("e-1", kind="emergency", ends="2026-11-03T00:00:00.000001Z"),), "1 (e-1) ends", "2 days, 0:00:00.000001", "at most 48 hours after starts for emergency (18 USC 3125(b))", "a pen-trap order follows"),
    ((order("a-1", issued="2027-01-01"),), "1 (a-1) issued", "when its window was over", "issued before its time is over (18 USC 3123(c))", "court's paper"),
    ((order("a-1", issued="2026-12-31"),), "1 (a-1) issued", "when its window was over", "18 USC 3123(c)", "court's paper"),
    ((EMERGENCY, order("e-2", kind="emergency", starts="2026-11-03", ends="2026-11-05", extends="e-1")), "2 (e-2) extends", "'e-1' of kind emergency, extended by one of kind emergency", "no extends in an order of kind emergency (18 USC 3125(b)", "remove extends"),
    ((FIRST, order("e-2", kind="emergency", starts="2026-11-03", ends="2026-11-05", extends="a-1")), "2 (e-2) extends", "'a-1' of kind pen-trap", "no extends in an order of kind emergency", "remove extends"),
    ((order("a-1", denied="2026-11-03"),), "1 (a-1) denied", "2026-11-03", "denied only in an order of kind emergency; pen-trap is ended by terminated", "write terminated instead"),
    ((order("e-1", kind="emergency", ends="2026-11-03", obtained="2026-11-02", denied="2026-11-02"),), "1 (e-1) denied", "obtained = 2026-11-02T00:00:00Z and denied", "one of the two (18 USC 3125(b))", "did not happen"),
    ((FIRST, order("a-2", extends="a-1")), "2 (a-2) extends", "which starts at 2026-11-01T00:00:00Z, not before", "an order that starts before", "the dates"),
    ((order("a-1", extends="a-9"), order("a-2")), "1 (a-1) extends", "'a-9', which is no order of this operation", "another order of this operation: a-2", "stays in the file"),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[f"{row[1]}: {row[2][:30]}" for row in REFUSED])
def test_what_no_law_allows_is_refused_as_a_clerk_would(read, case):
    """File, place, found, expected with the statute, remedy; nothing that is under seal."""
    orders, place, found, expected, remedy = case
    with pytest.raises(ConfigurationError) as caught:
        read(*orders)
    [problem] = caught.value.problems
    for part, text in (
        (place, problem.place),
        (found, problem.found),
        (expected, problem.expected),
        (remedy, problem.remedy),
    ):
        assert part in text
    assert problem.file.endswith("avalanche.toml")
    assert "SECRET" not in str(problem)


NOTED = [
    # (orders, injunction, place, found, remedy): one note each
    ((FIRST, order("a-2", starts="2027-01-02", ends="2027-02-01", extends="a-1")), "", "2 (a-2) extends", "a gap of 2 days", "starts, and ends of a-1"),
    ((order("a-1", terminated="2026-12-01"), order("a-2", starts="2026-12-31", ends="2027-02-01", extends="a-1")), "", "2 (a-2) extends", "over at 2026-12-01T00:00:00Z: a gap of 30 days", "starts, and terminated of a-1"),
    ((FIRST, order("a-2", starts="2026-12-30", ends="2027-02-01", extends="a-1")), "", "2 (a-2) extends", "an overlap of 1 day", "belongs to a-1 alone"),
    ((FIRST, order("a-2", starts="2026-12-31", ends="2027-02-01", extends="a-1"), order("a-3", starts="2026-12-31", ends="2027-01-01", extends="a-1")), "", "3 (a-3) extends", "a-1, which a-2 extends too", 'extends = "a-2"'),
    ((FIRST, order("a-2", starts="2026-12-31", ends="2027-02-01")), "", "2 (a-2) starts", "where a-1 ends, and no extends", 'add extends = "a-1"'),
    ((FIRST, order("a-2", starts="2026-12-01", ends="2027-01-01")), "", "2 (a-2) starts", "while a-1 is in force, until 2026-12-31", "recorded under a-1"),
    ((order("a-1", terminated="2027-01-01"),), "", "1 (a-1) terminated", "after ends", "remove it"),
    ((order("a-1", terminated="2026-10-01"),), "", "1 (a-1) terminated", "the order records nothing", "correct the date"),
    ((order("a-1", issued="2026-12-01"),), "", "1 (a-1) issued", "in 11 days", "look at the year"),
    ((order("a-1", issued="2026-11-02"),), "", "1 (a-1) starts", "1 day before issued", "is not recorded"),
    ((FIRST,), "expires = 2026-11-19T23:00:00Z", "[injunction] expires", "1 hour ago", "answered all the same"),
]  # fmt: skip


@pytest.mark.parametrize("case", NOTED, ids=[f"{row[2]}: {row[3][:30]}" for row in NOTED])
def test_what_is_lawful_and_odd_is_noted(read, case):
    """The files are good, and the officer is told what to compare with the papers."""
    orders, injunction, place, found, remedy = case
    notes = notes_of(read(*orders, injunction=injunction), NOW)
    fitting = [
        note for note in notes if place in note.place and found in note.found and remedy in note.remedy
    ]
    assert len(fitting) == 1, [str(note) for note in notes]
    # an order that is issued after it starts is noted twice: it lies in the future, and it begins before
    assert len(notes) == 1 + (place == "1 (a-1) issued"), [str(note) for note in notes]
    assert all(isinstance(note, Problem) and "SECRET" not in str(note) for note in notes)


def test_what_is_usual_is_not_noted(read):
    """A chain without gaps, an emergency that a pen-trap order approves: nothing to say."""
    chain = (
        order("e-1", kind="emergency", ends="2026-11-03", obtained="2026-11-02"),
        order("a-1", issued="2026-11-02", starts="2026-11-02", ends="2026-12-31", extends="e-1"),
        order("a-2", issued="2026-11-19", starts="2026-12-31", ends="2027-03-01", extends="a-1"),
    )
    assert notes_of(read(*chain), NOW) == []


def test_a_termination_is_never_refused_for_its_date(read):
    """A refused file leaves the old rules in force: then an order that a court ended would go on recording."""
    for date in ("2026-10-01", "2026-11-01", "2026-12-31", "2099-01-01"):
        [operation] = read(order("a-1", terminated=date))
        assert operation.orders[0].ends_us == min(
            parse_us(f"{date}T00:00:00Z"), parse_us("2026-12-31T00:00:00Z")
        )
