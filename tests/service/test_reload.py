"""SIGHUP swaps the rules whole or not at all, while machines are answered."""

import json
import os
import signal
import socket
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors import (
    PENTRAP,
    SCHEDULE,
    SCHEDULE_HEADER,
    Collector,
    exchange,
    get,
    patched,
    running,
    wait_for,
    write_operation,
)

from collector.audit import texts
from collector.audit.note import Verifier, open_checkpoint


def audit(collector: Collector) -> list[dict[str, object]]:
    """The audit log's entries."""
    return [json.loads(line) for line in (collector.data / "audit/log.jsonl").read_text().splitlines()]


def test_a_new_schedule_replaces_the_old_one(collector: Collector) -> None:
    """After a reload the new domains are recorded and the old ones are not; rows made before keep their domain."""
    exchange(collector.port, get(b"evil-one.com"))
    schedule = SCHEDULE_HEADER + "aaa-first.com,tinba,redirect,r,,\nzzz-new.com,matsnu,redirect,r,,\n"
    write_operation(collector.folder / "operations", schedule=schedule)
    collector.reload()
    wait_for("orders_loaded", collector, 2)
    time.sleep(0.2)
    exchange(collector.port, get(b"zzz-new.com"))
    exchange(collector.port, get(b"evil-one.com"))
    fates = collector.settled_fates(3)
    assert (fates["recorded"], fates["suppressed_scope"]) == (2, 1)
    collector.stop()
    assert [(row["domain"], row["family"]) for row in collector.rows()] == [
        ("evil-one.com", "andromeda"),
        ("zzz-new.com", "matsnu"),
    ]


def test_a_worker_keeps_nothing_of_the_rules_before(tmp_path: Path) -> None:
    """After five changes of the schedule while machines wait in the middle of their heads, a worker has as many descriptors and
    mapped indexes as after none; who waited is judged by the rules in force when the head is whole, and nothing fails.
    """
    with running(
        tmp_path, settings={"intake.durability": "sync", "intake.head_deadline_seconds": 30}
    ) as collector:
        worker = collector.pids()["child-0"]
        with socket.create_connection(("127.0.0.1", collector.port)) as waiting:
            waiting.sendall(b"GET / HTTP/1.1\r\n")
            exchange(collector.port, get())
            time.sleep(0.3)
            before = kept(worker)
            for number in range(1, 6):
                schedule = SCHEDULE + f"zzz-{number}.com,matsnu,redirect,r,,\n"
                write_operation(collector.folder / "operations", schedule=schedule)
                collector.reload()
                wait_for("reload_done", collector, number)
                time.sleep(0.2)
                exchange(collector.port, get(f"zzz-{number}.com".encode()))
            time.sleep(0.3)
            assert kept(worker) == before
            waiting.sendall(b"Host: zzz-5.com\r\n\r\n")
            assert b"malware" in waiting.recv(65536)
        assert collector.settled_fates(7)["recorded"] == 7
        assert "unexpected_exception" not in collector.log_file.read_text()
        assert collector.stop() == 0


def kept(pid: int) -> tuple[int, int]:
    """How many index files a process has open, and how many mappings of them."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()]
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return sum(".index" in link for link in links), sum(".index" in line for line in maps)


def test_a_journal_that_outlives_its_rules_keeps_their_meaning(collector: Collector) -> None:
    """Killed after a reload, before sealing: recovery reads each journal by the rules that its header names."""
    collector.stop()
    collector.settings["segments.seal_seconds"] = 600
    collector.start()
    exchange(collector.port, get(b"evil-two.net"))
    schedule = SCHEDULE_HEADER + "aaa-first.com,tinba,redirect,r,,\n"
    write_operation(collector.folder / "operations", schedule=schedule)
    collector.reload()
    wait_for("orders_loaded", collector, 3)
    time.sleep(0.2)
    exchange(collector.port, get(b"aaa-first.com"))
    collector.kill()
    collector.settings["segments.seal_seconds"] = 1
    collector.start()
    collector.stop()
    assert sorted((row["domain"], row["family"]) for row in collector.rows()) == [
        ("aaa-first.com", "tinba"),
        ("evil-two.net", "urlzone"),
    ]


def test_a_bad_new_file_leaves_the_old_rules_in_force(collector: Collector) -> None:
    """An order of 61 days is refused, loudly, and everything goes on as before."""
    starts = datetime.now(UTC).replace(microsecond=0)
    write_operation(collector.folder / "operations", starts=starts, ends=starts + timedelta(days=61))
    collector.reload()
    wait_for("operations_refused_old_ones_stay", collector, 1)
    assert b"malware" in exchange(collector.port, get())
    assert collector.settled_fates(1)["recorded"] == 1
    assert [entry["event"] for entry in audit(collector)].count("orders_loaded") == 1


def test_rules_that_cannot_be_entered_leave_the_old_ones_in_force(tmp_path: Path) -> None:
    """What is wrong while changed rules are put in force is no disk's refusal: told aloud and tried again, while machines are
    answered by the old rules. Once it has gone, the new ones are in force.
    """
    trouble = tmp_path / "trouble"
    patch = f"""
import os
from collector.service import notary
enter = notary.Notary.put_in_force
def put_in_force(*facts):
    if os.path.exists({str(trouble)!r}):
        raise ValueError("an entry that is too long")
    enter(*facts)
