"""The windows of one domain's rows: its own dates, widened by grace up to its neighbours'."""

from collector.ground.codes import Action
from collector.orders.instants import DAY_US, NEVER_US
from collector.orders.schedule import Term
from collector.orders.windows import first_overlap, spans


def term(from_day: int, until_day: int, grace_days: int = 0, action: Action = Action.REDIRECT) -> Term:
    """A row of operation 0, dates as days."""
    values = {
        "operation": 0,
        "family": "tinba",
        "action": action,
        "registry": "r",
        "from_us": from_day * DAY_US,
        "until_us": until_day * DAY_US,
        "grace_us": grace_days * DAY_US,
    }
    return Term(**{name: values[name] for name in Term._fields if name in values})


def windows(*terms: Term) -> list[tuple[float, float]]:
    """In days."""
    return [(span.in_us / DAY_US, span.out_us / DAY_US) for span in spans(list(terms))]


def test_grace_ends_where_the_next_row_begins():
    """Three rows: the first one's grace reaches the second row's own date, not beyond, and not the third's."""
    assert windows(term(10, 11, 5), term(13, 14, 5), term(30, 31, 5)) == [(5, 13), (13, 19), (25, 36)]


def test_the_last_rows_grace_is_its_own():
    """Nothing comes after it."""
    assert windows(term(10, 11, 2)) == [(8, 13)]
    last = spans([term(1, 2), term(5, 6)._replace(until_us=NEVER_US)])[-1]
    assert last.out_us == NEVER_US


def test_the_first_overlap_is_found_wherever_it_is():
    """Between the first two rows, or later; rows that touch do not overlap."""
    assert first_overlap([term(1, 3), term(2, 4)]) == 1
    assert first_overlap([term(1, 2), term(2, 4), term(3, 5)]) == 2
    assert first_overlap([term(1, 2), term(2, 3)]) is None
