"""`pentrap verify` of published files: whatever differs is found, as a file, a publication, a partner's tree, or all."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
from publication_world import NOW_US, PARTNER, Exports

from collector import cli
from collector.audit.key import make_key, read_key
from collector.exports import sshsig
from collector.exports.manifest import (
    MANIFEST,
    OWN_NAMES,
    SIGNATURE,
    SUMS,
    manifest_bytes,
    parse,
    render,
    sums,
)
from collector.exports.proof import Head, verify_publication, verify_tree

SEED = 20_261_122


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Exports:
    """Three publications for one partner, one for another."""
    made = Exports(tmp_path_factory.mktemp("published"))
    for day in range(3):
        made.publish(day)
    made.publish(partner="fkie")
    return made


@pytest.fixture
def tree(world, tmp_path) -> Path:
    """A copy of the partner's tree, as it pulled it."""
    return Path(shutil.copytree(world.tree, tmp_path / "pulled"))


def verify(*words) -> int:
    return cli.main(["verify", *map(str, words)])


def told(capsys, *words) -> tuple[int, list[dict]]:
    code = verify(*words, "--json")
    return code, json.loads(capsys.readouterr().out)["checked"]


def test_what_was_published_holds(world, tree, capsys):
    """File, publication, tree, exports/ and data directory, with the key, with the settings, and with nothing."""
    public = sshsig.public_line(world.public)
    file = min((tree / "000002").glob("*.parquet"))
    for path in (file, tree / "000002" / MANIFEST, tree / "000002", tree):
        assert verify(path, "--key", public) == 0
        assert verify(path) == 0
    assert "compare it with what the operator gave you" in capsys.readouterr().out
    assert verify(world.data / "exports", "--config", world.config) == 0
    assert verify("--config", world.config) == 0
    said = capsys.readouterr().out
    assert "3 publications, 6 files, 30 rows" in said
    assert "compare it with what the operator gave you" not in said


@pytest.mark.parametrize("name", OWN_NAMES)
def test_every_bit_of_manifest_signature_and_sums_is_found(world, tree, name):
    """Each bit of each of the three, flipped by itself; of the manifest, by the folder's check one bit of each byte."""
    path = tree / "000002" / name
    whole = path.read_bytes()
    signature = (tree / "000002" / SIGNATURE).read_bytes()
    unseen = []
    for place in range(len(whole) * 8):
        if name == MANIFEST and place % 8 != place // 8 % 8:
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            with pytest.raises(sshsig.SignatureError):
                sshsig.verify(signature, bytes(flipped))
            continue
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        if not verify_publication(tree / "000002", [world.public], only=name).findings:
            unseen.append(place)
    assert unseen == []


def test_flipped_bits_of_files_are_found(world, tree):
    """A thousand bits of the published files, at random (seed in this file)."""
    choose = random.Random(SEED)
    for path in (tree / "000001").iterdir():
        if path.name in OWN_NAMES:
            continue
        whole = path.read_bytes()
        for place in choose.sample(range(len(whole) * 8), min(500, len(whole) * 8)):
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            path.write_bytes(flipped)
            findings = verify_publication(tree / "000001", [world.public]).findings
            assert [finding.place for finding in findings] == [f"000001/{path.name}"]
        path.write_bytes(whole)
    assert not verify_publication(tree / "000001", [world.public]).findings


def sign_again(folder: Path, key, **changes) -> None:
    """Change a manifest and make signature and sums that fit, as one with a key could."""
    manifest = parse(manifest_bytes(folder)).model_copy(update=changes)
    content = render(manifest)
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(sshsig.sign(key, content))
    (folder / SUMS).write_bytes(sums(manifest, content))


def test_a_stranger_key_is_found(world, tree, tmp_path, capsys):
    """Signed anew by another key: told against the right key and as a manifest that names another key."""
    make_key(tmp_path / "other.key")
    stranger = read_key(tmp_path / "other.key")
    sign_again(tree / "000003", stranger)
    [finding] = verify_publication(tree / "000003", [world.public]).findings
    assert finding.expected == f"signed by {sshsig.fingerprint(world.public)}"
    [finding] = verify_publication(tree / "000003").findings
    assert "which signed it" in finding.expected
    assert verify(tree, "--key", sshsig.public_line(world.public)) == 1
    assert sshsig.fingerprint(world.public) in capsys.readouterr().out


def test_rows_that_the_file_does_not_have_are_found(world, tree):
    """A manifest that counts other rows than its file has, though hash and signature fit."""
    files = parse(manifest_bytes(tree / "000003")).files
    for number, file in enumerate(files):
        wrong = [*files]
        wrong[number] = file.model_copy(update={"rows": file.rows + 1})
        sign_again(tree / "000003", world.key, files=tuple(wrong))
        [finding] = verify_publication(tree / "000003", [world.public]).findings
        assert (finding.found, finding.expected) == ("5 rows", "6 rows")


def damage_missing(tree):
    shutil.rmtree(tree / "000002")


def damage_first_missing(tree):
    shutil.rmtree(tree / "000001")


def damage_swapped(tree):
    (tree / "000001").rename(tree / "x")
    (tree / "000002").rename(tree / "000001")
    (tree / "x").rename(tree / "000002")


def damage_doubled(tree):
    shutil.copytree(tree / "000003", tree / "000004")


def damage_renumbered(tree):
    (tree / "000003").rename(tree / "000004")


