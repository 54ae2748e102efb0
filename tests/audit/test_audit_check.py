"""The check of a whole log: what each thing that is wrong is called, and what is only worth a note."""

import json
import shutil

import pytest
from audit_world import NOON_US, fill, key_of, story

from collector.audit import texts
from collector.audit.check import EVIDENCE, check_log
from collector.audit.check_tiles import leaves_of, missing_tiles, strange_tiles
from collector.audit.findings import Finding
from collector.audit.log import LOG_NAME, AuditLog, make_entry
from collector.audit.note import Checkpoint
from collector.audit.tiles import bundles_of, tiles_of
from collector.audit.tree import leaf_hash, root

KEY = key_of()


@pytest.fixture
def made(tmp_path):
    """A small log in `audit`: 6 entries, 4 texts, all signed."""
    story(tmp_path / "audit", KEY, 6)
    return tmp_path / "audit"


def check(folder, **witnesses):
    """The whole check."""
    return check_log(folder, KEY.verifier, witnesses)


def told(folder, **witnesses) -> list[tuple[str, str, str]]:
    """Findings without their remedy, which is never empty."""
    findings = check(folder, **witnesses).findings
    assert all(finding.remedy for finding in findings)
    return [finding[:3] for finding in findings]


def write_entries(folder, entries, *, sign=True):
    """A log of these lines with its checkpoint and tiles, signed whatever they say."""
    shutil.rmtree(folder / "tile", ignore_errors=True)
    (folder / LOG_NAME).write_bytes(b"".join(line + b"\n" for line in entries))
    leaves = [leaf_hash(line) for line in entries]
    for path, content in (*tiles_of(leaves), *bundles_of(entries)):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    if sign:
        (folder / "checkpoint").write_bytes(KEY.sign(Checkpoint(KEY.origin, len(leaves), root(leaves)).text))


def test_a_sound_log_counts(made):
    """Entries, signed ones, tiles, texts, witnesses; no finding and no note; progress to the last text."""
    steps = []
    found = check_log(
        made, KEY.verifier, {"a": (made / "checkpoint").read_bytes()}, lambda *step: steps.append(step)
    )
    assert (found.findings, found.notes) == ([], [])
    assert (len(found.entries), found.signed, found.tiles, found.texts, found.witnesses) == (6, 6, 2, 4, 1)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_finding_in_words():
    """Place, found, expected, remedy, a line each; the same as a dict."""
    finding = Finding("a", "b", "c", "d")
    assert str(finding) == "a\n    found:    b\n    expected: c\n    remedy:   d"
    assert finding.as_dict() == {"place": "a", "found": "b", "expected": "c", "remedy": "d"}


def test_no_log_is_said_so(tmp_path):
    """An empty folder, or tiles without a log: one finding."""
    assert check(tmp_path).findings == [Finding("log.jsonl", "no log", "the log of a collector", EVIDENCE)]


def test_an_empty_log_is_sound(tmp_path):
    """Begun and never appended to: nothing to find, signed or not."""
    AuditLog(tmp_path, KEY)
    assert told(tmp_path) == []
    AuditLog(tmp_path, KEY).sign()
    assert told(tmp_path) == []
    assert check(tmp_path).signed == 0


def test_what_is_not_signed_yet_is_a_note(made):
    """Entries of a process without the key, and a line that a crash tore: told, no finding; tiles that are wider, too."""
    fill(AuditLog(made), 2, 10_000_000)
    found = check(made)
    assert found.findings == []
    assert found.notes == ["log.jsonl: 2 entries after the checkpoint are not signed yet"]
    assert (len(found.entries), found.signed) == (8, 6)
    old = (made / "checkpoint").read_bytes()
    AuditLog(made, KEY).sign()
    (made / "checkpoint").write_bytes(old)
    assert told(made) == [], "a crash between tiles and checkpoint"
    shutil.rmtree(made / "tile")
    assert told(made) == []
    assert "2 tiles at the right edge are not written yet" in check(made).notes
    with (made / LOG_NAME).open("ab") as file:
        file.write(b'{"num')
    assert told(made) == []
    assert (
        "log.jsonl: 5 bytes of a line that was never finished; its act never took effect" in check(made).notes
    )


