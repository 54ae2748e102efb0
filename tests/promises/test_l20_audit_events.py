"""L-20: what a collector does stands in its audit log, written by the machine: when, what, who, with the configuration's text.

Here: installed, started, loaded, changed, refused, ended, stopped, cut off, with a real collector. Readings, returns, deletions
and quarantine are entered by their commands, whose own tests show it; the table of kinds is held against the source
in tests/audit/test_audit_state.py.
"""

import hashlib
import json
import os
import subprocess
import time
from datetime import UTC, datetime

from collectors import PENTRAP, exchange, get, running, write_operation

from collector.audit import texts
from collector.audit.log import Entry, read_entries
from collector.audit.people import People


def verify(*words: object) -> tuple[int, str]:
    """`pentrap verify`: its exit code and what it said."""
    done = subprocess.run([PENTRAP, "verify", *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def wait_for(audit, event: str, count: int) -> list[Entry]:
    """The entries, once there are so many of a kind."""
    until = time.monotonic() + 20
    while True:
        entries = read_entries(audit)
        if sum(entry.event == event for entry in entries) >= count:
            return entries
        assert time.monotonic() < until, [entry.event for entry in entries]
        time.sleep(0.05)


def test_l20_a_collectors_life_is_in_its_log(tmp_path):
    """Installed, started, operation and order loaded, rules put in force, then a changed schedule, a refused file, the order
    terminated, a clean stop, a run cut off by kill -9: each an entry, in this order, by the user who started it, each text
    kept under the hash that is named; and the whole log verifies.
    """
    audit = tmp_path / "data" / "audit"
    before = time.time_ns() // 1000
    with running(tmp_path) as collector:
        operation = tmp_path / "operations" / "op.toml"
        entries = wait_for(audit, "orders_loaded", 1)
        events = [entry.event for entry in entries]
        assert events[:2] == ["installed", "started"]
        assert events.index("operation_loaded") < events.index("order_loaded") < events.index("orders_loaded")
        started, loaded = entries[1].facts, entries[events.index("operation_loaded")].facts
        assert texts.read(audit, started["configuration"]) == collector.config.read_bytes()
        assert started["vkey"] == (audit / "vkey").read_text().strip()
        assert started["previous"] == "none"
        name = People(tmp_path / "data").read()[started["actor"]]["name"]
        assert (
            name == subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        )
        assert name not in (audit / "log.jsonl").read_text()
        assert texts.read(audit, loaded["configuration"]) == operation.read_bytes()
        order = entries[events.index("order_loaded")].facts
        assert (order["operation"], order["order"], order["kind"]) == ("op", "op-1", "pen-trap")
        exchange(collector.port, get())

        with (tmp_path / "operations" / "op.csv").open("a") as file:
            file.write("evil-three.com,andromeda,redirect,reg-a,,\n")
        collector.reload()
        entries = wait_for(audit, "operation_loaded", len([e for e in events if e == "operation_loaded"]) + 1)
        kept = (tmp_path / "operations" / "op.csv").read_bytes()
        last = [entry for entry in entries if entry.event == "operation_loaded"][-1].facts
        assert hashlib.sha256(kept).hexdigest() in json.dumps(last["schedules"])
        assert texts.read(audit, hashlib.sha256(kept).hexdigest()) == kept

        good = operation.read_text()
        operation.write_text(good + "\nnonsense = 1\n")
        collector.reload()
        wait_for(audit, "configuration_refused", 1)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        operation.write_text(good.replace("retention_days", f"terminated = {now}\nretention_days"))
        collector.reload()
        ended = [entry for entry in wait_for(audit, "order_ended", 1) if entry.event == "order_ended"]
        assert (ended[0].facts["by"], ended[0].facts["order"]) == ("terminated", "op-1")
        assert collector.stop() == 0
        entries = read_entries(audit)
        assert entries[-1].event == "stopped"
        assert entries[-1].facts["fates"]["recorded"] == entries[-1].facts["accepted"] == 1
        assert entries[-1].facts["clean"] is True

        collector.start()
        wait_for(audit, "started", 2)
        collector.kill()
        collector.start()
        runs = [
            entry.facts["previous"] for entry in wait_for(audit, "started", 3) if entry.event == "started"
        ]
        assert runs == ["none", "stopped", "cut off"]
        assert collector.stop() == 0
    entries = read_entries(audit)
    assert [entry.event for entry in entries].count("installed") == 1
    assert all(before <= entry.time_us <= time.time_ns() // 1000 for entry in entries)
    code, said = verify(tmp_path / "data")
    assert code == 0, said
    assert f"{len(entries)} entries, {len(entries)} signed" in said
    assert verify("--config", collector.config)[0] == 0


def test_l20_secrets_and_names_are_not_in_the_log(tmp_path):
    """No key, no court, docket or officer: aliases in the entries; the texts beside them are the operator's own files."""
    with running(tmp_path, environment={"PENTRAP_INTAKE__HEAD_DEADLINE_SECONDS": "2"}) as collector:
        assert collector.stop() == 0
    log = (tmp_path / "data" / "audit" / "log.jsonl").read_text()
    for word in ("SEALED-COURT", "SEALED-DOCKET", "Officer A", "OPENSSH", "evil-one"):
        assert word not in log
    started = next(entry for entry in read_entries(tmp_path / "data" / "audit") if entry.event == "started")
    assert started.facts["overrides"] == {"PENTRAP_INTAKE__HEAD_DEADLINE_SECONDS": "2"}


def test_l20_a_day_and_a_segment_are_verified_by_what_they_are(tmp_path):
    """A real day's folder and a real segment: 0 as they stand; 1 and the place with a byte changed once the marker names it."""
    from datetime import timedelta

    from collector.segments.catalogue import days, seal_day, segments_of

    write_operation(tmp_path / "operations")
    with running(tmp_path) as collector:
        for _ in range(3):
            exchange(collector.port, get())
        collector.settled_fates(3)
        assert collector.stop() == 0
    data = tmp_path / "data"
    (day, *_) = days(data)
    folder = data / "segments" / f"date={day.isoformat()}"
    segment = segments_of(data, day)[0].path(data)
    code, said = verify(folder, segment)
    assert code == 0, said
    assert "its day is not sealed yet" in said
    sealed_at = datetime.now(UTC) + timedelta(days=1)
    seal_day(data, "test-1", day, sealed_at=sealed_at, kernel_dropped={"tcp": 0, "udp": 0})
    code, said = verify(folder, segment, data)
    assert (code, "1 markers" in said) == (0, True), said
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes(bytes(content))
    for path in (folder, segment, data):
        code, said = verify(path)
        assert code == 1, said
        assert f"{segment.relative_to(data)}\n" in said
        assert "as it was sealed" in said
    segment.unlink()
    code, said = verify(folder)
    assert (code, "lost" in said) == (1, True), said
    os.mkdir(tmp_path / "elsewhere")
    os.rename(folder, tmp_path / "elsewhere" / folder.name)
    code, said = verify(tmp_path / "elsewhere" / folder.name)
    assert (code, "segments/date=YYYY-MM-DD" in said) == (2, True), said