def damage_file_added(tree):
    (tree / "000001" / "more.parquet").touch()


def damage_file_missing(tree):
    min((tree / "000001").glob("*.csv")).unlink()


def damage_files_swapped(tree):
    one, two = sorted((tree / "000001").glob("2026*"))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


def damage_folder_added(tree):
    (tree / "000001" / "sub").mkdir()


def damage_link(tree):
    path = min((tree / "000001").glob("*.csv"))
    path.rename(tree.parent / "elsewhere.csv")
    path.symlink_to(tree.parent / "elsewhere.csv")


def damage_number_that_is_a_file(tree):
    (tree / "000004").touch()


def damage_papers_that_are_folders(tree):
    for name in OWN_NAMES:
        (tree / "000002" / name).unlink()
        (tree / "000002" / name).mkdir()


def damage_pipe(tree):
    (tree / "000002" / SUMS).unlink()
    os.mkfifo(tree / "000002" / SUMS)


def damage_stranger_beside(tree):
    (tree / "notes.txt").touch()


def damage_no_signature(tree):
    (tree / "000002" / SIGNATURE).unlink()


def damage_no_sums(tree):
    (tree / "000002" / SUMS).unlink()


def damage_no_manifest(tree):
    (tree / "000002" / MANIFEST).unlink()


def damage_parts_exchanged(tree):
    for name in OWN_NAMES:
        shutil.copy(tree / "000001" / name, tree / "000002" / name)


@pytest.mark.parametrize("damage", [value for name, value in globals().items() if name.startswith("damage_")])
def test_removal_addition_swap_and_order_are_found(world, tree, damage, capsys):
    """Whatever is taken, put there, exchanged or renumbered in a tree fails its verification."""
    assert verify(tree, "--key", sshsig.public_line(world.public)) == 0
    damage(tree)
    assert verify(tree, "--key", sshsig.public_line(world.public)) == 1, capsys.readouterr().out
    capsys.readouterr()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"published": "2026-13-45T00:00:00Z"}, "published"),
        ({"published": "2026-02-29T25:00:00Z"}, "published"),
        ({"retention_days": 2**62}, "the file"),
        ({"retention_days": 3_000_000}, "the file"),
    ],
)
def test_times_that_no_calendar_has_are_a_finding(world, tree, changes, place, capsys):
    """A rightly signed manifest whose dates nobody can count with is refused as malformed, not stumbled over."""
    sign_again(tree / "000003", world.key, **changes)
    min((tree / "000003").glob("*.csv")).unlink()
    code, [checked] = told(capsys, tree, "--key", sshsig.public_line(world.public))
    assert code == 1
    assert [finding["place"] for finding in checked["findings"]] == [f"000003/{MANIFEST}: {place}"]


def test_another_partners_publication_in_the_tree_is_found(world, tree):
    """Rightly signed, and not this partner's."""
    shutil.rmtree(tree / "000001")
    shutil.copytree(world.data / "exports" / "fkie" / "000001", tree / "000001")
    assert len(verify_tree(tree, [world.public]).findings) == 2


def test_a_cut_end_is_found_by_whoever_remembers_it(world, tree, capsys):
    """`--head` as an earlier run printed it; a tree that grew since still holds it, one cut back or exchanged does not."""
    head = verify_tree(tree, [world.public]).head
    assert verify(tree) == 0
    assert f"--head: {head.sequence}:{head.sha256}" in capsys.readouterr().out
    remembered = f"{head.sequence}:{head.sha256}"
    second = manifest_bytes(tree / "000002")
    assert verify(tree, "--head", remembered) == 0
    assert not verify_tree(tree, head=Head(2, __import__("hashlib").sha256(second).hexdigest())).findings
    shutil.rmtree(tree / "000003")
    assert verify(tree) == 0
    assert verify(tree, "--head", remembered) == 1
    assert verify(tree, "--head", f"2:{'0' * 64}") == 1
    assert verify(tree, "--head", "2") == 2


def test_the_collectors_own_log_remembers(world, tmp_path):
    """Below a data directory a cut end, a whole partner that is gone and a publication that was never entered are found."""
    data = tmp_path / "data"
    for number, damage in enumerate(
        (
            lambda exports: shutil.rmtree(exports / PARTNER / "000003"),
            lambda exports: shutil.rmtree(exports / "fkie"),
            lambda exports: shutil.copytree(exports / PARTNER / "000003", exports / "fkie" / "000002"),
        )
    ):
        copy = data / str(number)
        shutil.copytree(world.data, copy)
        assert verify(copy / "exports") == 0
        damage(copy / "exports")
        assert verify(copy / "exports") == 1
        assert verify(copy) == 1


def test_a_manifest_is_a_witness_of_the_audit_log(world, tmp_path, capsys):
    """`--checkpoint` takes a partner's manifest: a log rewritten and signed anew is told from the one it was shown."""
    witness = world.tree / "000003" / MANIFEST
    assert verify(world.data / "audit", "--checkpoint", witness) == 0
    from collector.audit.key import checkpoint_key
    from collector.audit.log import AuditLog

    log = AuditLog(tmp_path / "audit", checkpoint_key(world.key_file, "sinkhole-1"))
    for number in range(20):
        log.append("configuration_refused", NOW_US, problems=number)
    assert verify(tmp_path / "audit") == 0
    assert verify(tmp_path / "audit", "--checkpoint", witness) == 1
    assert "another log" in capsys.readouterr().out
