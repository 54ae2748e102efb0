"""The public notice (service by publication): the same bytes for everybody; the log says from when to when, and how often."""

import json
import time
from pathlib import Path

from collectors import Collector, exchange, get, write_operation

from collector.audit.ledger import Ledger
from collector.audit.log import read_entries

NOTICE = "<!doctype html><title>Notice</title><p>This domain was seized by order of a court.</p>"


def with_notice(folder: Path, text: str = NOTICE, name: str = "op") -> None:
    """An operation whose answer carries a notice."""
    path = write_operation(folder, name=name)
    (folder / f"{name}.html").write_text(text)
    answer = f'header = "X-Sinkhole: malware"\nnotice_file = "{name}.html"\nunsealed = true'
    path.write_text(path.read_text().replace('header = "X-Sinkhole: malware"', answer))


def served(collector: Collector) -> list[dict]:
    """The entries notice_served."""
    return [entry.facts for entry in read_entries(collector.data / "audit") if entry.event == "notice_served"]


def answered_again(made: Collector) -> dict:
    """The fates, once the clerk that follows on the killed one listens."""
    until = time.monotonic() + 15
    while True:
        try:
            return made.fates()
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_every_notice_served_is_counted_once_over_reloads_deaths_and_stops(tmp_path: Path) -> None:
    """Counts by notice add up to the check-ins that were given it: through slow heads, a changed text, a killed clerk, a
    killed worker, a killed collector and a clean stop; other answers count for nothing.
    """
    with Collector(tmp_path) as made:
        with_notice(tmp_path / "operations")
        made.start()
        answers = {exchange(made.port, get(path=b"/%d" % n, more=b"X: %d\r\n" % n)) for n in range(20)}
        assert len(answers) == 1
        assert NOTICE.encode() in answers.pop()
        exchange(made.port, get()[:20], get()[20:])  # not in one piece
        exchange(made.port, get(b"unlisted.net"))  # the default answer: no notice
        exchange(made.port, b"\x16\x03\x01\x00\x05hello")
        time.sleep(0.7)
        made.kill_child("clerk")
        with_notice(tmp_path / "operations", NOTICE.replace("court", "judge"))
        time.sleep(1.0)
        answered_again(made)
        made.reload()
        until = time.monotonic() + 10
        while b"judge" not in (answer := exchange(made.port, get())) and time.monotonic() < until:
            assert b"court" in answer
            time.sleep(0.02)
        accepted = answered_again(made)["accepted"]
        made.kill_child("intake-0")
        time.sleep(1.0)
        exchange(made.port, get())
        assert made.stop() == 0
        first = served(made)
        made.start()
        exchange(made.port, get())
        time.sleep(11)  # the clerk's book is on disk
        made.kill()
        made.start()
        exchange(made.port, get())
        made.stop()
    total = sum(item["count"] for item in served(made))
    assert sum(item["count"] for item in first) == accepted - 2 + 1
    assert total == accepted - 2 + 3
    assert len({item["answer"] for item in first}) == 2
    assert all(item["since"] <= item["until"] and item["operation"] == "op" for item in first)
    assert Ledger.of(read_entries(made.data / "audit")).runs[-1].stopped is not None


def test_an_operation_without_a_notice_enters_none(collector: Collector) -> None:
    """No notice, no count, no file."""
    exchange(collector.port, get())
    collector.stop()
    assert served(collector) == []
    assert not (collector.data / "notices.json").exists()
    assert json.loads((collector.data / "audit/log.jsonl").read_text().splitlines()[-1])["event"] == "stopped"
