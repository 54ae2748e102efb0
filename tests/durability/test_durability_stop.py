"""A stop, whenever it comes: what was answered stands in Parquet, and the exit code says so."""

import time
from pathlib import Path

from ordeals.every_call import ask
from ordeals.world import Steady, audit, journals_left, judge, make_collector, rows_of, start_measured


def test_a_stop_that_comes_while_the_clerk_is_still_starting_waits_for_it(tmp_path: Path) -> None:
    """SIGTERM right after the first answer, when the clerk is still importing, ends with code 0 and the row in Parquet."""
    collector, _ = make_collector(tmp_path)
    start_measured(collector)
    asked = ask(collector.port)
    assert asked.answered
    assert collector.stop() == 0, collector.log_file.read_text()
    assert [row.key[1] for row in rows_of(collector.data)] == [asked.port]
    assert journals_left(collector.data) == []


def test_a_stop_under_load_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """SIGTERM under load: every answered listed check-in is in Parquet once, the final account agrees, the exit code is 0."""
    collector, targets = make_collector(tmp_path, intake__durability="sync", intake__workers=2)
    with collector:
        start_measured(collector)
        load = Steady(targets, tmp_path / "ledger.csv", rate=400, seed=3)
        time.sleep(2)
        code = collector.stop()
        entries = load.stop()
    assert code == 0, collector.log_file.read_text()
    verdict, rows = judge(entries, collector.data)
    assert verdict.holds, verdict
    assert verdict.answered_recorded > 300
    account = audit(collector.data, "stopped")[-1]
    assert account["recorded"] == len(rows)
    assert account["open"] == account["dropped_crash"] == 0
    assert journals_left(collector.data) == []
