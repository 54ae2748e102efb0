"""The audit log: an entry is on disk before its act, numbers go on over deaths and processes, a foreign log is refused."""

import json
import os
import shutil

import pytest
from audit_world import NOON_US, contents, files_end_at, fill, key_of, let_go, python, story

from collector.audit.check import check_log
from collector.audit.log import LOG_NAME, AuditLog, make_entry, parse_entry, read_entries
from collector.audit.note import Checkpoint, open_checkpoint
from collector.audit.tiles import ENTRY_MAX
from collector.audit.tree import EMPTY, leaf_hash, root
from collector.ground.errors import CorruptError

KEY = key_of()


def lines(folder) -> list[bytes]:
    """The lines of the log as they stand."""
    return (folder / LOG_NAME).read_bytes().split(b"\n")[:-1]


def signed(folder) -> Checkpoint:
    """The checkpoint as it stands."""
    return open_checkpoint((folder / "checkpoint").read_bytes(), KEY.verifier)


def sound(folder) -> bool:
    """Whether the whole log is as it should be, and all of it signed."""
    check = check_log(folder, KEY.verifier)
    return not check.findings and check.signed == len(check.entries)


def test_an_entry_is_one_line(tmp_path):
    """The first line to the byte; times in microseconds, numbers from 1, the first entry's time is the installation's."""
    log = AuditLog(tmp_path)
    entry = log.append("configuration_refused", NOON_US + 1, problems=3)
    text = b'{"number":1,"time":"2026-11-22T12:00:00.000001Z","event":"configuration_refused","problems":3}'
    assert lines(tmp_path) == [text]
    assert entry == (1, NOON_US + 1, "configuration_refused", {"problems": 3}, text)
    assert parse_entry(text) == entry
    assert log.installed_us == NOON_US + 1
    assert log.size == 1
    assert log.checkpoint is None
    assert not (tmp_path / "checkpoint").exists()
    assert (tmp_path / LOG_NAME).stat().st_mode & 0o777 == 0o600


def test_with_the_key_each_entry_is_signed_at_once(tmp_path):
    """After each append the checkpoint says how many entries there are and their root; the key's text stands beside it."""
    log = AuditLog(tmp_path, KEY)
    assert log.checkpoint == Checkpoint("pentrap/sinkhole-1", 0, EMPTY)
    for count in range(1, 12):
        fill(log, 1, count)
        assert signed(tmp_path) == log.checkpoint == Checkpoint(
            "pentrap/sinkhole-1", count, root([leaf_hash(line) for line in lines(tmp_path)])
        )  # fmt: skip
    assert (tmp_path / "vkey").read_text() == KEY.verifier.text + "\n"
    assert sound(tmp_path)


def test_numbers_go_on_after_a_restart(tmp_path):
    """Any number of openings, with the key and without: numbers without a gap, and the key's holder signs the rest."""
    for start in range(6):
        log = AuditLog(tmp_path, KEY if start % 2 else None)
        assert log.size == start * 2
        fill(log, 2, start * 2)
        log.close()
    assert [entry.number for entry in read_entries(tmp_path)] == list(range(1, 13))
    assert AuditLog(tmp_path).installed_us == NOON_US
    assert sound(tmp_path)
    fill(AuditLog(tmp_path), 1)
    assert signed(tmp_path).size == 12
    log = AuditLog(tmp_path, KEY)
    assert log.sign()
    assert not log.sign()
    assert signed(tmp_path).size == 13
    assert sound(tmp_path)


def test_sign_takes_in_what_others_appended(tmp_path):
    """A holder of the key that has been open all along signs what another process appended without it."""
    holder, other = AuditLog(tmp_path, KEY), AuditLog(tmp_path)
    assert not other.sign()
    fill(holder, 1)
    fill(other, 2)
    assert signed(tmp_path).size == 1
    assert holder.sign()
    assert signed(tmp_path).size == 3
    fill(holder, 1)
    fill(other, 1)
    assert [entry.number for entry in read_entries(tmp_path)] == [1, 2, 3, 4, 5]
    AuditLog(tmp_path, KEY).sign()
    assert sound(tmp_path)


