"""The manifest: one form, read strictly, every mistake told without quoting the file."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publication_world import DAY, PARTNER, Exports, contents
from pydantic import ValidationError

from collector.exports.manifest import (
    MANIFEST,
    MANIFEST_MAX,
    CheckIns,
    Manifest,
    Rows,
    manifest_bytes,
    parse,
    read_manifest,
    render,
    schema,
)
from collector.exports.publication import publications
from collector.ground.errors import CorruptError


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> bytes:
    """A manifest as it is published."""
    world = Exports(tmp_path_factory.mktemp("manifest"))
    world.publish()
    return manifest_bytes(world.tree / "000001")


def changed(content: bytes, **facts) -> bytes:
    said = json.loads(content)
    for name, value in facts.items():
        if value is None:
            del said[name]
        else:
            said[name] = value
    return json.dumps(said, sort_keys=True, indent=2).encode() + b"\n"


def test_a_manifest_comes_back_as_it_was_written(written):
    """Bytes to manifest to bytes; the file ends in one newline and its keys are sorted."""
    manifest = parse(written)
    assert render(manifest) == written
    assert Manifest.model_validate(manifest.model_dump()) == manifest
    assert (manifest.date, manifest.sequence, manifest.previous_sha256) == (DAY, 1, None)
    assert list(json.loads(written)) == sorted(json.loads(written))
    assert written.endswith(b"}\n")
    assert manifest.audit_checkpoint.startswith("pentrap/sinkhole-1\n")


def test_it_says_everything_that_the_contract_names(written):
    """Each thing that the contract lists has its key, and the schema describes each key."""
    named = (
        "sequence previous_sha256 kind date order partner supplement complete missing_sensors files records checkins rows "
        "kernel_dropped clock databases version revision key audit_checkpoint tlp purpose retention_days"
    )
    said = json.loads(written)
    assert set(named.split()) <= set(said)
    assert set(said["files"][0]) == {"name", "bytes", "rows", "sha256", "dataset", "format", "schema_version"}
    assert set(schema()["properties"]) == set(said)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"sequence": 0}, "sequence"),
        ({"sequence": "1"}, "sequence"),
        ({"sequence": None}, "sequence: missing"),
        ({"sequence": 2}, "the first manifest, and no other"),
        ({"previous_sha256": "0" * 64}, "the first manifest, and no other"),
        ({"kind": "yearly"}, "kind"),
        ({"date": "yesterday"}, "date"),
        ({"date": 20000}, "date"),
        ({"partner": "../x"}, "partner"),
        ({"more": 1}, "more: extra_forbidden"),
        ({"complete": False}, "contradict"),
        ({"missing_sensors": ["sinkhole-1"]}, "contradict"),
        ({"rows": {"recorded": 8, "delivered": 5, "withheld": {"filtered": 2}}}, "second equation"),
        ({"rows": {"recorded": 7, "delivered": 5, "withheld": {"lost": 2}}}, "a reason that is none"),
        ({"checkins": {"accepted": 3, "open": 0, "fates": {"recorded": 2}}}, "first equation"),
        ({"records": {"s": [[0, 5], [5, 6]]}}, "not in order"),
        ({"records": {"s": [[6, 5]]}}, "not in order"),
        ({"tlp": "WHITE"}, "tlp"),
        ({"purpose": "a\nb"}, "purpose"),
        ({"manifest_version": 2}, "manifest_version"),
        ({"key": "MD5:00"}, "key"),
        ({"date": "2026-11-21T00:00:00"}, ""),
        (
            {"published": "2026-13-45T00:00:00Z"},
            "published: value_error: Value error, a moment that no calendar",
        ),
        ({"published": "0000-01-01T00:00:00Z"}, "a moment that no calendar has"),
        ({"published": "2026-02-29T00:00:00.000000Z"}, "a moment that no calendar has"),
        ({"published": "9999-12-31T00:00:00Z"}, "end after the year 9999"),
        ({"retention_days": 2**62}, "end after the year 9999"),
    ],
)
def test_each_mistake_is_told_and_not_quoted(written, facts, words):
    """CorruptError with the place; the value that stood there is not in its text."""
    with pytest.raises(CorruptError) as refused:
        parse(changed(written, **facts), "here")
    assert words in str(refused.value)
    assert "../x" not in str(refused.value)
    assert "2026-13" not in str(refused.value)


def test_file_names_cannot_leave_the_folder(written):
    """No path, no name of the publication's own files, none twice."""
    for name in ("../a", "a/b", ".hidden", "", "a\n", "x" * 201, MANIFEST):
        said = json.loads(written)
        said["files"][0]["name"] = name
        with pytest.raises(CorruptError):
            parse(changed(written, files=said["files"]))
    said = json.loads(written)
    said["files"][1] = said["files"][0]
    with pytest.raises(CorruptError, match="two files of one name"):
        parse(changed(written, files=said["files"]))


def test_only_the_one_form_is_read(written):
    """The same content laid out otherwise, a key twice, or more after the end is refused."""
    said = json.loads(written)
    for other in (
        json.dumps(said, sort_keys=True).encode(),
        written + b"\n",
        written[:-1],
        written.replace(b'"sequence": 1', b'"sequence": 1,\n  "sequence": 1'),
        written.replace(b'"sequence": 1', b'"sequence": 1.0'),
        b"\xef\xbb\xbf" + written,
    ):
        with pytest.raises(CorruptError):
            parse(other)
    with pytest.raises(CorruptError, match="at most"):
        parse(b" " * (MANIFEST_MAX + 1))


def test_every_cut_is_found(written):
    """A manifest that ends anywhere else is none."""
    for size in range(len(written)):
        with pytest.raises(CorruptError):
            parse(written[:size])


@given(st.binary(max_size=200))
def test_hostile_manifests_raise_the_declared_error_only(content):
    """Anything at all is refused with CorruptError."""
    for one in (content, b"[" * 5000 + content, b'{"a":' * 2000 + content, b'{"sequence":' + content + b"}"):
        with pytest.raises(CorruptError):
            parse(one)


def test_equations_that_do_not_hold_are_not_published():
    """Whoever computes them wrong gets an error, not a manifest."""
    with pytest.raises(ValidationError, match="first equation"):
        CheckIns(accepted=2, open=0, fates={"recorded": 1})
    with pytest.raises(ValidationError, match="second equation"):
        contents([], rows=Rows(recorded=2, delivered=1, withheld={}))
    assert CheckIns(accepted=2, open=1, fates={"recorded": 1}).open == 1


def test_read_manifest_names_the_file(tmp_path):
    """The error says which."""
    (tmp_path / MANIFEST).write_text("{}")
    with pytest.raises(CorruptError, match=str(tmp_path)):
        read_manifest(tmp_path)
    assert publications(tmp_path, PARTNER) == []
    assert date(2026, 11, 21) == DAY
