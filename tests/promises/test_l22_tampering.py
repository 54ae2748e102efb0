"""L-22: whatever is done to a signed log, the verifier finds it.

The log has 300 entries in two bundles, all signed. Done to it, each found (exit code and finding):

    byte changed             every byte of the first and the last entry and of one in the middle (about 400); in each of the
                             other 297 entries the first, the last and one at random; each to another value drawn at random
    entry removed            each of the 300; each beginning of 0 … 299 entries (the end cut off)
    entry doubled, inserted  each of the 300 after itself; a foreign entry at each of 300 places
    two entries swapped      each of the 299 neighbours, 201 pairs at random; 100 of these with numbers put right
    tiles, checkpoint, vkey  every byte of the checkpoint and of vkey; 150 bytes at random of each tile and bundle (all where
                             it is shorter); each file gone, cut short, made longer; tiles that the log does not have
    texts                    each missing, cut, longer, and changed in ten places at random. A long text is compressed: a
                             change of the file that leaves the text the same is none
    forked                   the end rewritten and signed with another key; everything rewritten with another key, vkey too
                             (found with the key noted at installation, or with a witness's checkpoint); rewritten and signed
                             with the same key, or cut back to an older state with its own checkpoint and tiles
                             (both found with a witness's checkpoint only: nothing in the folder can tell)
"""

import gzip
import json
import random
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "audit"))
from audit_world import NOON_US, contents, fill, key_of, story

from collector.audit.check import LogCheck, check_log
from collector.audit.log import LOG_NAME, AuditLog, make_entry, parse_entry
from collector.audit.note import Checkpoint
from collector.audit.tree import leaf_hash, root