APPENDER = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/audit")
from audit_world import fill, key_of
from collector.audit.log import AuditLog
log = AuditLog(Path(sys.argv[1]), key_of() if sys.argv[2] == "key" else None)
print("ready", flush=True)
sys.stdin.readline()
fill(log, 150, int(sys.argv[3]))
"""


def test_processes_that_append_at_once_take_turns(tmp_path):
    """Three processes, one without the key, 450 entries: each there once, numbered without a gap, all signed after `sign`."""
    running = [python(APPENDER, tmp_path, "key" if number else "none", number * 1000) for number in range(3)]
    assert let_go(running) == [("", "")] * 3
    found = read_entries(tmp_path)
    assert [entry.number for entry in found] == list(range(1, 451))
    expected = sorted(number * 1000 + at for number in range(3) for at in range(150))
    assert sorted(entry.facts["problems"] for entry in found) == expected
    AuditLog(tmp_path, KEY).sign()
    assert sound(tmp_path)


@pytest.mark.parametrize("key", [None, KEY], ids=["without key", "with key"])
def test_a_log_cut_at_every_byte_of_its_unsigned_end_keeps_the_whole_lines(tmp_path, key):
    """Whatever part of a line a crash left: it is cut, what is before it stands, and its number is used again."""
    fill(AuditLog(tmp_path / "audit", key), 2)
    kept = len((tmp_path / "audit" / LOG_NAME).read_bytes())
    fill(AuditLog(tmp_path / "audit"), 2, 2)
    whole = (tmp_path / "audit" / LOG_NAME).read_bytes()
    for cut in range(kept, len(whole) + 1):
        folder = tmp_path / "cut"
        shutil.copytree(tmp_path / "audit", folder)
        (folder / LOG_NAME).write_bytes(whole[:cut])
        again = AuditLog(folder, key)
        left = whole[: whole[:cut].rfind(b"\n") + 1]
        assert (folder / LOG_NAME).read_bytes() == left
        assert again.size == left.count(b"\n")
        fill(again, 1, 9)
        again.close()
        found = read_entries(folder)
        assert [entry.number for entry in found] == list(range(1, len(found) + 1))
        assert found[-1].facts["problems"] == 9
        shutil.rmtree(folder)


def test_a_torn_line_of_another_process_is_cut_before_the_next_entry(tmp_path):
    """It died in the middle of a line while this log was open: the line goes, its number is used by the next entry."""
    log = AuditLog(tmp_path, KEY)
    fill(log, 2)
    with (tmp_path / LOG_NAME).open("ab") as file:
        file.write(b'{"number":3,"time":')
    fill(log, 1, 7)
    assert [entry.facts["problems"] for entry in read_entries(tmp_path)] == [0, 1, 7]
    assert sound(tmp_path)


def refuse(folder, words, key=KEY):
    """Opening says these words, and nothing in the folder changes."""
    before = contents(folder)
    with pytest.raises(CorruptError, match=words) as caught:
        AuditLog(folder, key)
    assert "open audit log" in str(caught.value)
    assert "tell counsel" in str(caught.value)
    assert contents(folder) == before


def test_a_log_that_is_not_its_checkpoints_is_refused_at_opening(tmp_path):
    """Shortened, changed in any line, emptied or gone; another key's checkpoint, or a broken one: nothing is appended."""
    folder = tmp_path
    fill(AuditLog(folder, KEY), 5)
    whole = (folder / LOG_NAME).read_bytes()
    every = whole.splitlines(keepends=True)
    for count in range(5):
        (folder / LOG_NAME).write_bytes(b"".join(every[:count]))
        refuse(folder, f"{count} entries: are fewer than the 5 of its checkpoint")
    for place in range(5):
        changed = [*every[:place], every[place].replace(b"2026", b"2025"), *every[place + 1 :]]
        (folder / LOG_NAME).write_bytes(b"".join(changed))
        refuse(folder, "entry 5 or one before it: is not what the checkpoint was signed over")
        (folder / LOG_NAME).write_bytes(b"".join([*changed, every[0]]))
        refuse(folder, "entry 5 or one before it")
    (folder / LOG_NAME).write_bytes(whole)
    refuse(folder, "no signature by the key that was given; the key may have been replaced", key_of(2))
    checkpoint = (folder / "checkpoint").read_bytes()
    for broken in (b"", checkpoint[:-1], checkpoint.replace(b"\n5\n", b"\n6\n")):
        (folder / "checkpoint").write_bytes(broken)
        refuse(folder, "checkpoint: a")
    (folder / "checkpoint").write_bytes(checkpoint)
    assert AuditLog(folder, KEY).size == 5