notary.Notary.put_in_force = put_in_force
"""
    with running(tmp_path, environment=patched(tmp_path, patch)) as collector:
        trouble.touch()
        schedule = SCHEDULE + "zzz-new.com,matsnu,redirect,r,,\n"
        write_operation(collector.folder / "operations", schedule=schedule)
        collector.reload()
        wait_for("orders_not_put_in_force_old_ones_stay", collector, 2)
        assert b"malware" in exchange(collector.port, get())
        assert collector.settled_fates(1)["recorded"] == 1
        trouble.unlink()
        wait_for("reload_done", collector, 1)
        time.sleep(0.2)
        exchange(collector.port, get(b"zzz-new.com"))
        assert collector.settled_fates(2)["recorded"] == 2
        assert collector.stop() == 0


def test_more_schedules_than_the_audit_log_can_name_are_refused(collector: Collector) -> None:
    """Seven hundred [[domains]]: a reload refuses them, `pentrap check` and a start tell the same, and nothing else happens."""
    operation = collector.folder / "operations/op.toml"
    before = operation.read_text()
    more = ""
    for number in range(700):
        (operation.parent / f"op-{number:03d}.csv").write_text(
            SCHEDULE_HEADER + f"d{number}.com,x,redirect,r,,\n"
        )
        more += f'[[domains]]\nfile = "op-{number:03d}.csv"\n'
    operation.write_text(before + more)
    collector.reload()
    wait_for("operations_refused_old_ones_stay", collector, 1)
    assert b"malware" in exchange(collector.port, get())
    assert collector.settled_fates(1)["recorded"] == 1
    assert collector.stop() == 0
    for verb in ("check", "serve"):
        command = [str(PENTRAP), verb, "--config", str(collector.config)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert told.returncode == 2, told.stderr
        assert "join schedules into fewer files" in told.stderr


def test_a_load_that_was_killed_is_loud_and_tried_again(collector: Collector) -> None:
    """The kernel kills the process that reads changed files, as it does for want of memory: refused aloud, then tried again,
    so that an order that was ended does not stay in force.
    """
    assert collector.process is not None
    now = datetime.now(UTC).replace(microsecond=0)
    long = "".join(f"name-{number}.com,tinba,redirect,r,,\n" for number in range(50_000))
    ended = now - timedelta(seconds=1)
    write_operation(
        collector.folder / "operations", schedule=SCHEDULE + long, starts=now - timedelta(days=9), ends=ended
    )
    before = set(collector.pids().values())
    collector.reload()
    until = time.monotonic() + 10
    while not (loads := set(collector.pids().values()) - before):
        assert time.monotonic() < until
    os.kill(loads.pop(), signal.SIGKILL)
    wait_for("operations_refused_old_ones_stay", collector, 1)
    assert "the process was killed" in collector.log_file.read_text()
    wait_for("reload_done", collector, 1)
    assert collector.ready()["not_recording_because"] == ["no order in force"]
    assert not collector.ready()["changed_files_refused"]
    assert [entry["event"] for entry in audit(collector)].count("configuration_refused") == 1


def test_outside_an_order_machines_are_answered_and_not_recorded(collector: Collector) -> None:
    """After an order that has ended is loaded: the operation's answer goes on, suppressed_window, recording 0, ready."""
    ended = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    write_operation(collector.folder / "operations", starts=ended - timedelta(days=59), ends=ended)
    collector.reload()
    wait_for("orders_loaded", collector, 2)
    time.sleep(0.2)
    assert b"malware" in exchange(collector.port, get())
    assert collector.settled_fates(1)["suppressed_window"] == 1
    ready = collector.ready()
    assert (ready["ready"], ready["recording"], ready["not_recording_because"]) == (
        True,
        False,
        ["no order in force"],
    )
    assert collector.metrics()["pentrap_recording"] == 0


def test_no_operation_at_all_still_answers(collector: Collector) -> None:
    """With every operation file gone the default answer goes out and nothing is recorded."""
    for path in (collector.folder / "operations").iterdir():
        path.unlink()
    collector.reload()
    wait_for("orders_loaded", collector, 2)
    time.sleep(0.2)
    assert exchange(collector.port, get()).startswith(b"HTTP/1.1 200")
    assert collector.settled_fates(1)["suppressed_scope"] == 1


def test_the_audit_file_tells_the_life_of_a_collector(collector: Collector) -> None:
    """Installed, started with its configuration, operation and order loaded, stopped with its counts; numbered without gaps;
    every text that is named is kept, and the checkpoint covers the last entry.
    """
    exchange(collector.port, get())
    collector.stop()
    entries = audit(collector)
    assert [entry["event"] for entry in entries] == [
        "installed",
        "started",
        "operation_loaded",
        "order_loaded",
        "orders_loaded",
        "stopped",
    ]
    assert [entry["number"] for entry in entries] == [1, 2, 3, 4, 5, 6]
    _, started, operation, order, loaded, stopped = entries
    folder = collector.data / "audit"
    assert texts.read(folder, started["configuration"]).decode() == collector.config.read_text()
    assert (
        texts.read(folder, operation["configuration"])
        == (collector.folder / "operations/op.toml").read_bytes()
    )
    assert texts.read(folder, operation["schedules"][0]["sha256"]).decode() == SCHEDULE
    assert (order["order"], order["kind"], order["fields"]) == ("op-1", "pen-trap", [])
    assert loaded["orders"] == 1
    assert (stopped["accepted"], stopped["fates"]["recorded"], stopped["open"], stopped["clean"]) == (
        1,
        1,
        0,
        True,
    )
    key = Verifier.parse(started["vkey"])
    assert open_checkpoint((folder / "checkpoint").read_bytes(), key).size == 6
