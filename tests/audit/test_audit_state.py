"""What stands beside the log, and what it adds up to: texts, people, readings, the ledger, the table of events."""

import ast
import gzip
import os
import re
import shutil

import pytest
from audit_world import NOON_US, ROOT, fill, key_of, let_go, python

from collector.audit import texts
from collector.audit.access import access, close_orphans
from collector.audit.events import EVENTS, check_facts
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.audit.people import People, caller
from collector.ground.errors import CorruptError

LONG = b"evil.example,family\n" * 4000


def test_a_text_is_kept_once_by_its_hash(tmp_path):
    """Short texts as they are, long ones compressed to the same bytes every time; 0600; read again whole."""
    short = b"x" * 65_535
    for content, suffix in ((b"", ""), (short, ""), (short + b"x", ".gz"), (LONG, ".gz")):
        digest = texts.keep(tmp_path, content)
        path = tmp_path / "texts" / f"{digest}{suffix}"
        assert path.stat().st_mode & 0o777 == 0o600
        stood = path.stat().st_ino
        assert texts.keep(tmp_path, content) == digest
        assert path.stat().st_ino == stood
        assert texts.read(tmp_path, digest) == content
        assert path.read_bytes() == (gzip.compress(content, 1, mtime=0) if suffix else content)
    assert len(texts.kept(tmp_path)) == len(os.listdir(tmp_path / "texts")) == 4
    (tmp_path / "texts" / ".tmp-x").write_bytes(b"")
    assert len(texts.kept(tmp_path)) == 4
    assert texts.kept(tmp_path) == sorted(texts.kept(tmp_path))
    assert texts.kept(tmp_path / "none") == []


@pytest.mark.parametrize("content", [b"short", LONG])
def test_a_text_that_is_another_is_refused(tmp_path, content):
    """Changed, cut, emptied: CorruptError with the place; gone: FileNotFoundError."""
    digest = texts.keep(tmp_path, content)
    (path,) = (tmp_path / "texts").iterdir()
    whole = path.read_bytes()
    for other in (
        b"",
        whole[:-1],
        whole[:4],
        b"y" + whole[1:],
        whole + b"y",
        whole[:60] + b"\xff\xff\xff" + whole[63:],
    ):
        path.write_bytes(other)
        with pytest.raises(
            CorruptError, match=r"read text: .*does not have the SHA-256 of its name\. Restore it"
        ):
            texts.read(tmp_path, digest)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=digest):
        texts.read(tmp_path, digest)


def test_people_have_one_id_until_they_are_forgotten(tmp_path):
    """A name has one id; erased, the id stays without a name and its owner gets another; nothing is erased twice."""
    people = People(tmp_path)
    assert people.read() == {}
    anna, bert = people.actor("anna"), people.actor("bert")
    assert anna != bert
    assert re.fullmatch(r"p-[0-9a-f]{8}", anna)
    assert people.actor("anna") == People(tmp_path).actor("anna") == anna
    assert people.erase(anna)
    assert not people.erase(anna)
    assert not people.erase("p-ffffffff")
    assert people.read() == {anna: {"name": "", "erased": True}, bert: {"name": "bert", "erased": False}}
    assert b"anna" not in (tmp_path / "access" / "people.json").read_bytes()
    again = people.actor("anna")
    assert again not in {anna, bert}
    assert people.actor("") == people.actor(caller())
    assert (tmp_path / "access" / "people.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "access" / "people.json").read_text().endswith("}\n")


def test_who_calls(monkeypatch):
    """The user of the process; behind sudo the person, and only where the process is root's; ids without a name as they are."""
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert caller() == "root"
    monkeypatch.setenv("SUDO_UID", "1")
    assert caller() == "daemon"
    monkeypatch.setenv("SUDO_UID", "4242424")
    assert caller() == "uid-4242424"
    for nonsense in ("", "x", "-1", "\u0661"):
        monkeypatch.setenv("SUDO_UID", nonsense)
        assert caller() == "root"
    monkeypatch.setenv("SUDO_UID", "0")
    monkeypatch.setattr(os, "getuid", lambda: 1)
    assert caller() == "daemon"


REGISTRAR = """
import sys
from pathlib import Path
from collector.audit.people import People
people = People(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print([people.actor(f"officer-{number % 10}") for number in range(40)])
"""


