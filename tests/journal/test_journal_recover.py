"""After a death: every journal gets the name of its range, what cannot be kept is said, and doing it again changes nothing."""

import itertools
import os

import pytest
from journal_world import DAY, RECORD, RULES, STREAM, block, header, listing, put, records, served, small

from collector.ground import files
from collector.journal.format import read_journal
from collector.journal.names import list_journals, open_name, parse_name, sealed_name
from collector.journal.recover import recover

OTHER = "sinkhole-1.1.1795348800000000"


def everything(root) -> dict[tuple[str, int], bytes]:
    """What the clerk would take: all records of sealed journals, each up to its name's last; none twice."""
    found: dict[tuple[str, int], bytes] = {}
    for path, name in list_journals(root):
        assert name.last is not None, f"{path.name} is still open"
        for number, raw in served(read_journal(path, name.last + 1)).items():
            assert (name.stream, number) not in found, f"record {number} twice"
            found[name.stream, number] = raw
    return found


def test_a_torn_tail_is_cut_at_every_byte(tmp_path):
    """Wherever the last write stopped: the whole blocks are sealed under their range, the rest is cut and counted."""
    whole = small((2, 1, 3))
    for cut in range(whole.blocks[0][1], len(whole.content) + 1):
        root = tmp_path / str(cut)
        put(root, open_name(STREAM, 0), whole.content[:cut])
        [found] = recover(root)
        kept = whole.whole(cut)
        count = len(kept) // RECORD
        end = max(end for _, end, _ in whole.blocks if end <= cut)
        assert listing(root) == {f"{STREAM}/{sealed_name(STREAM, 0, count - 1)}": whole.content[:end]}
        assert (found.records, found.torn_bytes, found.corrupt_blocks) == (count, cut - end, 0)
        assert (found.written, found.set_aside) == (count, False)


@pytest.mark.parametrize("size", [0, 1, 100, 191, 192, 300, 383, 384])
def test_a_file_that_never_got_a_block_is_removed(tmp_path, size):
    """A process that died while the header was written left nothing: nothing is kept, nothing is damaged."""
    put(tmp_path, open_name(STREAM, 0), header()[:size])
    [found] = recover(tmp_path)
    assert (found.records, found.corrupt_blocks, found.set_aside) == (0, 0, False)
    assert listing(tmp_path) == {}


def test_a_file_whose_only_block_is_torn_is_set_aside(tmp_path):
    """Nothing of it verifies, so nothing is served; its bytes stay for an engineer, and it is said."""
    content = small((3,)).content[:-1]
    put(tmp_path, open_name(STREAM, 0), content)
    [found] = recover(tmp_path)
    assert found.set_aside
    assert found.records == 0
    assert found.torn_bytes == len(content) - 384
    assert listing(tmp_path) == {f"{STREAM}/{open_name(STREAM, 0).replace('.journal', '.damaged')}": content}


def test_a_file_with_both_header_copies_rotten_is_set_aside(tmp_path):
    """Blocks without a header cannot be verified: kept as .damaged, one corrupt block counted, no journal left."""
    content = bytearray(small().content)
    content[20] ^= 1
    content[212] ^= 1
    put(tmp_path, open_name(STREAM, 0), bytes(content))
    [found] = recover(tmp_path)
    assert (found.set_aside, found.records, found.corrupt_blocks) == (True, 0, 1)
    assert list_journals(tmp_path) == []
    assert list(listing(tmp_path).values()) == [bytes(content)]


def test_rot_in_the_middle_costs_its_block_only(tmp_path):
    """A flip in the middle block: the others are sealed under the whole range, the block is told as corrupt."""
    whole = small((2, 1, 3))
    content = bytearray(whole.content)
    content[whole.blocks[1][0] + 50] ^= 4
    put(tmp_path, open_name(STREAM, 0), bytes(content))
    [found] = recover(tmp_path)
    assert (found.records, found.corrupt_blocks, found.torn_bytes) == (5, 1, 0)
    assert sorted(number for _, number in everything(tmp_path)) == [0, 1, 3, 4, 5]
    assert [name.last for _, name in list_journals(tmp_path)] == [5]


def failed_fsync(root) -> None:
    """What a failed fsync may leave: the block of records 3.. in the old file, and the same records in the new one."""
    old = header()
    content = old + block(records(0, 3), 0, old) + block(b"\xee" * RECORD * 3, 3, old)
    put(root, open_name(STREAM, 0), content)
    new = header(first=3)
    put(root, open_name(STREAM, 3), new + block(records(3, 3), 3, new) + block(records(6, 1), 6, new))


def test_after_a_failed_fsync_the_later_file_wins(tmp_path):
    """Records that stand in both files come from the later one; every number once, none of the old copy served."""
    failed_fsync(tmp_path)
    recover(tmp_path)
    found = everything(tmp_path)
    assert found == {(STREAM, n): records(n, 1) for n in range(7)}
    assert [(name.first, name.last) for _, name in list_journals(tmp_path)] == [(0, 2), (3, 6)]


