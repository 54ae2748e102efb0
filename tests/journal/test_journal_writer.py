"""The writer against a disk that says no, for real: short writes, full file systems, failing syncs, refused names."""

import contextlib
import errno
import json
import re
import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journal_world import DAY, DAY_US, NOON_US, OTHER_RULES, RECORD, RULES, records, served

from collector.journal import writer
from collector.journal.format import BLOCK_SIZE, read_journal
from collector.journal.names import list_journals
from collector.journal.recover import recover
from collector.journal.writer import RETRY_US, Batch, Journal

SECOND = 1_000_000


def journal_at(root: Path, *, sync: bool = False, seal_us: int = 60 * SECOND) -> Journal:
    """A worker's journal that seals after a minute and keeps a day's stream ten seconds beyond midnight."""
    return Journal(root, "sinkhole-1", 0, sync=sync, seal_us=seal_us, settle_us=10 * SECOND)


def batch_of(raw: bytes, day: int = DAY, rules: str = RULES) -> Batch:
    """A batch that holds these records."""
    batch = Batch(day, rules)
    batch.count = len(raw) // RECORD
    while batch.room < batch.count:
        batch.grow()
    batch.buffer[BLOCK_SIZE : BLOCK_SIZE + len(raw)] = raw
    return batch


def in_journals(root: Path) -> list[bytes]:
    """Every record that the clerk would get, in order; the files must all be sealed."""
    found = []
    for path, name in list_journals(root):
        assert name.last is not None
        journal = read_journal(path, name.last + 1)
        assert (journal.corrupt_blocks, journal.header_damaged) == (0, False)
        found += served(journal).values()
    return found


@contextlib.contextmanager
def files_at_most(size: int):
    """No file of this process grows beyond `size`: the kernel writes what fits and then says EFBIG (Python ignores SIGXFSZ)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 64 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount a small file system here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@settings(max_examples=60, deadline=None)
@given(
    batches=st.lists(
        st.tuples(
            st.integers(1, 300), st.sampled_from([DAY, DAY + 1]), st.sampled_from([RULES, OTHER_RULES])
        ),
        max_size=12,
    ),
    roll_after=st.sets(st.integers(0, 11)),
)
def test_what_was_committed_is_what_is_read(tmp_path_factory, batches, roll_after):
    """Any batches of two days and two rules, rolled anywhere: each record once, in a file of its day and its rules."""
    root = tmp_path_factory.mktemp("journal")
    journal = journal_at(root, seal_us=5 * SECOND)
    midnight = (DAY + 1) * DAY_US
    wanted: dict[tuple[int, str], list[bytes]] = {}
    number = 0
    for place, (count, day, rules) in enumerate(batches):
        raw = records(number, count)
        number += count
        assert journal.commit(batch_of(raw, day, rules), midnight)
        wanted.setdefault((day, rules), []).extend(raw[at : at + RECORD] for at in range(0, len(raw), RECORD))
        if place in roll_after:
            journal.roll(midnight + 5 * SECOND)
    journal.close()
    found: dict[tuple[int, str], list[bytes]] = {}
    ranges: dict[str, list[tuple[int, int]]] = {}
    for path, name in list_journals(root):
        one = read_journal(path)
        assert [(run.first, run.last) for run in one.runs] == [(name.first, name.last)]
        found.setdefault((one.header.day, one.header.rules), []).extend(served(one).values())
        ranges.setdefault(name.stream, []).append((name.first, name.last))
    assert found == wanted
    assert journal.written == number
    for spans in ranges.values():
        assert [first for first, _ in spans] == [0, *(last + 1 for _, last in spans[:-1])]
    assert len(ranges) == len({day for _, day, _ in batches})


def test_a_file_rolls_by_age_by_size_and_by_a_clock_set_back(tmp_path, monkeypatch):
    """The open file is sealed when it is old, when it is large, or when the clock shows a time before it was opened."""
    monkeypatch.setattr(writer, "ROLL_BYTES", 5000)
    journal = journal_at(tmp_path)
    number = 0

    def after(now_us: int, count: int = 1) -> int:
        nonlocal number
        assert journal.commit(batch_of(records(number, count)), NOON_US)
        number += count
        journal.roll(now_us)
        return len([1 for _, name in list_journals(tmp_path) if name.last is not None])

    assert after(NOON_US + 60 * SECOND - 1) == 0
    assert after(NOON_US + 60 * SECOND) == 1
    assert after(NOON_US, 100) == 2
    assert after(NOON_US - 1) == 3
    journal.close()
    assert len(in_journals(tmp_path)) == number


def test_two_days_are_two_streams_and_midnight_ends_the_first(tmp_path):
    """Records of two days never share a file, and the old day's stream ends once its stragglers' time is over."""
    journal = journal_at(tmp_path)
    midnight = (DAY + 1) * DAY_US
    assert journal.commit(batch_of(records(0, 2)), midnight - 1)
    assert journal.commit(batch_of(records(10, 1), DAY + 1), midnight)
    assert journal.commit(batch_of(records(2, 1)), midnight + 1)  # a straggler: it arrived before midnight
    journal.roll(midnight + 10 * SECOND - 1)
    assert [name.last for _, name in list_journals(tmp_path)] == [None, None]
    journal.roll(midnight + 10 * SECOND)
    assert [name.last for _, name in list_journals(tmp_path)] == [2, None]
    journal.close()
    days = {name.stream: read_journal(path).header.day for path, name in list_journals(tmp_path)}
    assert sorted(days.values()) == [DAY, DAY + 1]


def test_two_streams_begun_in_one_microsecond_have_two_names(tmp_path):
    """One clock reading may begin two days' streams; their names still differ."""
    journal = journal_at(tmp_path)
    assert journal.commit(batch_of(records(0, 1)), NOON_US)
    assert journal.commit(batch_of(records(1, 1), DAY + 1), NOON_US)
    journal.close()
    assert len({name.stream for _, name in list_journals(tmp_path)}) == 2