def test_missing_tiles_of_a_log_that_is_all_signed_are_findings(made):
    """Each of them, with the way to have it again; whole tiles also where the log is longer than the checkpoint."""
    shutil.rmtree(made / "tile")
    assert told(made) == [
        (path, "missing", "a tile that the checkpoint covers")
        for path in ("tile/0/000.p/6", "tile/entries/000.p/6")
    ]
    assert "Start pentrap serve once" in check(made).findings[0].remedy
    log = AuditLog(made, KEY)
    fill(log, 251)
    (made / "tile/0/000").unlink()
    fill(AuditLog(made), 1)
    assert told(made) == [("tile/0/000", "missing", "a tile that the checkpoint covers")]


def test_a_log_without_its_checkpoint(made):
    """Gone beside entries: a finding."""
    (made / "checkpoint").unlink()
    assert told(made) == [("checkpoint", "none beside a log that has entries", "the signed state of the log")]


def test_a_checkpoint_of_another_key(made):
    """Said with the key that was expected."""
    name = f"a checkpoint signed by pentrap/sinkhole-1+{KEY.verifier.key_id.hex()}"
    (made / "checkpoint").write_bytes(key_of(2).sign(Checkpoint(KEY.origin, 6, bytes(32)).text))
    assert told(made) == [("checkpoint", "no signature by the key that was given", name)]
    (made / "checkpoint").write_bytes(b"")
    assert told(made) == [("checkpoint", "a note without signatures", name)]


def test_fewer_entries_than_signed(made):
    """Cut off: numbers of both; tiles that the log does not have follow."""
    lines = (made / LOG_NAME).read_bytes().splitlines(keepends=True)
    (made / LOG_NAME).write_bytes(b"".join(lines[:4]))
    assert told(made) == [
        ("log.jsonl", "4 entries", "at least the 6 of the checkpoint"),
        ("tile/0/000.p/6", "a tile of 6", "4 at most, as the log has"),
        ("tile/entries/000.p/6", "a tile of 6", "4 at most, as the log has"),
    ]


def test_another_log_than_signed(made):
    """With the tiles the entry is named; without true tiles all that can be said is: somewhere."""
    lines = (made / LOG_NAME).read_bytes().splitlines()
    lines[3] = make_entry(4, NOON_US, "configuration_refused", {"problems": 44}).line
    (made / LOG_NAME).write_bytes(b"".join(line + b"\n" for line in lines))
    assert told(made)[0] == (
        "log.jsonl, entry 4", "another than was signed", "the entry as tile/entries, number 0 has it"
    )  # fmt: skip
    assert told(made)[1:] == [
        ("tile/0/000.p/6", "another entry 4", "the one that the log has"),
        ("tile/entries/000.p/6", "another entry 4", "the one that the log has"),
    ]
    write_entries(made, lines, sign=False)
    assert told(made) == [
        (
            "log.jsonl, somewhere in entries 1 to 6",
            "another log than the one signed",
            "the Merkle root of the checkpoint",
        )
    ]


FORM = "an entry that is not written as this program writes"
STRANGE = "audit entry configuration_refused: missing ['problems'], not of its kind ['problem']"
ONE = make_entry(1, NOON_US, "configuration_refused", {"problems": 0}).line


@pytest.mark.parametrize(
    ("line", "found", "expected"),
    [
        (b"nonsense", "a line that is no audit entry", "an audit entry"),
        (b"[" * 60_000, "a line that is no audit entry", "an audit entry"),
        (ONE.replace(b'"problems":0', b'"problems": 0'), FORM, "an audit entry"),
        (ONE.replace(b'"problems":0', b'"problems":1,"problems":0'), FORM, "an audit entry"),
        (ONE.replace(b".000000Z", b"Z"), FORM, "an audit entry"),
        (ONE.replace(b"configuration_refused", b"nonsense"), "an audit entry of an unknown kind: nonsense", "an audit entry"),
        (ONE.replace(b"problems", b"problem"), STRANGE, "an audit entry"),
        (ONE.replace(b'"number":1', b'"number":2'), "entry 2", "entry 1: numbers follow one another"),
    ],
)  # fmt: skip
def test_a_signed_line_that_is_no_entry(tmp_path, line, found, expected):
    """Signed or not: each line by itself is held against the form, the table and its number."""
    AuditLog(tmp_path, KEY)
    write_entries(tmp_path, [line])
    assert told(tmp_path) == [("line 1", found, expected)]