def test_the_later_file_wins_though_it_was_sealed(tmp_path):
    """The same where the later file was sealed before the death."""
    failed_fsync(tmp_path)
    os.rename(tmp_path / STREAM / open_name(STREAM, 3), tmp_path / STREAM / sealed_name(STREAM, 3, 6))
    recover(tmp_path)
    assert everything(tmp_path) == {(STREAM, n): records(n, 1) for n in range(7)}


def test_a_limit_may_fall_into_a_block(tmp_path):
    """Where the later file begins inside a block, the older file gives what comes before it, and no more."""
    put(tmp_path, open_name(STREAM, 0), small((4,)).content)
    new = header(first=2)
    put(tmp_path, open_name(STREAM, 2), new + block(records(2, 5), 2, new))
    recover(tmp_path)
    assert everything(tmp_path) == {(STREAM, n): records(n, 1) for n in range(7)}


def test_only_the_dead_workers_streams_are_touched(tmp_path):
    """`recover` with a worker's prefix leaves the files of the living alone, `1.1.` being no prefix of `1.10.`."""
    tenth = "sinkhole-1.10.1795348800000000"
    for stream in (STREAM, OTHER, tenth):
        put(tmp_path, open_name(stream, 0), small(stream=stream).content, stream)
    [found] = recover(tmp_path, "sinkhole-1.1.")
    assert OTHER in found.path
    assert sorted(name.last is None for _, name in list_journals(tmp_path)) == [False, True, True]


def disaster(root) -> None:
    """Everything at once, in three streams."""
    failed_fsync(root)
    put(root, open_name(OTHER, 0), small((2, 2), stream=OTHER).content[:-9], OTHER)
    put(root, sealed_name(OTHER, 9, 10), small((2,), first=9, stream=OTHER).content, OTHER)
    put(root, open_name(OTHER, 20), header(stream=OTHER, first=20), OTHER)
    put(root, open_name(OTHER, 30), small((1,), first=30, stream=OTHER).content[:-1], OTHER)
    put(root, open_name(OTHER, 40), b"\0" * 900, OTHER)
    put(root, "notes.txt", b"not ours", OTHER)


def test_recovery_twice_is_recovery_once(tmp_path):
    """A second run finds nothing open and changes no byte."""
    disaster(tmp_path)
    assert len(recover(tmp_path)) == 6
    after = listing(tmp_path)
    assert recover(tmp_path) == []
    assert listing(tmp_path) == after


class Killed(BaseException):
    """Stands for the SIGKILL: nothing after it happens, and no handler of ours catches it."""


def test_recovery_killed_at_every_step_ends_the_same(tmp_path, monkeypatch):
    """Killed before and after each of its truncations, syncs, renames and removals, then run again: the same files."""
    disaster(tmp_path / "whole")
    recover(tmp_path / "whole")
    wanted = listing(tmp_path / "whole")
    finished = False
    for number in itertools.count():
        root = tmp_path / str(number)
        disaster(root)
        left = number

        def counted(real):
            def call(*arguments, **named):
                nonlocal left
                left -= 1
                if left == -1:
                    raise Killed
                done = real(*arguments, **named)
                left -= 1
                if left == -1:
                    raise Killed
                return done

            return call

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", counted(os.fsync))
            patch.setattr(os, "rename", counted(os.rename))
            patch.setattr(os, "unlink", counted(os.unlink))
            patch.setattr(files, "sync_directory", counted(files.sync_directory))
            try:
                recover(root)
                finished = True
            except Killed:
                pass
        recover(root)
        assert listing(root) == wanted, f"killed at step {number}"
        if finished:
            break
    assert number > 20


def test_a_disk_that_refuses_leaves_the_files_as_they_were(tmp_path):
    """A refused rename (its name is taken by a folder) is an OSError, and the journal is still there to be tried again."""
    put(tmp_path, open_name(STREAM, 0), small().content)
    obstacle = tmp_path / STREAM / sealed_name(STREAM, 0, 5)
    obstacle.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        recover(tmp_path)
    obstacle.rmdir()
    assert [found.records for found in recover(tmp_path)] == [6]
    assert len(everything(tmp_path)) == 6


def test_the_header_tells_day_and_rules_after_recovery(tmp_path):
    """A recovered file still says which day its records are of and which rules its numbers mean."""
    put(tmp_path, open_name(STREAM, 0), small().content + b"\x9bPB1 torn")
    recover(tmp_path)
    [(path, name)] = list_journals(tmp_path)
    assert parse_name(path.name) == name
    head = read_journal(path).header
    assert (head.day, head.rules, head.stream) == (DAY, RULES, STREAM)