@pytest.mark.parametrize(
    "content", [b"", b'{"p-1": {"name"', b"[]", b'{"p-1": []}', b'{"p-1": {"name": ""}}', b"\xff"]
)
def test_a_damaged_register_is_told_and_left_alone(content, tmp_path):
    """Whoever asks hears which file it is and what to do; nobody writes over what may still hold names."""
    people = People(tmp_path)
    people.actor("anna")
    path = tmp_path / "access" / "people.json"
    path.write_bytes(content)
    for act in (people.read, lambda: people.actor("anna"), lambda: people.erase("p-1")):
        with pytest.raises(CorruptError, match=r"people\.json.*Restore it from a copy"):
            act()
    assert path.read_bytes() == content


def test_people_registered_at_once_by_three_processes(tmp_path):
    """Ten names, three processes: ten ids, the same for everybody."""
    running = [python(REGISTRAR, tmp_path) for _ in range(3)]
    said = let_go(running)
    assert len(set(said)) == 1
    assert said[0][1] == ""
    assert len(People(tmp_path).read()) == 10


def reading(data_dir, log, **more):
    """A reading of order o-1."""
    facts = {"operation": "o", "order": "o-1", "actor": "p-1", "reason": "review", "purpose": "open"}
    return access(data_dir, log, **(facts | more))


def test_a_reading_is_entered_before_and_after(tmp_path):
    """Opened with who and why before the body runs; closed with its duration and statements after, also after an error."""
    log = AuditLog(tmp_path / "audit", key_of())
    with reading(tmp_path, log) as session:
        (opened,) = read_entries(tmp_path / "audit")
        assert opened.event == "access_opened"
        assert opened.facts == {
            "session": session.name, "operation": "o", "order": "o-1", "actor": "p-1", "reason": "review", "purpose": "open",
        }  # fmt: skip
        assert re.fullmatch(r"s-[0-9a-f]{12}", session.name)
        assert os.listdir(tmp_path / "access" / "sessions") == [session.name]
        session.statements = 3
    with pytest.raises(RuntimeError, match="broke"), reading(tmp_path, log, purpose="return"):
        raise RuntimeError("broke")
    _, closed, _, broken = read_entries(tmp_path / "audit")
    assert closed.facts["end"] == broken.facts["end"] == "closed"
    assert closed.facts["statements"] == 3
    assert 0 <= closed.facts["duration_us"] < 60_000_000
    assert set(closed.facts) == {"session", "operation", "order", "end", "duration_us", "statements"}
    assert os.listdir(tmp_path / "access" / "sessions") == []
    assert close_orphans(tmp_path, log) == 0


def test_the_duration_is_in_microseconds(tmp_path):
    """A reading of 30 ms takes 30,000 µs or a little more."""
    import time

    log = AuditLog(tmp_path / "audit")
    with reading(tmp_path, log):
        time.sleep(0.03)
    assert 30_000 <= read_entries(tmp_path / "audit")[-1].facts["duration_us"] < 5_000_000


READER = """
import sys, time
from pathlib import Path
from collector.audit.access import access
from collector.audit.log import AuditLog
data = Path(sys.argv[1])
with access(data, AuditLog(data / "audit"), operation="o", order="o-1", actor="p-1", reason="r", purpose="open"):
    print("open", flush=True)
    time.sleep(60)
"""
CLOSER = """
import sys
from pathlib import Path
from collector.audit.access import close_orphans
from collector.audit.log import AuditLog
data = Path(sys.argv[1])
log = AuditLog(data / "audit")
print("ready", flush=True)
sys.stdin.readline()
print(close_orphans(data, log))
"""


def test_a_reading_cut_off_is_closed_once_as_of_unknown_end(tmp_path):
    """Alive, it is left alone; killed, it is closed with no duration: once, though three processes come for it together."""
    readers = [python(READER, tmp_path) for _ in range(3)]
    for one in readers:
        assert one.stdout.readline() == "open\n"
    log = AuditLog(tmp_path / "audit")
    assert close_orphans(tmp_path, log) == 0
    for one in readers[:2]:
        one.kill()
        one.wait()
    closers = [python(CLOSER, tmp_path) for _ in range(3)]
    assert sum(int(said) for said, _ in let_go(closers)) == 2
    ends = [entry.facts for entry in read_entries(tmp_path / "audit") if entry.event == "access_closed"]
    assert [end["end"] for end in ends] == ["unknown"] * 2
    assert [end["duration_us"] for end in ends] == [None] * 2
    assert len({end["session"] for end in ends}) == 2
    assert all((end["operation"], end["order"]) == ("o", "o-1") for end in ends)
    assert len(os.listdir(tmp_path / "access" / "sessions")) == 1
    readers[2].kill()
    readers[2].wait()
    shutil.rmtree(tmp_path / "access")
    assert close_orphans(tmp_path, log) == 1
    assert close_orphans(tmp_path, log) == 0
    assert Ledger.of(read_entries(tmp_path / "audit")).open_sessions == {}
    assert os.listdir(tmp_path / "access" / "sessions") == []