def test_a_short_write_loses_its_batch_and_nothing_before_it(tmp_path):
    """EFBIG in the middle of a block, in the new file too: False, nothing of the block stays, what was before is whole."""
    journal = journal_at(tmp_path)
    assert journal.commit(batch_of(records(0, 20)), NOON_US)
    with files_at_most(2000):
        assert not journal.commit(batch_of(records(20, 40)), NOON_US + 1)
        assert journal.is_refused
        assert journal.errors == 2
        assert not journal.commit(batch_of(records(20, 1)), NOON_US + RETRY_US)  # not tried: the pause
        assert journal.errors == 2
    assert journal.commit(batch_of(records(20, 40)), NOON_US + 1 + RETRY_US)  # by itself
    assert not journal.is_refused
    assert journal.written == 60
    journal.close()
    assert b"".join(in_journals(tmp_path)) == records(0, 60)


def test_one_bad_file_costs_nothing(tmp_path):
    """Where the old file cannot take the block and a new one can: True, the numbers go on without a gap or a repetition."""
    journal = journal_at(tmp_path)
    with files_at_most(3000):
        for number in range(0, 100, 20):
            assert journal.commit(batch_of(records(number, 20)), NOON_US + number)
    assert 0 < journal.errors < 5
    journal.close()
    assert b"".join(in_journals(tmp_path)) == records(0, 100)


