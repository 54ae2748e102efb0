"""`pentrap coverage` of a running collector: over HTTP and TLS, restarts and deaths; as its users type it."""

import contextlib
import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from collectors import PENTRAP, SCHEDULE_HEADER, Collector, exchange, get, running, write_operation

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
from wire_cases import hello, records, server_name

from collector.cli import main

SCHEDULE = (
    SCHEDULE_HEADER
    + """evil-one.com,andromeda,redirect,reg-a,,
evil-two.net,urlzone,register,reg-b,,
never-asked.net,urlzone,register,reg-b,,
quiet.co.uk,tinba,redirect,nominet,,
blocked.org,citadel,block,reg-b,,
blocked-quiet.org,citadel,block,reg-b,,
old.com,tinba,redirect,reg-a,,2026-01-01
"""
)
UNEXPECTED = "pentrap_checkins_unexpected_total"
LAST = "pentrap_registry_last_reached_timestamp_seconds{operation=op,registry=%s}"
DUE = "pentrap_registry_domains{operation=op,registry=%s}"


class Done(NamedTuple):
    """What a command said, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


def command(collector: Collector, *options: str) -> Done:
    """The command itself, in this process: a new one loads Arrow for two seconds."""
    out, err = io.StringIO(), io.StringIO()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["coverage", "--config", str(collector.config), *options])
    except SystemExit as usage:
        code = int(usage.code)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
    return Done(code, out.getvalue(), err.getvalue())


def told(collector: Collector, *options: str) -> dict:
    done = command(collector, "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def tls(name: bytes) -> bytes:
    return records(hello(server_name(name)))


def wait_for(condition, seconds=15.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _not_over_midnight():
    """What is asked here is asked of today."""
    now = datetime.now(UTC)
    if now.hour == 23 and now.minute >= 58:
        time.sleep(180)


def booked(collector: Collector) -> int:
    """Unexpected check-ins that stand on disk."""
    import pyarrow.parquet as pq

    paths = (collector.data / "coverage").glob("unexpected-*.parquet")
    return sum(sum(pq.read_table(path)["check_ins"].to_pylist()) for path in paths)


def test_the_whole_story_over_deaths_reloads_and_restarts(tmp_path):
    """HTTP and TLS, subdomains, split heads: each listed domain's numbers are exact to the unit though the clerk, a worker and
    the whole collector were killed in between; metrics know the registries from the start of the next run on.
    """
    with running(
        tmp_path,
        operation={"schedule": SCHEDULE},
        settings={"intake.workers": 2, "segments.seal_seconds": 0.3},
    ) as made:
        blocked, reached = 0, 0

        def ask(count=1):
            nonlocal blocked, reached
            for number in range(count):
                exchange(made.port, get(b"w%d.blocked.org" % number))
                exchange(made.port, tls(b"blocked.org"))
                exchange(made.port, get(b"BLOCKED.org:80")[:20], get(b"BLOCKED.org:80")[20:])
                exchange(made.port, get(b"a.evil-one.com"))
                blocked, reached = blocked + 3, reached + 1

        ask(3)
        exchange(made.port, get(b"old.com"))
        exchange(made.port, tls(b"x.evil-two.net"))
        exchange(made.port, get(b"fine.example"))
        exchange(made.port, get(b"evil-one.com"), host="::1")
        assert made.settled_fates(16)["suppressed_scope"] == blocked + 2
        assert made.metrics()[UNEXPECTED] == blocked + 1
        ask()
        made.kill_child("clerk")
        ask()
        wait_for(lambda: booked(made) == blocked + 1)
        made.kill_child("intake-1")
        ask(2)
        write_operation(tmp_path / "operations", schedule=SCHEDULE + "added.net,tinba,redirect,reg-c,,\n")
        made.reload()
        wait_for(lambda: DUE % "reg-c" in made.metrics())
        ask(2)
        wait_for(
            lambda: (
                booked(made) == blocked + 1 and made.metrics()["pentrap_segments_rows_total"] >= reached + 2
            )
        )
        before = made.metrics()
        assert before[LAST % "nominet"] == 0
        assert time.time() - 30 < before[LAST % "reg-b"] < before[LAST % "reg-a"] <= time.time()
        assert [before[DUE % name] for name in ("reg-a", "reg-b", "reg-c", "nominet")] == [1, 2, 1, 1]
        made.kill()
        made.start()
        wait_for(lambda: LAST % "reg-a" in made.metrics())
        after = made.metrics()
        assert [after[LAST % name] for name in ("reg-a", "reg-b")] == [
            before[LAST % name] for name in ("reg-a", "reg-b")
        ]
        assert after[UNEXPECTED] == 0  # as all counters: since the start
        ask()
        assert made.metrics()[UNEXPECTED] == 3
        assert made.stop() == 0
        rows = {row["domain"]: row for row in told(made, "--domains")["domains"]}
    assert {name: row["state"] for name, row in rows.items()} == {
        "evil-one.com": "reached",
        "evil-two.net": "reached",
        "never-asked.net": "silent",
        "quiet.co.uk": "silent",
        "added.net": "silent",
        "blocked.org": "unexpected",
        "blocked-quiet.org": "silent",
        "old.com": "unexpected",
    }
    assert [rows["evil-one.com"][name] for name in ("check_ins", "unrecorded", "hosts")] == [
        reached + 1,
        0,
        2,
    ]
    assert [rows["evil-two.net"][name] for name in ("check_ins", "hosts", "registry", "action")] == [
        1,
        1,
        "reg-b",
        "register",
    ]
    assert [rows["blocked.org"][name] for name in ("check_ins", "unrecorded", "hosts")] == [
        blocked,
        blocked,
        None,
    ]
    assert [rows["old.com"][name] for name in ("check_ins", "expected", "valid_until")] == [
        1,
        False,
        "2026-01-01T00:00:00Z",
    ]


def test_what_an_officer_types(tmp_path):
    """The table, the list, CSV and JSON say the same; a mistake says what would be right, and enters no reading."""
    with running(tmp_path, operation={"schedule": SCHEDULE}) as made:
        for host in (b"evil-one.com", b"evil-two.net", b"blocked.org"):
            exchange(made.port, get(host))
        wait_for(lambda: made.metrics()["pentrap_segments_rows_total"] == 2 and booked(made) == 1)
        table = command(made).stdout
        assert "note: the day is not over" in table
        assert (
            "SILENT: 1 registry of 3, none of whose domains was reached\n  op  nominet: 1 domain, never reached"
            in table
        )
        assert "blocked.org (block, citadel, reg-b): 1 check-in\n" in table
        assert "evil-one.com" not in table
        assert "reached     evil-one.com" in command(made, "--domains").stdout
        assert "(2 domains)" in command(made, "--domains", "silent").stdout
        only = command(made, "--registry", "nominet", "--domains").stdout
        assert "quiet.co.uk" in only
        assert "blocked.org" not in only

        summary = list(csv.DictReader(io.StringIO(command(made, "--csv").stdout)))
        document = told(made)
        assert [row["registry"] for row in summary] == ["nominet", "reg-a", "reg-b"]
        for row, one in zip(summary, document["registries"], strict=True):
            assert all(
                row[name] == ("" if one[name] is None else str(one[name])) for name in row if name != "day"
            )
        lines = list(csv.DictReader(io.StringIO(command(made, "--csv", "--domains").stdout)))
        for row, one in zip(lines, told(made, "--domains")["domains"], strict=True):
            assert all(
                row[name]
                == ("" if value is None else str(value).lower() if isinstance(value, bool) else str(value))
                for name, value in one.items()
            )
        assert len(lines) == 6
        whole = command(made, "--csv", "--domains", "--whole-schedule").stdout
        assert "old.com,tinba,redirect,,2026-01-01T00:00:00Z,false,silent,0,0,0,," in whole
        assert document["complete"] is False
        assert document["schedule"]["of_that_day"] is True

        accesses = (made.data / "audit/log.jsonl").read_text().count('"access_opened"')
        for options, words in (
            (("--date", "2001-01-01"), ("before anything was collected here", "a day from")),
            (("--date", "2999-01-01"), ("which has not begun",)),
            (("--date", "yesterday"), ("expected a date as 2026-11-21",)),
            (("--operation", "opp"), ("found:    opp", "expected: one of op")),
            (("--domains", "gone"), ("invalid choice",)),
            (("--csv", "--json"), ("not allowed with",)),
        ):
            done = command(made, *options)
            assert done.returncode == 2
            assert done.stdout == ""
            assert all(word in done.stderr for word in words), done.stderr
        assert (made.data / "audit/log.jsonl").read_text().count('"access_opened"') == accesses
        done = command(made, "--registry", "reg-z")
        assert (done.returncode, done.stdout) == (2, "")
        assert "expected: one of 'nominet', 'reg-a', 'reg-b'" in done.stderr


def test_with_no_domain_listed_there_is_nothing_to_tell(tmp_path):
    """No operation at all, and a folder on which no collector ever ran: exit 2, with what to do."""
    made = Collector(tmp_path)
    made.write_config()
    done = command(made)
    assert done.returncode == 2
    assert "no audit log: no collector has run on this folder" in done.stderr
    with made.start():
        done = command(made)
        assert (done.returncode, done.stdout) == (2, "")
        assert "put an operation file with [[domains]] in force" in done.stderr


def test_a_reader_that_goes_away_and_a_signal_end_the_reading_in_order(tmp_path):
    """`| head` and Ctrl-C: the access is closed in the log, and nothing is left of the work."""
    with running(
        tmp_path,
        operation={
            "schedule": SCHEDULE_HEADER + "".join(f"d{n}-x.com,a,redirect,r,,\n" for n in range(30_000))
        },
    ) as made:
        exchange(made.port, get(b"d1-x.com"))
        wait_for(lambda: made.metrics()["pentrap_segments_rows_total"] == 1)
        line = f"{PENTRAP} coverage --config {made.config} --csv --domains | head -2; echo ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.splitlines()[-1] == "0"
        assert "Traceback" not in done.stderr
        process = subprocess.Popen(
            [str(PENTRAP), "coverage", "--config", str(made.config), "--csv", "--domains"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        os.read(process.stdout.fileno(), 100)  # it writes, and is stopped by the full pipe
        process.send_signal(signal.SIGINT)
        process.stdout.close()
        assert process.wait(20) in (0, 128 + signal.SIGINT)
        log = [json.loads(line) for line in (made.data / "audit/log.jsonl").read_text().splitlines()]
    opened = [entry["session"] for entry in log if entry["event"] == "access_opened"]
    closed = [(entry["session"], entry["end"]) for entry in log if entry["event"] == "access_closed"]
    assert closed == [(session, "closed") for session in opened]
    assert len(opened) == 2
    assert sorted(path.name for path in (made.data / "coverage/work").iterdir()) == ["lock"]


def test_a_killed_reports_rows_go_with_the_next_one(tmp_path):
    """After kill -9 its folder stands until somebody asks again; rows lie nowhere without a purpose."""
    with running(tmp_path, operation={"schedule": SCHEDULE}) as made:
        exchange(made.port, get())
        wait_for(lambda: made.metrics()["pentrap_segments_rows_total"] == 1)
        left = made.data / "coverage/work/report-killed"
        left.mkdir(parents=True)
        (left / "pairs-0.parquet").write_bytes(b"rows")
        assert command(made).returncode == 0
        assert not left.exists()