def test_a_clock_that_was_set_back_is_a_note(tmp_path):
    """Dates out of order are told; the order of the entries is that of their numbers."""
    log = AuditLog(tmp_path, KEY)
    for moment in (5, 5, 4, 6, 1):
        log.append("configuration_refused", NOON_US + moment, problems=0)
    assert check(tmp_path).notes == [
        "log.jsonl: 2 entries are dated before the one before them: the clock was set back"
    ]
    assert told(tmp_path) == []


def test_texts_that_entries_name(made):
    """Missing, another, or named by nobody; a schedule deep in its fact is asked for too."""
    digests = texts.kept(made)
    for digest in digests:
        (path,) = (made / "texts").glob(f"{digest}*")
        content = path.read_bytes()
        path.unlink()
        assert told(made) == [(f"texts/{digest}", "missing", "the text that an entry names")]
        path.write_bytes(b"another")
        assert told(made) == [(f"texts/{digest}", "another text", "bytes with the SHA-256 of its name")]
        path.write_bytes(content)
    texts.keep(made, b"kept, then killed")
    assert told(made) == []
    found = check(made)
    assert found.notes == ["texts: 1 are named by no entry (kept just before a crash)"]
    assert found.texts == 5
    stranger = made / "texts" / ("0" * 64)
    stranger.write_bytes(b"x")
    assert told(made) == [(f"texts/{'0' * 64}", "another text", "bytes with the SHA-256 of its name")]


def test_facts_that_are_no_hash_name_no_text(tmp_path):
    """Only 64 digits of hexadecimal are the name of a text."""
    log = AuditLog(tmp_path, KEY)
    facts = {"operation": "o", "schedules": [], "answer": "none"}
    log.append("operation_loaded", NOON_US, **facts, configuration="A" * 64)
    log.append("operation_loaded", NOON_US, **facts, configuration=["a" * 63, {"x": "a" * 65}, 7, None])
    assert told(tmp_path) == []


def test_the_key_beside_the_log_and_in_it(made):
    """Another key in `vkey`, or in a `started` entry: found, with the entry's number."""
    other = key_of(2)
    wanted = "the key that the log was checked with"
    assert check_log(made, other.verifier).findings[-2:] == [
        Finding("vkey", "another verifier key", wanted, EVIDENCE),
        Finding("entry 2", "another verifier key in this entry", wanted, EVIDENCE),
    ]
    for content in (b"", b"\xff", other.verifier.text.encode()):
        (made / "vkey").write_bytes(content)
        assert told(made) == [("vkey", "another verifier key", wanted)]
    (made / "vkey").unlink()
    assert told(made) == []


def test_witnesses(made):
    """The same state and every older one agree; another root, a longer log, a broken note: a finding each, by its name."""
    lines = (made / LOG_NAME).read_bytes().splitlines()
    leaves = [leaf_hash(line) for line in lines]
    notes = {str(n): KEY.sign(Checkpoint(KEY.origin, n, root(leaves[:n])).text) for n in range(7)}
    assert told(made, **notes) == []
    assert check(made, **notes).witnesses == 7
    longer = KEY.sign(Checkpoint(KEY.origin, 7, bytes(32)).text)
    forked = KEY.sign(Checkpoint(KEY.origin, 3, bytes(32)).text)
    assert told(made, a=longer, b=forked, c=b"x", d=notes["3"]) == [
        ("a", "6 entries here", "at least the 7 that were shown to it"),
        (
            "b",
            "another log: the first 3 entries are not those that were shown to it",
            "one log for everybody",
        ),
        ("c", "a note without signatures", "a checkpoint of this log"),
    ]


def test_a_folder_that_may_only_be_read_is_checked(made):
    """No lock file, as in a copy on read-only media: the check needs none, and makes none."""
    (made / "lock").unlink()
    assert told(made) == []
    assert not (made / "lock").exists()


