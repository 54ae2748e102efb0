"""Group commit: one at a time, and whoever waits for it is counted as open."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

from collector.ground.clock import now_us
from collector.ground.counters import Board
from collector.intake.commit import EXIT_BROKEN, Committer
from collector.intake.farewell import Farewell
from collector.journal.writer import Batch, Journal

INTERVAL = 0.15


class SlowJournal(Journal):
    """A journal whose disk answers when the test lets it."""

    def __init__(self, root: Path, **options: Any) -> None:
        super().__init__(root, "test", 0, **options)
        self.lets = threading.Event()
        self.at_once = 0
        self.most_at_once = 0

    def commit(self, batch: Batch, now_us: int) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.lets.wait(10)
        self.at_once -= 1
        return super().commit(batch, now_us)


def test_a_worker_whose_commit_thread_breaks_ends_itself(tmp_path: Path) -> None:
    """A fault in the commit thread ends the process with 70, for the supervisor to replace it; it does not hang unanswering."""
    pid = os.fork()
    if not pid:
        loop = asyncio.new_event_loop()
        journal = SlowJournal(tmp_path, sync=True, seal_us=10**9, settle_us=10**9)
        committer = Committer(
            loop, journal, Board(1).workers[0], Farewell(loop), "no digest", INTERVAL, lambda: None
        )
        journal.lets.set()
        committer.batch.count = 1
        committer.flush(loop.time())
        loop.run_until_complete(asyncio.sleep(5))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == EXIT_BROKEN


def test_a_tick_before_the_timer_does_not_leave_it_to_start_a_second_commit(tmp_path: Path) -> None:
    """A record handed to the disk stays open until it is durable, even where `tick` came before the group's timer."""

    async def play() -> list[int]:
        loop = asyncio.get_running_loop()
        journal = SlowJournal(tmp_path, sync=True, seal_us=10**9, settle_us=10**9)
        committer = Committer(
            loop, journal, Board(1).workers[0], Farewell(loop), "ab" * 32, INTERVAL, lambda: None
        )

        def record() -> None:
            committer.turn(now_us())
            committer.batch.count = 1
            committer.flush(loop.time())

        journal.lets.set()
        record()
        while committer.open:  # noqa: ASYNC110 - a test may look now and then
            await asyncio.sleep(0.005)
        journal.lets.clear()
        record()  # too early for the next group: a timer waits
        committer.tick()  # starts it all the same
        record()
        seen = [committer.open]
        await asyncio.sleep(INTERVAL * 2)  # when the timer would have fired
        seen.append(committer.open)
        journal.lets.set()
        await committer.drain()
        return [*seen, committer.open, journal.written]

    assert asyncio.run(play()) == [2, 2, 0, 3]