def test_whoever_knows_the_open_sessions_spares_the_log(tmp_path, monkeypatch):
    """With none, or one that is alive, the log is not read; with one whose process is gone it is, and a name that has long
    been closed enters nothing.
    """
    log = AuditLog(tmp_path / "audit")
    reads = []

    def counted(folder):
        reads.append(folder)
        return read_entries(folder)

    monkeypatch.setattr("collector.audit.access.read_entries", counted)
    with reading(tmp_path, log) as session:
        assert close_orphans(tmp_path, log, []) == 0
        assert close_orphans(tmp_path, log, [session.name]) == 0
        assert reads == []
    assert close_orphans(tmp_path, log, [session.name]) == 0
    reader = python(READER, tmp_path)
    assert reader.stdout.readline() == "open\n"
    reader.kill()
    reader.wait()
    (orphan,) = Ledger.of(read_entries(tmp_path / "audit")).open_sessions
    assert close_orphans(tmp_path, log, [session.name, orphan]) == 1
    assert read_entries(tmp_path / "audit")[-1].facts["session"] == orphan
    assert os.listdir(tmp_path / "access" / "sessions") == []


def test_a_reading_that_another_process_closed_meanwhile_is_not_closed_again(tmp_path, monkeypatch):
    """Between reading the log and taking the session's lock its end was entered: nothing more is."""
    log = AuditLog(tmp_path / "audit")
    with reading(tmp_path, log):
        stale = read_entries(tmp_path / "audit")
    told = [stale]
    monkeypatch.setattr(
        "collector.audit.access.read_entries", lambda folder: told.pop() if told else read_entries(folder)
    )
    assert close_orphans(tmp_path, log) == 0
    assert len(read_entries(tmp_path / "audit")) == 2
    assert os.listdir(tmp_path / "access" / "sessions") == []


def ledger_of(*acts) -> Ledger:
    """What entries (event, facts) add up to; an entry's number is its place."""
    return Ledger.of(
        Entry(number, NOON_US, event, facts, b"") for number, (event, facts) in enumerate(acts, 1)
    )


def numbers(state) -> dict[str, int]:
    """Entries of a dict of the ledger by their numbers."""
    return {key: entry.number for key, entry in state.items()}


def test_ledger_of_runs():
    """The first installation stays; a run is stopped or cut off; taken out of use, and installed again."""
    empty = ledger_of(("stopped", {}))
    assert (empty.installed, empty.uninstalled, empty.runs) == (None, None, [])
    ledger = ledger_of(
        ("installed", {}), ("started", {}), ("started", {}), ("stopped", {}), ("uninstalled", {})
    )
    assert ledger.installed.number == 1
    assert [(run.started.number, run.stopped and run.stopped.number) for run in ledger.runs] == [
        (2, None),
        (3, 4),
    ]
    assert ledger.uninstalled.number == 5
    again = ledger_of(("installed", {}), ("uninstalled", {}), ("installed", {}))
    assert (again.installed.number, again.uninstalled) == (1, None)


def test_ledger_of_orders():
    """Loaded, changed, ended, removed: the last word stands."""
    one = {"operation": "o", "order": "o-1", "kind": "pen-trap"}
    after = {**one, "ends": "later"}
    ended = {"operation": "o", "order": "o-1", "by": "terminated", "at": "now"}
    assert ledger_of(("order_loaded", one)).orders == {"o-1": one}
    changed = ledger_of(("order_loaded", one), ("order_changed", {**one, "before": one, "after": after}))
    assert changed.orders == {"o-1": after}
    assert ledger_of(("order_loaded", one), ("order_ended", ended)).orders == {
        "o-1": {**one, "terminated": "now"}
    }
    assert "terminated" not in one
    unknown = ledger_of(("order_ended", ended)).orders
    assert unknown == {"o-1": {"operation": "o", "order": "o-1", "terminated": "now"}}
    assert ledger_of(("order_loaded", one), ("order_removed", one), ("order_removed", one)).orders == {}
    loaded = ("operation_loaded", {"operation": "o"})
    assert numbers(ledger_of(loaded, loaded).operations) == {"o": 2}
    assert (
        ledger_of(
            loaded, ("operation_removed", {"operation": "o"}), ("operation_removed", {"operation": "x"})
        ).operations
        == {}
    )
    assert ledger_of(("orders_loaded", {}), ("orders_loaded", {})).rules.number == 2


