"""Lengths and distances of time as people say them, never rounded up, never to nothing."""

import pytest

from collector.orders.spans import away, days, lasting

SECOND = 1_000_000
HOUR, DAY = 3600 * SECOND, 86_400 * SECOND


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0, "0 microseconds"),
        (1, "1 microsecond"),
        (250, "250 microseconds"),
        (SECOND - 1, "999999 microseconds"),
        (SECOND, "1 second"),
        (90 * SECOND, "1 minute 30 seconds"),
        (60 * SECOND, "1 minute"),
        (2 * HOUR - 1, "1 hour 59 minutes"),
        (2 * HOUR, "2 hours"),
        (DAY - 1, "23 hours"),
        (DAY + HOUR, "1 day 1 hour"),
        (DAY + HOUR - 1, "1 day"),
        (2 * DAY - 1, "1 day 23 hours"),
        (60 * DAY, "60 days"),
    ],
)
def test_a_length_of_time_in_its_largest_unit(span, words):
    """One unit from two on; a single one has the next smaller beside it."""
    assert lasting(span) == words


def test_a_distance_says_its_direction():
    """Ahead, behind, now; and days to the thousandth."""
    assert [away(5 * DAY + n * HOUR, 5 * DAY) for n in (-3, 0, 3)] == ["3 hours ago", "now", "in 3 hours"]
    assert (days(DAY // 8), days(60 * DAY)) == (0.125, 60.0)
