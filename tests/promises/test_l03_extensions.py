"""L-03, L-04: sixty days, forty-eight hours, extensions and gaps, to the microsecond."""
# ruff: noqa: E501 - a row of a table stays on one line

from datetime import timedelta

import pytest
from collectors import write_operation
from order_world import MICROSECOND, STARTS, belongs, order, rules_of, us

from collector.ground.errors import ConfigurationError
from collector.orders.docket import read_operations

SIXTY = timedelta(days=60)
END = STARTS + SIXTY


def problems(folder, orders: str) -> list[str]:
    """Everything wrong with these orders: place and what was expected."""
    try:
        read_operations([write_operation(folder, orders=orders)])
    except ConfigurationError as error:
        return [f"{problem.place}: {problem.expected}" for problem in error.problems]
    return []


@pytest.mark.parametrize("number", range(1, 4))
def test_l03_each_order_of_a_chain_has_sixty_days_and_no_microsecond_more(tmp_path, number):
    """The first, and each extension by itself: sixty days pass, a microsecond more is refused at load with the statute."""
    for excess in (timedelta(0), MICROSECOND):
        text = ""
        for place in range(number):
            starts = STARTS + place * SIXTY
            ends = starts + SIXTY + (excess if place == number - 1 else timedelta(0))
            text += order(f"a-{place}", starts, ends, more=f'extends = "a-{place - 1}"' if place else "")
        told = problems(tmp_path, text)
        wanted = f"[[order]] {number} (a-{number - 1}) ends: at most 60 days after starts for pen-trap (18 USC 3123(c))"
        assert told == ([wanted] if excess else [])


def test_l03_a_chain_records_through_and_a_gap_does_not(tmp_path):
    """Four orders: adjoining, after a gap of one microsecond, after a gap of a day."""
    edges = [STARTS + timedelta(days=number) for number in (0, 10, 20, 30, 40)]
    text = order("a-1", edges[0], edges[1]) + order("a-2", edges[1], edges[2], more='extends = "a-1"')
    text += order("a-3", edges[2] + MICROSECOND, edges[3], more='extends = "a-2"')
    text += order("a-4", edges[3] + timedelta(days=1), edges[4] + timedelta(days=1), more='extends = "a-3"')
    rules = rules_of(tmp_path, orders=text)
    told = {edge: [belongs(rules, us(edge) + n) for n in (-1, 0, 1)] for edge in edges}
    assert told == {
        edges[0]: [None, "a-1", "a-1"],
        edges[1]: ["a-1", "a-2", "a-2"],
        edges[2]: ["a-2", None, "a-3"],
        edges[3]: ["a-3", None, None],
        edges[4]: ["a-4", "a-4", "a-4"],
    }
    day = timedelta(days=1)
    assert [belongs(rules, us(edges[3] + day) + n) for n in (-1, 0)] == [None, "a-4"]


def test_l04_an_emergency_use_has_48_hours_and_no_microsecond_more(tmp_path):
    """48 hours pass and stop to the microsecond; a microsecond more is refused, and so is a second emergency order."""
    end = STARTS + timedelta(hours=48)
    rules = rules_of(tmp_path / "good", orders=order("e-1", STARTS, end, "emergency"))
    assert [belongs(rules, us(end) + n) for n in (-1, 0)] == ["e-1", None]
    assert "48 hours" in problems(tmp_path, order("e-1", STARTS, end + MICROSECOND, "emergency"))[0]
    twice = order("e-1", STARTS, end, "emergency") + order(
        "e-2", end, end + timedelta(hours=1), "emergency", 'extends = "e-1"'
    )
    assert "no extends in an order of kind emergency (18 USC 3125(b)" in problems(tmp_path, twice)[0]


@pytest.mark.parametrize("key", ["obtained", "denied", "terminated"])
@pytest.mark.parametrize("offset", [timedelta(hours=-1), timedelta(0), MICROSECOND, timedelta(hours=48) - MICROSECOND, timedelta(hours=48), timedelta(hours=50)])  # fmt: skip
def test_l04_an_emergency_stops_at_the_instant_of_what_ended_it(tmp_path, key, offset):
    """Obtained, denied or terminated at any instant, before the use began and after its 48 hours too: never recorded after."""
    end = STARTS + timedelta(hours=48)
    stop = min(STARTS + offset, end)
    rules = rules_of(tmp_path, orders=order("e-1", STARTS, end, "emergency", **{key: STARTS + offset}))
    for moment in (STARTS, stop, end):
        for n in (-1, 0, 1):
            inside = us(STARTS) <= us(moment) + n < us(stop)
            assert belongs(rules, us(moment) + n) == ("e-1" if inside else None)


def test_l04_the_order_that_approves_an_emergency_goes_on_where_it_ended(tmp_path):
    """Obtained: from that instant check-ins belong to the court's order, which reaches back; none is lost, none doubled."""
    obtained = STARTS + timedelta(hours=30, microseconds=1)
    text = order("e-1", STARTS, STARTS + timedelta(hours=48), "emergency", obtained=obtained)
    text += order("a-1", STARTS + MICROSECOND, STARTS + SIXTY, more='extends = "e-1"')
    rules = rules_of(tmp_path, orders=text)
    assert [belongs(rules, us(obtained) + n) for n in (-1, 0)] == ["e-1", "a-1"]