def test_ledger_of_acts():
    """Readings, returns, deliveries, holds, quarantine, deletions, each as the last entry of it says."""
    opened = [("access_opened", {"session": name}) for name in "st"]
    closed = [("access_closed", {"session": name}) for name in "su"]
    assert numbers(ledger_of(*opened, *closed).open_sessions) == {"t": 2}
    assert numbers(
        ledger_of(("returned", {"bundle_sha256": "a"}), ("returned", {"bundle_sha256": "b"})).returned
    ) == {"a": 1, "b": 2}
    delivered = ("delivered", {"orders": ["o-1", "o-2"]})
    assert numbers(ledger_of(delivered, ("delivered", {"orders": ["o-2"]})).delivered) == {"o-1": 1, "o-2": 2}
    held = ("hold_set", {"order": "o-1"})
    assert numbers(ledger_of(held).holds) == {"o-1": 1}
    assert ledger_of(held, ("hold_lifted", {"order": "o-1"}), ("hold_lifted", {"order": "x"})).holds == {}
    aside = ("quarantined", {"segment": "s"})
    assert numbers(ledger_of(aside).quarantined) == {"s": 1}
    assert ledger_of(aside, ("released", {"segment": "s"}), ("released", {"segment": "x"})).quarantined == {}
    gone = ("deleted", {"files": [{"name": "a"}, {"name": "b"}], "why": "retention"})
    assert numbers(ledger_of(gone).deleted) == {"a": 1, "b": 1}
    assert ledger_of(("name_erased", {}), ("clock_believed", {})) == Ledger()


def test_facts_of_an_entry_are_its_kinds(tmp_path):
    """Every kind: with its facts it is taken, with the optional ones too; without any one of them, or with another, not."""
    for event, kind in EVENTS.items():
        assert kind.words
        assert not kind.facts & kind.optional
        check_facts(event, set(kind.facts))
        check_facts(event, kind.facts | kind.optional)
        for fact in kind.facts:
            with pytest.raises(
                ValueError, match=rf"audit entry {event}: missing \['{fact}'\], not of its kind \[\]"
            ):
                check_facts(event, kind.facts - {fact})
        with pytest.raises(
            ValueError, match=rf"audit entry {event}: missing \[\], not of its kind \['path'\]"
        ):
            check_facts(event, kind.facts | {"path"})
    with pytest.raises(ValueError, match="of an unknown kind: nonsense"):
        check_facts("nonsense", set())
    assert not {"number", "time", "event"} & set().union(
        *(kind.facts | kind.optional for kind in EVENTS.values())
    )


def test_the_table_and_the_source_name_the_same_events():
    """Every literal event that a module appends is in the table with these facts, and every kind in the table is entered."""
    named: set[str] = set()
    appended = 0
    for path in (ROOT / "collector").rglob("*.py"):
        if path.relative_to(ROOT / "collector").as_posix() in {
            "audit/events.py",
            "audit/ledger.py",
            "audit/check.py",
        }:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in EVENTS:
                named.add(node.value)
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "append"
            ):
                continue
            if len(node.args) < 2 or not isinstance(node.args[0], ast.Constant):
                continue
            event, facts = node.args[0].value, {keyword.arg for keyword in node.keywords}
            appended += 1
            assert event in EVENTS, f"{path}:{node.lineno}"
            assert facts - {None} <= EVENTS[event].facts | EVENTS[event].optional, f"{path}:{node.lineno}"
            if None not in facts:
                check_facts(event, facts)
    assert appended >= 10
    assert set(EVENTS) == named, f"in the table and entered by nobody: {sorted(set(EVENTS) - named)}"


def test_no_fact_is_named_like_content():
    """Closed kinds, closed facts: no entry has room for what the wire says (law.md L-11)."""
    facts = set().union(*(kind.facts | kind.optional for kind in EVENTS.values()))
    assert not facts & {"host", "path", "address", "src_ip", "domain", "header", "body", "cookie", "name"}


def test_filling_is_what_it_says(tmp_path):
    """The tests' own log: so many entries, all different."""
    log = AuditLog(tmp_path)
    fill(log, 7)
    assert len({entry.line for entry in read_entries(tmp_path)}) == log.size == 7