def tiles(count: int) -> tuple[dict[str, bytes], list[bytes]]:
    """The tiles of so many entries, and their leaf hashes."""
    entries = [b"entry %d" % number for number in range(count)]
    leaves = [leaf_hash(entry) for entry in entries]
    return dict(tiles_of(leaves)) | dict(bundles_of(entries)), leaves


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 512, 600, 65_536, 65_537])
def test_true_tiles_are_neither_strange_nor_missing(count):
    """At each size: all that should stand stands, and gives the leaves; any one gone is missed."""
    there, leaves = tiles(count)
    assert list(strange_tiles(there, leaves)) == []
    assert list(missing_tiles(there, count)) == []
    assert leaves_of(there, count) == leaves
    for path in list(there)[:3] + list(there)[-3:]:
        rest = {name: content for name, content in there.items() if name != path}
        assert list(missing_tiles(rest, count)) == [path]
        if path.startswith("tile/0/"):
            assert leaves_of(rest, count) is None


def test_a_wider_tile_serves_for_a_narrower_one():
    """Tiles of 300 entries are enough for every older state from 257 on, and none of them is strange."""
    there, leaves = tiles(300)
    for size in (257, 280, 300):
        assert list(missing_tiles(there, size)) == []
        assert leaves_of(there, size) == leaves[:size]
    assert list(missing_tiles(there, 301)) == ["tile/0/001.p/45", "tile/entries/001.p/45"]
    assert leaves_of(there, 301) is None
    narrow, _ = tiles(280)
    assert list(strange_tiles(there | narrow, leaves)) == []


def test_files_that_are_no_tiles():
    """Other paths, wrong widths, levels that are not there, contents of another length."""
    there, leaves = tiles(300)
    for path in ("tile/x", "tile/00/000", "tile/0/0", "tile/0/x000/001", "tile/0/000.p/0", "tile/0/000.p/256",
                 "tile/0/001.p/044", "tile/entries/000.p", "tile/-1/000", "tile/100/000", "tile/0/000/"):  # fmt: skip
        (finding,) = strange_tiles(there | {path: b""}, leaves)
        assert finding[:3] == (path, "a file that is no tile", "tiles and entry bundles only")
    for path, width, have in (("tile/0/001", 256, 44), ("tile/0/002.p/1", 1, 0), ("tile/1/000.p/2", 2, 1),
                              ("tile/2/000.p/1", 1, 0), ("tile/entries/001.p/45", 45, 44),
                              ("tile/7/x001/000", 256, 0)):  # fmt: skip
        (finding,) = strange_tiles(there | {path: b""}, leaves)
        assert finding[:3] == (path, f"a tile of {width}", f"{have} at most, as the log has")
    cases = (
        ("tile/0/001.p/44", b"", "0 in it", "44"),
        ("tile/0/001.p/44", there["tile/0/001.p/44"] + b"x", "45 in it", "44"),
        ("tile/0/001.p/44", there["tile/0/001.p/44"][:-1], "another entry 300", "the one that the log has"),
        ("tile/0/000", bytes(32) + there["tile/0/000"][32:], "another entry 1", "the one that the log has"),
        ("tile/1/000.p/1", bytes(32), "another hash 0 of level 1", "the one that the log has"),
        ("tile/entries/001.p/44", b"", "0 in it", "44"),
        ("tile/entries/001.p/44", b"\0", "a bundle that ends in the middle of an entry", "44 whole entries"),
        ("tile/entries/001.p/44", there["tile/entries/000"], "256 in it", "44"),
    )
    for path, content, found, expected in cases:
        (finding,) = strange_tiles(there | {path: content}, leaves)
        assert finding[:3] == (path, found, expected)
    second = bytearray(there["tile/entries/001.p/44"])
    second[2] ^= 1
    (finding,) = strange_tiles(there | {"tile/entries/001.p/44": bytes(second)}, leaves)
    assert finding.found == "another entry 257"


def test_findings_are_data(made):
    """They go into JSON as they are."""
    (made / "checkpoint").unlink()
    (finding,) = check(made).findings
    assert json.loads(json.dumps(finding.as_dict()))["place"] == "checkpoint"
