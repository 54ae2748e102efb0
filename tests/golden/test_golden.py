"""What an earlier release left is read by this one, byte for byte as it meant it; what a later one left is refused, untouched.

`formats-1/` was made once by make_golden.py and never changes. When a format does, its directory gets a sister.
"""

import json
import shutil
import struct
import subprocess
import zlib
from datetime import date
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector

from collector.cli import main
from collector.exports import tokens
from collector.exports.proof import verify_tree
from collector.exports.publication import publications
from collector.ground.errors import ConfigurationError, CorruptError, FormatError
from collector.journal.format import HEADER, HEADER_COPIES, decode_header, read_journal
from collector.journal.names import list_journals
from collector.journal.recover import recover
from collector.orders.rules import Rules
from collector.segments.catalogue import read_marker, segments_of
from collector.segments.write import write_segments
from collector.service.formats import refuse_later_formats

GOLDEN = sorted(path for path in Path(__file__).parent.glob("formats-*") if path.is_dir())


@pytest.fixture(params=GOLDEN, ids=lambda path: path.name)
def left(request, tmp_path):
    """A copy of what a release left."""
    folder = Path(shutil.copytree(request.param, tmp_path / "left"))
    folder.joinpath("signing.key").chmod(0o600)
    return folder


def expected(folder) -> dict:
    return json.loads((folder / "expected.json").read_text())


def test_there_is_one():
    """A directory for each set of formats."""
    assert GOLDEN


def test_a_start_finds_nothing_strange(left):
    """Whatever an earlier release wrote is of a format that is read."""
    refuse_later_formats(left / "data")


def test_segments_markers_and_rows_are_read(left):
    """Every row, value for value; the marker with its sums."""
    said = expected(left)
    day = date.fromisoformat(said["day"])
    made = Collector(left)
    made.data = left / "data"
    rows = [{**row, "timestamp": row["timestamp"].isoformat()} for row in made.rows()]
    assert rows == said["rows"]
    assert sum(segment.rows for segment in segments_of(left / "data", day)) == len(rows)
    marker = read_marker(left / "data", "test-1", day)
    assert marker["rows"] == len(rows)
    assert marker["checkins"]["fates"]["recorded"] == 3


def test_journals_of_a_killed_collector_become_parquet(left):
    """Recovered and sealed as an own journal would be: each record is there, under the order and domain of its own rules."""
    data, said = left / "data", expected(left)
    assert said["journals"]
    assert {
        str(path.relative_to(data)): read_journal(path).records for path, _ in list_journals(data / "journal")
    } == said["journals"]
    recover(data / "journal")
    before = len(said["rows"])
    for path, name in list_journals(data / "journal"):
        journal = read_journal(path)
        rules = Rules.load(data / "rules", journal.header.rules)
        for run in journal.runs:
            write_segments(data, run.records, run.first, name.stream, rules)
        rules.close()
    made = Collector(left)
    made.data = data
    rows = made.rows()[before:] if len(made.rows()) > before else []
    assert len(made.rows()) == before + sum(said["journals"].values())
    assert {row["domain"] for row in rows} == {"evil-one.com"}
    assert {row["order_id"] for row in made.rows()} == {"op-1"}


def test_the_audit_log_and_everything_it_names_verify(left, capsys):
    """`pentrap verify` of the whole data directory: the log by its key, rules, publications."""
    code = main(["verify", "--config", str(left / "pentrap.toml")])
    said = capsys.readouterr()
    assert code == 0, said.out + said.err


def test_publications_and_tokens_are_read(left):
    """Manifests, signatures, files, a withdrawal; the account's token."""
    [day, withdrawal] = publications(left / "data", "cert-a")
    assert (day.manifest.kind, withdrawal.manifest.kind) == ("day", "withdrawal")
    assert {file.format for file in day.manifest.files} == {"parquet", "shadowserver-csv", "ocsf-parquet"}
    assert verify_tree(left / "data/exports/cert-a").findings == []
    assert [one.partner for one in tokens.read(left / "data")] == ["cert-a"]


def later_journal(data):
    """The journal's header, both copies, as a release of version 2 would write it."""
    [(path, _)] = list_journals(data / "journal")
    content = bytearray(path.read_bytes())
    for copy in range(HEADER_COPIES):
        at = copy * HEADER.size
        struct.pack_into("<H", content, at + 8, 2)
        body = bytes(content[at : at + HEADER.size - 4])
        struct.pack_into("<I", content, at + HEADER.size - 4, zlib.crc32(body))
    path.write_bytes(content)
    return path


def later_marker(data):
    [path] = data.glob("segments/*/sealed-*.json")
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    return path


def later_tokens(data):
    path = data / "access/tokens.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 2'))
    return path


def later_log(data):
    path = data / "audit/log.jsonl"
    lines = path.read_text().splitlines()
    last = json.loads(lines[-1]) | {"event": "teleported"}
    path.write_text("\n".join([*lines[:-1], json.dumps(last)]) + "\n")
    return path


@pytest.mark.parametrize("change", [later_journal, later_marker, later_tokens, later_log])
def test_what_a_later_release_left_is_refused_and_left_alone(left, change):
    """`serve` ends at once with 2, says which file, what it found and which release to start, and changes nothing in it."""
    path = change(left / "data")
    before = {one: one.read_bytes() for one in (left / "data").rglob("*") if one.is_file()}
    with pytest.raises(ConfigurationError) as refused:
        refuse_later_formats(left / "data")
    [problem] = refused.value.problems
    assert problem.file == str(path)
    assert "the release that wrote it" in problem.remedy
    serve = [PENTRAP, "serve", "--config", left / "pentrap.toml"]
    started = subprocess.run(serve, capture_output=True, text=True, timeout=60, check=False)
    assert started.returncode == 2
    assert str(path) in started.stderr
    after = {
        one: one.read_bytes() for one in (left / "data").rglob("*") if one.is_file() and one.name != "lock"
    }
    assert after == {one: content for one, content in before.items() if one.name != "lock"}


def test_a_later_journal_is_no_rotten_one(left):
    """Its error is of a kind of its own, so nobody sets it aside."""
    path = later_journal(left / "data")
    with pytest.raises(FormatError, match="found version 2"):
        decode_header(path.read_bytes(), str(path))
    assert issubclass(FormatError, CorruptError)
