"""The kernel's word on the clock, and an officer's: what each is believed for, and until when."""

import time
from typing import Any

import pytest

from collector.ground import clock

UNSYNC, PLL = 0x0040, 0x0001


class Kernel:
    """adjtimex(2) as the kernel would answer it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.state, self.status = 0, PLL
        self.asked: list[int] = []
        monkeypatch.setattr(clock, "_libc", self)

    def adjtimex(self, reference: Any) -> int:
        """Fill in the status, return the state."""
        timex = reference._obj
        self.asked.append(timex.modes)
        timex.status = self.status
        return self.state


@pytest.mark.parametrize(
    ("state", "status", "synchronised"),
    [
        (0, PLL, True), (0, 0, True), (1, PLL, True), (4, PLL, True), (5, PLL, False), (0, UNSYNC, False),
        (0, UNSYNC | PLL, False), (5, UNSYNC, False), (0, 0x2001, True),
    ],
)  # fmt: skip
def test_l06_the_kernels_word(
    monkeypatch: pytest.MonkeyPatch, state: int, status: int, synchronised: bool
) -> None:
    """adjtimex(2): TIME_ERROR or STA_UNSYNC is "not synchronised"; leap states are not; nothing is ever set (modes 0)."""
    kernel = Kernel(monkeypatch)
    kernel.state, kernel.status = state, status
    assert clock.kernel_synchronised() is synchronised
    assert kernel.asked == [0]


def test_l06_a_kernel_that_will_not_say_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused call is told, not taken for an answer."""
    Kernel(monkeypatch).state = -1
    with pytest.raises(OSError, match="adjtimex"):
        clock.kernel_synchronised()


def test_l06_the_real_kernel_answers() -> None:
    """The structure is the kernel's: on this machine the call succeeds."""
    assert clock.kernel_synchronised() in (True, False)


def test_l06_an_officers_word_holds_until_the_next_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unsynchronised pauses; an officer ends the pause while it lasts; once synchronised, a later loss is a new doubt."""
    kernel = Kernel(monkeypatch)
    kernel.status = UNSYNC
    watch = clock.ClockWatch(require_sync=True)
    assert watch.unsure()
    watch.ask_kernel()
    assert watch.unsure()
    watch.believe()
    assert not watch.unsure()
    watch.ask_kernel()
    assert not watch.unsure()
    kernel.status = PLL
    watch.ask_kernel()
    assert not watch.unsure()
    kernel.status = UNSYNC
    watch.ask_kernel()
    assert watch.unsure()


def test_l06_the_kernel_is_not_asked_where_nobody_wants_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without require_clock_sync an unsynchronised kernel changes nothing."""
    kernel = Kernel(monkeypatch)
    kernel.status = UNSYNC
    watch = clock.ClockWatch(require_sync=False)
    watch.ask_kernel()
    assert not watch.unsure()
    assert kernel.asked == []


def test_l06_an_officers_word_holds_until_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a step nothing is believed for a minute; an officer's word ends that; the step after it is doubted anew."""
    wall, steady = [10**18], [10**12]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: steady[0])
    watch = clock.ClockWatch(require_sync=False)
    wall[0] += 3_600 * 10**9
    assert watch.unsure()
    watch.believe()
    assert not watch.unsure()
    wall[0] -= 3_600 * 10**9
    assert watch.unsure()
    assert watch.steps == 2


def test_now_is_in_microseconds() -> None:
    """The unit of every instant here."""
    before = time.time_ns() // 1000
    assert before <= clock.now_us() <= time.time_ns() // 1000