def test_a_log_that_is_changed_while_it_is_open_is_refused_for_good(tmp_path):
    """Cut back or continued by a forger: this and every later append of the process is refused, nothing is written."""
    log = AuditLog(tmp_path / "short", KEY)
    fill(log, 3)
    whole = (tmp_path / "short" / LOG_NAME).read_bytes()
    os.truncate(tmp_path / "short" / LOG_NAME, len(whole) - 10)
    for _ in range(2):
        with pytest.raises(CorruptError, match=f"is shorter than the {len(whole)} bytes that were there"):
            fill(log, 1)
    assert (tmp_path / "short" / LOG_NAME).read_bytes() == whole[:-10]
    log = AuditLog(tmp_path / "forged", KEY)
    fill(log, 3)
    forged = Checkpoint(KEY.origin, 4, bytes(32))
    with (tmp_path / "forged" / LOG_NAME).open("ab") as file:
        file.write(make_entry(4, NOON_US, "stopped", {}).line + b"\n")
    (tmp_path / "forged" / "checkpoint").write_bytes(KEY.sign(forged.text))
    before = contents(tmp_path / "forged")
    for act in (lambda: fill(log, 1), log.sign, lambda: fill(log, 1)):
        with pytest.raises(CorruptError, match="entry 4 or one before it"):
            act()
    assert contents(tmp_path / "forged") == before


def test_what_the_table_does_not_know_is_not_entered(tmp_path):
    """Unknown kinds, missing and strange facts, and entries too long: ValueError, and the log is as before."""
    log = AuditLog(tmp_path, KEY)
    fill(log, 1)
    before = contents(tmp_path)
    for event, facts in (
        ("nonsense", {}),
        ("configuration_refused", {}),
        ("configuration_refused", {"problems": 1, "path": "/"}),
    ):
        with pytest.raises(ValueError, match=event):
            log.append(event, NOON_US, **facts)
    with pytest.raises(
        ValueError, match=r"audit entry configuration_refused of 65536 bytes, expected at most 65535"
    ):
        log.append("configuration_refused", NOON_US, problems="x" * (ENTRY_MAX - 94))
    assert contents(tmp_path) == before
    log.append("configuration_refused", NOON_US, problems="x" * (ENTRY_MAX - 95))
    assert len(lines(tmp_path)[1]) == ENTRY_MAX
    assert sound(tmp_path)


def test_an_entry_that_does_not_fit_on_the_disk_is_undone(tmp_path):
    """The file may not grow any more (EFBIG, for real): no part of a line stays, and the next append has its number."""
    log = AuditLog(tmp_path, KEY)
    fill(log, 1)
    before = contents(tmp_path)
    size = len(before[LOG_NAME])
    for room in (0, 1, 20, 60, 93):
        with files_end_at(size + room), pytest.raises(OSError, match=r"short write|too large"):
            fill(log, 1)
        assert contents(tmp_path) == before
        assert log.size == 1
    fill(log, 1, 5)
    assert [entry.number for entry in read_entries(tmp_path)] == [1, 2]
    assert sound(tmp_path)


def test_an_entry_stands_though_its_checkpoint_cannot_be_written(tmp_path):
    """The folder takes no new file: the entry is there, the checkpoint is made good by `sign` or the next entry."""
    log = AuditLog(tmp_path, KEY)
    fill(log, 3)
    shutil.move(tmp_path / "tile", tmp_path / "aside")
    (tmp_path / "tile").write_bytes(b"in the way")
    fill(log, 2, 3)
    assert len(lines(tmp_path)) == 5
    assert signed(tmp_path).size == 3
    with pytest.raises(OSError, match=r"exists|directory"):
        log.sign()
    (tmp_path / "tile").unlink()
    shutil.move(tmp_path / "aside", tmp_path / "tile")
    assert log.sign()
    assert sound(tmp_path)


def test_a_disk_that_is_full_at_the_256th_entry_costs_no_number(tmp_path):
    """The first whole tile does not fit (8 KiB, EFBIG): the entry stands, the next has the next number, all is made good."""
    log = AuditLog(tmp_path, KEY)
    fill(log, 255)
    size = len((tmp_path / LOG_NAME).read_bytes())
    assert size > 8192
    os.truncate(tmp_path / LOG_NAME, size)
    shutil.move(tmp_path / "tile" / "0", tmp_path / "aside")
    (tmp_path / "tile" / "0").write_bytes(b"in the way")
    fill(log, 3, 255)
    assert signed(tmp_path).size == 255
    (tmp_path / "tile" / "0").unlink()
    shutil.move(tmp_path / "aside", tmp_path / "tile" / "0")
    fill(log, 1, 258)
    assert [entry.number for entry in read_entries(tmp_path)] == list(range(1, 260))
    assert sound(tmp_path)


def test_facts_cannot_break_the_line(tmp_path):
    """Whatever a fact holds (newlines, quotes, any Unicode of an officer's reason): one entry is one line of ASCII."""
    log = AuditLog(tmp_path, KEY)
    nasty = 'line\nbreak "quoted" \u2028 \u0000 \udc80 münchen'
    log.append("uninstalled", NOON_US, actor="p-1", reason=nasty)
    raw = (tmp_path / LOG_NAME).read_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == 1
    assert json.loads(raw)["reason"] == nasty
    assert read_entries(tmp_path)[0].facts["reason"] == nasty
    assert sound(tmp_path)


