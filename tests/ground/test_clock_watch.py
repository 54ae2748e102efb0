"""When the wall clock is doubted, and when it is believed again."""

import time
from typing import Any

import pytest

from collector.ground import clock

SECOND = 1_000_000_000


class Hands:
    """Both clocks, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall = 1_700_000_000 * SECOND
        self.steady = 5 * SECOND
        monkeypatch.setattr(time, "time_ns", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic_ns", lambda: self.steady)

    def pass_time(self, nanoseconds: int, step: int = 0) -> None:
        """Both go on; the wall clock also jumps."""
        self.steady += nanoseconds
        self.wall += nanoseconds + step


@pytest.mark.parametrize(
    ("step", "doubt"),
    [
        (0, False),
        (SECOND, False),
        (-SECOND, False),
        (SECOND + 1, True),
        (-SECOND - 1, True),
        (86_400 * SECOND, True),
    ],
)
def test_more_than_a_second_is_a_step(monkeypatch: pytest.MonkeyPatch, step: int, doubt: Any) -> None:
    """Exactly one second is not yet one (law.md L-06: "more than 1.000 s")."""
    hands = Hands(monkeypatch)
    watch = clock.ClockWatch(require_sync=False)
    hands.pass_time(SECOND, step)
    assert watch.unsure() is doubt


def test_a_minute_without_a_step_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubt ends 60 s after the last step, and a second step begins the minute anew."""
    hands = Hands(monkeypatch)
    watch = clock.ClockWatch(require_sync=False)
    hands.pass_time(SECOND, 2 * SECOND)
    assert watch.unsure()
    hands.pass_time(50 * SECOND, -2 * SECOND)
    assert watch.unsure()
    hands.pass_time(60 * SECOND - 1)
    assert watch.unsure()
    hands.pass_time(1)
    assert not watch.unsure()
    assert watch.steps == 2


def test_slow_slewing_never_adds_up_to_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """NTP may move the clock by minutes over days: each look follows it."""
    hands = Hands(monkeypatch)
    watch = clock.ClockWatch(require_sync=False)
    for _ in range(1000):
        hands.pass_time(SECOND, 400_000_000)
        assert not watch.unsure()


def test_the_kernels_word_counts_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """require_clock_sync: an unsynchronised kernel clock is doubted until the kernel says otherwise."""
    monkeypatch.setattr(clock, "kernel_synchronised", lambda: False)
    watch = clock.ClockWatch(require_sync=True)
    assert watch.unsure()
    monkeypatch.setattr(clock, "kernel_synchronised", lambda: True)
    watch.ask_kernel()
    assert not watch.unsure()
    assert not clock.ClockWatch(require_sync=False).unsure()


def test_a_kernel_that_will_not_say_is_doubted_and_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's filter may forbid the call: recording pauses, as without synchronisation; machines are answered."""

    def refused() -> bool:
        raise PermissionError(1, "adjtimex")

    monkeypatch.setattr(clock, "kernel_synchronised", refused)
    watch = clock.ClockWatch(require_sync=True)
    assert watch.unsure()
    assert watch.kernel_silent
    watch.ask_kernel()
    assert watch.unsure()
    monkeypatch.setattr(clock, "kernel_synchronised", lambda: True)
    watch.ask_kernel()
    assert not watch.unsure()
    assert not watch.kernel_silent
    monkeypatch.setattr(clock, "kernel_synchronised", refused)
    assert not clock.ClockWatch(require_sync=False).unsure()


def test_the_kernel_can_be_asked() -> None:
    """adjtimex(2) answers with a yes or a no."""
    assert clock.kernel_synchronised() in (True, False)
