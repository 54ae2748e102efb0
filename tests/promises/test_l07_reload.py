"""L-07: a termination or a changed window counts within a second of the reload, a changed schedule once its index is built,
and a file that is wrong changes nothing, loudly.
"""

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors import SCHEDULE, SCHEDULE_HEADER, Collector, exchange, get, write_operation

LARGE = 800_000
"""Domains whose index takes several seconds to build here: long enough to see what is not waited for."""


def entries(collector: Collector) -> list[dict]:
    """The audit log."""
    return [json.loads(line) for line in (collector.data / "audit/log.jsonl").read_text().splitlines()]


def until(what, seconds: float = 30.0) -> float:
    """Wait until `what()` holds; how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def fate_of(collector: Collector, host: bytes) -> str:
    """The one fate that a check-in for `host` adds; it must be answered."""
    before = collector.fates()
    assert exchange(collector.port, get(host)).startswith(b"HTTP/1.1 200")
    after = collector.settled_fates(before["accepted"] + 1)
    return next(
        fate for fate in after if fate not in ("accepted", "open") and after[fate] != before.get(fate, 0)
    )


def test_l07_a_termination_does_not_wait_for_a_large_schedule(collector: Collector, tmp_path: Path) -> None:
    """Terminated and, in the same reload, 800,000 new domains: recording ends within a second of SIGHUP, while the new
    schedule is not there yet and the old one still is; then the new domains count.
    """
    assert fate_of(collector, b"evil-one.com") == "recorded"
    lines = [SCHEDULE_HEADER.strip(), *(f"name-{n:07d}.com,tinba,redirect,r,," for n in range(LARGE))]
    starts = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    terminated = f"terminated = {datetime.now(UTC).isoformat()}"
    path = write_operation(collector.folder / "operations", schedule="\n".join(lines) + "\n", starts=starts)
    path.write_text(path.read_text().replace('kind = "pen-trap"', f'kind = "pen-trap"\n{terminated}'))
    collector.reload()
    took = until(lambda: fate_of(collector, b"evil-one.com") == "suppressed_window")
    assert took < 1.0
    assert fate_of(collector, b"name-0000001.com") == "suppressed_scope", (
        "the old schedule is in force until then"
    )
    until(lambda: fate_of(collector, b"name-0000001.com") == "suppressed_window")
    assert fate_of(collector, b"evil-one.com") == "suppressed_scope"
    told = [entry["event"] for entry in entries(collector)]
    assert told.index("order_ended") < len(told) - 1 - told[::-1].index("operation_loaded")
    ended = next(entry for entry in entries(collector) if entry["event"] == "order_ended")
    assert (ended["order"], ended["by"]) == ("op-1", "terminated")


def test_l07_a_wrong_schedule_leaves_the_old_one_and_the_orders_go_on(collector: Collector) -> None:
    """Orders of a right file count even where the schedule beside it is wrong: the old schedule stays, the log and
    /readyz say so, and a corrected one clears it.
    """
    write_operation(collector.folder / "operations", schedule=SCHEDULE + "not a domain,x,y\n", volume=True)
    collector.reload()
    until(lambda: collector.ready()["changed_files_refused"])
    assert collector.metrics()["pentrap_reload_refused"] == 1
    assert fate_of(collector, b"evil-one.com") == "recorded"
    events = [entry["event"] for entry in entries(collector)]
    assert "configuration_refused" in events
    assert "order_changed" in events
    write_operation(collector.folder / "operations", schedule=SCHEDULE, volume=True)
    collector.reload()
    until(lambda: not collector.ready()["changed_files_refused"])
    collector.stop()
    assert [row["bytes_in"] is not None for row in collector.rows()] == [True]


def test_l07_a_wrong_operation_file_changes_nothing(collector: Collector) -> None:
    """61 days are refused whole: the schedule beside it does not come into force either."""
    starts = datetime.now(UTC).replace(microsecond=0)
    changed = SCHEDULE.replace("evil-one.com", "other-one.com")
    write_operation(
        collector.folder / "operations", schedule=changed, starts=starts, ends=starts + timedelta(days=61)
    )
    collector.reload()
    until(lambda: collector.ready()["changed_files_refused"])
    assert fate_of(collector, b"evil-one.com") == "recorded"
    assert fate_of(collector, b"other-one.com") == "suppressed_scope"


def test_l07_an_operation_that_is_taken_away_matches_nothing_at_once(collector: Collector) -> None:
    """With its file gone, its domains match nothing within a second, whatever the other operation's new index takes."""
    folder = collector.folder / "operations"
    write_operation(folder, name="other", schedule=SCHEDULE_HEADER + "third.org,tinba,redirect,r,,\n")
    collector.reload()
    until(lambda: fate_of(collector, b"third.org") == "recorded")
    lines = [SCHEDULE_HEADER.strip(), *(f"name-{n:07d}.com,tinba,redirect,r,," for n in range(LARGE))]
    (folder / "other.csv").write_text("\n".join(lines) + "\n")
    (folder / "op.toml").unlink()
    collector.reload()
    assert until(lambda: fate_of(collector, b"evil-one.com") == "suppressed_scope") < 1.0
    assert fate_of(collector, b"third.org") == "recorded"
    until(lambda: fate_of(collector, b"name-0000001.com") == "recorded")
    assert fate_of(collector, b"third.org") == "suppressed_scope"
    assert {"operation_removed", "order_removed"} <= {entry["event"] for entry in entries(collector)}
    assert collector.stop() == 0


def test_l07_a_reload_without_a_change_enters_nothing(collector: Collector) -> None:
    """SIGHUP over the same files leaves the log as it was."""
    before = entries(collector)
    collector.reload()
    time.sleep(1.0)
    assert entries(collector) == before
    assert fate_of(collector, b"evil-one.com") == "recorded"