GOOD = b'{"number":1,"time":"2026-11-22T12:00:00.000000Z","event":"stopped","open":0}'


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", "no audit entry"),
        (b"\xff", "no audit entry"),
        (b"[]", "no audit entry"),
        (b"1", "no audit entry"),
        (b"{}", "no audit entry"),
        (b"[" * 60_000, "no audit entry"),
        (GOOD[:-1], "no audit entry"),
        (GOOD.replace(b'"number":1,', b""), "no audit entry"),
        (GOOD.replace(b'"event":"stopped",', b""), "no audit entry"),
        (GOOD.replace(b"2026-11-22T", b"2026-13-22T"), "no audit entry"),
        (GOOD.replace(b"00.000000Z", b"00.000000"), "no audit entry"),
        (GOOD.replace(b'"2026-11-22T12:00:00.000000Z"', b"7"), "no audit entry"),
        (GOOD.replace(b'"number":1', b'"number":"1"'), "without its number or event"),
        (GOOD.replace(b'"number":1', b'"number":true'), "without its number or event"),
        (GOOD.replace(b'"number":1', b'"number":1.0'), "without its number or event"),
        (GOOD.replace(b'"stopped"', b"null"), "without its number or event"),
    ],
)
def test_what_is_no_entry(tmp_path, line, words):
    """Each line that is no entry is said to be none, with its place."""
    with pytest.raises(ValueError, match=words):
        parse_entry(line)
    (tmp_path / LOG_NAME).write_bytes(GOOD + b"\n" + line + b"\n")
    with pytest.raises(CorruptError, match=f"line 2: .*{words}"):
        read_entries(tmp_path)


def test_reading_entries_passes_over_an_unfinished_line(tmp_path):
    """No log is no entries; a line without its end is not read."""
    assert read_entries(tmp_path) == []
    (tmp_path / LOG_NAME).write_bytes(GOOD)
    assert read_entries(tmp_path) == []
    (tmp_path / LOG_NAME).write_bytes(GOOD + b"\n" + GOOD[:9])
    (entry,) = read_entries(tmp_path)
    assert (entry.number, entry.time_us, entry.event, entry.facts) == (1, NOON_US, "stopped", {"open": 0})


def test_an_opening_clears_what_a_crash_left_but_no_text_in_the_making(tmp_path):
    """Temporaries of checkpoint and tiles go; those of texts, which are written without the lock, stay."""
    story(tmp_path, KEY, 5)
    (tmp_path / ".tmp-checkpoint").write_bytes(b"")
    (tmp_path / "tile" / "0" / ".tmp-x").write_bytes(b"")
    (tmp_path / "texts" / ".tmp-y").write_bytes(b"half")
    AuditLog(tmp_path, KEY)
    assert [path.name for path in tmp_path.rglob(".tmp-*")] == [".tmp-y"]


def test_no_descriptor_is_left_behind(tmp_path):
    """Two descriptors while open, none after `close`, refused openings included."""
    before = len(os.listdir("/proc/self/fd"))
    log = AuditLog(tmp_path, KEY)
    fill(log, 3)
    with files_end_at(10), pytest.raises(OSError, match=r"large|short"):
        fill(log, 1)
    assert len(os.listdir("/proc/self/fd")) == before + 2
    log.close()
    log.close()
    assert len(os.listdir("/proc/self/fd")) == before
    for _ in range(20):
        with pytest.raises(CorruptError):
            AuditLog(tmp_path, key_of(2))
    assert len(os.listdir("/proc/self/fd")) == before


SYNC_FAILS = """
import sys
from pathlib import Path
sys.path.insert(0, "tests/audit")
from audit_world import fill, key_of
from collector.audit.log import AuditLog
log = AuditLog(Path(sys.argv[1]), key_of())
fill(log, 2)
outcomes = []
for number in range(4):
    try:
        fill(log, 1, 10 + number)
        outcomes.append(number)
    except OSError as error:
        outcomes.append(error.errno)
print(outcomes)
"""


def test_an_entry_whose_sync_fails_is_undone_and_the_next_one_has_its_number(tmp_path):
    """The third fdatasync says EIO (injected by strace): that append raises, leaves nothing, and the next one works."""
    trace = (
        "strace",
        "-f",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=3",
    )
    process = python(SYNC_FAILS, tmp_path, before=trace)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.strip() == "[5, 1, 2, 3]"
    assert [entry.facts["problems"] for entry in read_entries(tmp_path)] == [0, 1, 11, 12, 13]
    assert [entry.number for entry in read_entries(tmp_path)] == [1, 2, 3, 4, 5]
    assert sound(tmp_path)