@pytest.mark.parametrize("limit", [0, 1, 191, 383, 384, 385, 428, 500])
def test_a_new_file_may_fail_anywhere_and_leaves_nothing(tmp_path, limit):
    """The header or the first block cut off at any byte: not recorded, and no file stays behind to hold up the day."""
    journal = journal_at(tmp_path)
    with files_at_most(limit):
        assert not journal.commit(batch_of(records(0, 5)), NOON_US)
    journal.roll(NOON_US + 1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert journal.commit(batch_of(records(0, 5)), NOON_US + 2 * RETRY_US)
    journal.close()
    assert b"".join(in_journals(tmp_path)) == records(0, 5)


def test_a_full_disk_loses_what_it_refused_and_recording_resumes(small_disk):
    """A real disk fills up: each commit is True and there, or False and not there; space returns, recording resumes."""
    journal = journal_at(small_disk / "journal", sync=True)
    now, wanted, refused = NOON_US, b"", 0
    for number in range(0, 3000, 50):
        now += RETRY_US + 1
        raw = records(number, 50)
        if journal.commit(batch_of(raw), now):
            wanted += raw
        else:
            refused += 1
    assert refused > 5
    assert len(wanted) > 10_000
    # The clerk takes sealed files away as it would, and the disk has room again.
    taken = b""
    for path, name in list_journals(small_disk / "journal"):
        if name.last is not None:
            taken += b"".join(served(read_journal(path, name.last + 1)).values())
            path.unlink()
    more = records(9000, 50)
    assert journal.commit(batch_of(more), now + RETRY_US + 1)
    journal.close()
    assert taken + b"".join(in_journals(small_disk / "journal")) == wanted + more


def test_a_full_disk_and_a_death(small_disk):
    """The process dies on the full disk: after recovery every commit that said True is there, once."""
    journal = journal_at(small_disk / "journal", sync=True)
    now, wanted = NOON_US, b""
    for number in range(0, 3000, 37):
        now += RETRY_US + 1
        raw = records(number, 37)
        if journal.commit(batch_of(raw), now):
            wanted += raw
    recover(small_disk / "journal")
    assert b"".join(in_journals(small_disk / "journal")) == wanted


def test_a_refused_name_is_given_at_the_next_roll(tmp_path):
    """A rename that fails (a folder stands at the name) costs no record, stops no recording, and is repeated by itself."""
    journal = journal_at(tmp_path)
    assert journal.commit(batch_of(records(0, 3)), NOON_US)
    [(path, _)] = list_journals(tmp_path)
    obstacle = path.with_name(path.name.replace(".journal", f"-{2:020d}.journal"))
    obstacle.mkdir()
    journal.roll(NOON_US + 60 * SECOND)
    assert path.exists()
    assert journal.commit(batch_of(records(3, 2), rules=OTHER_RULES), NOON_US + 61 * SECOND)
    obstacle.rmdir()
    journal.roll(NOON_US + 62 * SECOND)
    assert not path.exists()
    journal.close()
    assert b"".join(in_journals(tmp_path)) == records(0, 5)


def test_a_clean_stop_says_when_it_could_not_name_its_file(tmp_path):
    """`close` raises where the name is refused, and recovery gives it afterwards."""
    journal = journal_at(tmp_path)
    assert journal.commit(batch_of(records(0, 3)), NOON_US)
    [(path, _)] = list_journals(tmp_path)
    obstacle = path.with_name(path.name.replace(".journal", f"-{2:020d}.journal"))
    obstacle.mkdir()
    with pytest.raises(OSError, match="Is a directory") as caught:
        journal.close()
    assert caught.value.errno == errno.EISDIR
    obstacle.rmdir()
    assert [item.records for item in recover(tmp_path)] == [3]


def test_a_stream_folder_taken_away_by_the_clerk_is_made_again(tmp_path):
    """The clerk removes a stream's empty folder; the next record of that stream makes it again and is kept."""
    journal = journal_at(tmp_path)
    assert journal.commit(batch_of(records(0, 1)), NOON_US)
    journal.roll(NOON_US + 60 * SECOND)
    [(path, _)] = list_journals(tmp_path)
    path.unlink()
    path.parent.rmdir()
    assert journal.commit(batch_of(records(1, 1)), NOON_US + 61 * SECOND)
    journal.close()
    assert in_journals(tmp_path) == [records(1, 1)]
    assert [(name.first, name.last) for _, name in list_journals(tmp_path)] == [(1, 1)]


SCRIPT = """
    import json, sys
    sys.path[:0] = [{tests!r}, {root!r}]
    from pathlib import Path
    from test_journal_writer import NOON_US, RETRY_US, batch_of, journal_at, records
    journal = journal_at(Path({folder!r}), sync=True)
    results = []
    for n in range(8):
        results.append(journal.commit(batch_of(records(n * 5, 5)), NOON_US + n * (RETRY_US + 1)))
    if {close}:
        journal.close()
    print(json.dumps([results, journal.errors, journal.written]))
"""


TRACED = "write,fdatasync,fsync,close,openat,ftruncate,/rename"


def traced(folder: Path, *inject: str, close: bool = True) -> tuple[list[bool], int, int, str]:
    """Eight commits in a process of its own under strace, with failures injected into its system calls; and its trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; .ci/run installs it")
    here = Path(__file__).parent
    script = textwrap.dedent(SCRIPT).format(
        tests=str(here), root=str(here.parent.parent), folder=str(folder), close=close
    )
    trace = folder.with_suffix(".trace")
    command = ["strace", "-qq", "-o", str(trace), "-e", f"trace={TRACED}"]
    for one in inject:
        command += ["-e", f"inject={one}"]
    done = subprocess.run([*command, sys.executable, "-c", script], capture_output=True, check=True)
    results, errors, written = json.loads(done.stdout)
    seen = trace.read_text()
    for one in inject:
        name = one.partition(":")[0].removeprefix("/").rstrip("2")
        assert re.search(rf"^{name}\w*\(.*INJECTED", seen, re.MULTILINE), f"{one} did not fire"
    return results, errors, written, seen


def assert_no_write_after_failure(trace: str, call: str) -> int:
    """On a descriptor whose sync or write has failed nothing is written any more; how many failed."""
    bad: set[str] = set()
    failures = 0
    for line in trace.splitlines():
        match = re.match(r"(\w+)\((\d+)", line)
        if match is None:
            continue
        name, descriptor = match.groups()
        if name == "close":
            bad.discard(descriptor)
        elif name in ("write", "fdatasync", "fsync"):
            assert descriptor not in bad, line
        if name == call and "(INJECTED)" in line:
            bad.add(descriptor)
            failures += 1
    return failures


@pytest.mark.parametrize("when", ["1", "3", "8", "2+2"])
def test_a_descriptor_is_never_trusted_after_a_failed_sync(tmp_path, when):
    """A sync says EIO: that file is never written again, its records go to a new one, and none is lost or doubled."""
    results, errors, written, trace = traced(tmp_path / "journal", f"fdatasync:error=EIO:when={when}")
    assert assert_no_write_after_failure(trace, "fdatasync") == errors > 0
    assert results == [True] * 8
    assert written == 40
    assert b"".join(in_journals(tmp_path / "journal")) == records(0, 40)


def test_a_disk_that_fails_every_sync_records_nothing_and_says_so(tmp_path):
    """Syncs fail for good: every commit is False, no record is left that was said to be lost."""
    results, errors, written, trace = traced(tmp_path / "journal", "fdatasync:error=EIO:when=3+")
    assert assert_no_write_after_failure(trace, "fdatasync") == errors
    assert results == [True] * 2 + [False] * 6
    assert written == 10
    assert b"".join(in_journals(tmp_path / "journal")) == records(0, 10)


def test_a_failed_sync_and_a_truncation_that_fails_too(tmp_path):
    """Not even the failed block can be cut off, and the process dies: after recovery each record is there once."""
    folder = tmp_path / "journal"
    results, _, _, _ = traced(
        folder, "fdatasync:error=EIO:when=3", "ftruncate:error=EIO", "/rename:error=EIO", close=False
    )
    assert results == [True] * 8
    assert len(list_journals(folder)) == 2
    recover(folder)
    assert b"".join(in_journals(folder)) == records(0, 40)


def test_what_was_said_to_be_lost_does_not_come_back(tmp_path):
    """Every sync fails from the third on, the file cannot even get its name, the process dies: the refused block stays away.

    It had been written, so only its truncation keeps recovery from serving a record that was counted as dropped.
    """
    folder = tmp_path / "journal"
    results, _, _, _ = traced(folder, "fdatasync:error=EIO:when=3+", "/rename:error=EIO", close=False)
    assert results == [True] * 2 + [False] * 6
    recover(folder)
    assert b"".join(in_journals(folder)) == records(0, 10)