KEY = key_of()
COUNT = 300
SEED = 22


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A log of 300 entries and, beside it, the checkpoint that a partner was given at 120."""
    folder = tmp_path_factory.mktemp("l22")
    log = story(folder / "audit", KEY, 120)
    shutil.copy(folder / "audit" / "checkpoint", folder / "witness")
    for number in range(120, COUNT):
        log.append("configuration_refused", NOON_US + number * 1_000_000, problems=number)
    assert sound(folder / "audit")
    return folder / "audit"


def verified(folder: Path, **witnesses: bytes) -> LogCheck:
    """The whole check, with the key that was noted at installation."""
    return check_log(folder, KEY.verifier, witnesses)


def sound(folder: Path, **witnesses: bytes) -> bool:
    """Nothing is wrong, and everything is signed."""
    check = verified(folder, **witnesses)
    return not check.findings and check.signed == len(check.entries)


class Tampered:
    """The folder with one file another; afterwards as it was."""

    def __init__(self, path: Path, content: bytes | None) -> None:
        self.path, self.content, self.before = path, content, path.read_bytes()

    def __enter__(self) -> None:
        if self.content is None:
            self.path.unlink()
        else:
            self.path.write_bytes(self.content)

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.before)


def every_found(folder: Path, name: str, changed) -> int:
    """Each content in place of a file: all found, and the true one sound again; how many there were."""
    count = 0
    path = folder / name
    for content in changed:
        with Tampered(path, content):
            assert verified(folder).findings, f"{name}: change {count} was not found (seed {SEED})"
        count += 1
    assert sound(folder)
    return count


def one_byte(content: bytes, places, dice: random.Random):
    """The content with one byte another, at each of these places."""
    for place in places:
        value = (content[place] + dice.randrange(1, 256)) % 256
        yield content[:place] + bytes([value]) + content[place + 1 :]


def edges(content: bytes) -> list[tuple[int, int]]:
    """Where each line begins and ends, its newline included."""
    found, start = [], 0
    for line in content.splitlines(keepends=True):
        found.append((start, start + len(line)))
        start += len(line)
    return found


def test_l22_any_byte_of_an_entry_changed(made):
    """Every byte of three entries, three of each of the others: found."""
    dice = random.Random(SEED)
    content = (made / LOG_NAME).read_bytes()
    places: set[int] = set()
    for number, (start, end) in enumerate(edges(content)):
        if number in (0, COUNT // 2, COUNT - 1):
            places |= set(range(start, end))
        else:
            places |= {start, end - 1, dice.randrange(start, end)}
    assert every_found(made, LOG_NAME, one_byte(content, sorted(places), dice)) > 1200


def test_l22_entries_removed_doubled_inserted_swapped(made):
    """Every entry removed, doubled, and another put before it; every beginning; neighbours and 201 pairs swapped."""
    dice = random.Random(SEED)
    lines = (made / LOG_NAME).read_bytes().splitlines(keepends=True)
    foreign = (
        b'{"number":1,"time":"2026-11-22T12:00:00.000000Z","event":"configuration_refused","problems":9}\n'
    )

    def swapped(one: int, other: int) -> bytes:
        changed = list(lines)
        changed[one], changed[other] = changed[other], changed[one]
        return b"".join(changed)

    def renumbered(one: int, other: int) -> bytes:
        changed = swapped(one, other).splitlines()
        entries = [parse_entry(line)._replace(number=number) for number, line in enumerate(changed, 1)]
        return b"".join(make_entry(*entry[:4]).line + b"\n" for entry in entries)

    pairs = [(at, at + 1) for at in range(COUNT - 1)] + [
        tuple(dice.sample(range(COUNT), 2)) for _ in range(201)
    ]
    removed = [b"".join(lines[:at] + lines[at + 1 :]) for at in range(COUNT)]
    cut = [b"".join(lines[:count]) for count in range(COUNT)]
    doubled = [b"".join([*lines[: at + 1], *lines[at:]]) for at in range(COUNT)]
    inserted = [b"".join([*lines[:at], foreign, *lines[at:]]) for at in range(COUNT)]
    for changed in (removed, cut, doubled, inserted):
        assert every_found(made, LOG_NAME, changed) == COUNT
    assert every_found(made, LOG_NAME, (swapped(*pair) for pair in pairs)) == 500
    assert every_found(made, LOG_NAME, (renumbered(*pair) for pair in pairs[::5])) == 100


def test_l22_the_place_is_told(made):
    """One word of one entry changed: the finding names this entry, as long as the tiles know what was signed."""
    lines = (made / LOG_NAME).read_bytes().splitlines(keepends=True)
    for number in (5, 256, 257, 299):
        changed = [*lines]
        changed[number - 1] = changed[number - 1].replace(b'"problems":', b'"problems":1')
        assert changed != lines
        with Tampered(made / LOG_NAME, b"".join(changed)):
            assert verified(made).findings[0].place == f"log.jsonl, entry {number}"


def test_l22_checkpoint_and_key_bytes(made):
    """Every byte of the checkpoint and of the key beside it, each to two other values: found."""
    dice = random.Random(SEED)
    for name in ("checkpoint", "vkey"):
        content = (made / name).read_bytes()
        body = len(content) - (name == "vkey")  # the newline after the key may be another white space
        assert every_found(made, name, one_byte(content, [*range(body)] * 2, dice)) == body * 2


def test_l22_tiles_and_texts(made):
    """150 bytes of each tile and bundle, ten of every text; each file gone, cut, longer, and a stranger beside them: found."""
    dice = random.Random(SEED)
    names = [name for name in contents(made) if name.startswith(("tile/", "texts/"))]
    assert len(names) == 5 + 4
    for name in names:
        content = (made / name).read_bytes()
        places = dice.sample(range(len(content)), min(len(content), 150 if name.startswith("tile") else 10))
        changed = one_byte(content, places, dice)
        if name.endswith(".gz"):
            changed = [one for one in changed if text_of(one) != text_of(content)]
            assert changed
        every_found(made, name, changed)
        every_found(made, name, [None, b"", content[:-1], content[: len(content) // 2], content + b"x"])
    for stranger in (
        "tile/0/002",
        "tile/0/001.p/45",
        "tile/1/000.p/2",
        "tile/2/000.p/1",
        "tile/entries/001",
        "tile/x",
        "tile/00/000",
    ):
        path = made / stranger
        made_too = not path.parent.exists()
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(bytes(32))
        assert verified(made).findings, stranger
        path.unlink()
        if made_too:
            path.parent.rmdir()
    for name in ("checkpoint", "log.jsonl"):
        every_found(made, name, [None, b""])


def text_of(compressed: bytes) -> bytes | None:
    """The text in a compressed file; None where it does not unpack."""
    try:
        return gzip.decompress(compressed)
    except (OSError, EOFError, zlib.error):
        return None


def rewritten(made: Path, folder: Path, key, *, first: int = 200) -> Path:
    """The same log up to `first`, then another story, written and signed as the collector itself would."""
    shutil.copytree(made / "texts", folder / "texts")
    lines = (made / LOG_NAME).read_bytes().splitlines()[:first]
    if key is not KEY:
        old = json.dumps(KEY.verifier.text).encode()
        lines = [line.replace(old, json.dumps(key.verifier.text).encode()) for line in lines]
    (folder / LOG_NAME).write_bytes(b"".join(line + b"\n" for line in lines))
    log = AuditLog(folder, key)
    fill(log, COUNT - first, 5000)
    log.sign()
    return folder


def test_l22_forked_with_another_key(made, tmp_path):
    """Rewritten and signed with another key, in part or whole: its own key finds nothing, the noted one and a witness do."""
    other = key_of(2)
    witness = (made.parent / "witness").read_bytes()
    whole = rewritten(made, tmp_path / "whole", other)
    assert not check_log(whole, other.verifier).findings, "this forgery is complete in itself"
    assert verified(whole).findings
    assert check_log(whole, other.verifier, {"partner": witness}).findings[0].place == "partner"
    shutil.copy(made / "vkey", whole / "vkey")
    assert check_log(whole, other.verifier).findings
    assert verified(whole).findings
    tail = rewritten(made, tmp_path / "tail", KEY)
    leaves = [leaf_hash(line) for line in (tail / LOG_NAME).read_bytes().splitlines()]
    text = Checkpoint(KEY.origin, COUNT, root(leaves)).text
    (tail / "checkpoint").write_bytes(other.sign(text))
    assert verified(tail).findings
    (tail / "checkpoint").write_bytes(other.sign(text).replace(other.verifier.key_id, KEY.verifier.key_id))
    assert verified(tail).findings


def test_l22_forked_with_the_same_key_is_seen_by_a_witness(made, tmp_path):
    """A thief of the key rewrites from entry 101 on: sound in itself, and refuted by the checkpoint that a partner has."""
    witness = (made.parent / "witness").read_bytes()
    assert sound(made, partner=witness)
    forged = rewritten(made, tmp_path / "forged", KEY, first=100)
    assert sound(forged), "nothing in the folder can tell"
    (finding,) = verified(forged, partner=witness).findings
    assert finding.place == "partner"
    assert finding.found == "another log: the first 120 entries are not those that were shown to it"
    later = rewritten(made, tmp_path / "later", KEY, first=200)
    assert sound(later, partner=witness), "a witness knows the log up to what it was shown"
    assert verified(later, partner=(made / "checkpoint").read_bytes()).findings


def test_l22_cut_back_to_an_older_state_is_seen_by_a_witness(made, tmp_path):
    """An older copy put in place of the log, with its own checkpoint and tiles: the partner was shown more than it has."""
    older = tmp_path / "older"
    story(older, KEY, 100)
    assert sound(older), "nothing in the folder can tell"
    (finding,) = verified(older, partner=(made.parent / "witness").read_bytes()).findings
    assert (finding.found, finding.expected) == ("100 entries here", "at least the 120 that were shown to it")
    for wrong in (b"", b"nonsense", key_of(2).sign(Checkpoint(KEY.origin, 1, bytes(32)).text)):
        assert verified(made, partner=wrong).findings


def test_l22_the_command_says_so(made, tmp_path):
    """`pentrap verify` on a copy: 0 for the true log, 1 and the place for a changed one, 2 where it cannot be checked."""
    copy = tmp_path / "data" / "audit"
    shutil.copytree(made, copy)
    pentrap = Path(sys.executable).parent / "pentrap"

    def verify(*words: object) -> tuple[int, str]:
        done = subprocess.run(
            [pentrap, "verify", *map(str, words)], capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout + done.stderr

    code, said = verify(copy.parent)
    assert code == 0, said
    assert f"{COUNT} entries, {COUNT} signed" in said
    assert f"compare it with the one noted at installation: {KEY.verifier.text}" in said
    code, said = verify(copy, "--key", KEY.verifier.text, "--checkpoint", made.parent / "witness")
    assert (code, "compare" in said, "1 other checkpoints" in said) == (0, False, True), said
    assert verify(copy, "--key", copy / "vkey")[0] == 0
    assert verify(copy, "--key", key_of(2).verifier.text)[0] == 1
    content = (copy / LOG_NAME).read_bytes()
    (copy / LOG_NAME).write_bytes(content.replace(b'"problems":250', b'"problems":251'))
    code, said = verify(copy)
    assert code == 1
    assert "log.jsonl, entry 251\n" in said
    code, said = verify("--json", copy)
    told = json.loads(said)
    assert (code, told["holds"], told["checked"][0]["findings"][0]["place"]) == (
        1,
        False,
        "log.jsonl, entry 251",
    )
    for words in (
        (tmp_path,),
        (tmp_path / "nothing",),
        (),
        (copy, "--key", "x+y+z"),
        (copy, "--checkpoint", tmp_path / "no"),
    ):
        code, said = verify(*words)
        assert (code, "expected:" in said, "remedy:" in said) == (2, True, True), said
    (copy / "vkey").unlink()
    assert verify(copy)[0] == 2
