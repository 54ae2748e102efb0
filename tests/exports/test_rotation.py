"""The key that signs publications is replaced: announced, overlapped, entered; the log keeps its own; a crash is completed."""

import json
import shutil
import subprocess
import threading

import pytest
from collectors import PENTRAP
from day_world import DAY, OTHER_STREAM, Day, entitlement
from publication_world import NOW_US, Exports
from test_withdrawal import records

from collector.audit.check import check_log
from collector.audit.key import checkpoint_key, read_key
from collector.exports import sshsig
from collector.exports.keys import follows, known_keys, signing_turn
from collector.exports.manifest import MANIFEST, SIGNATURE
from collector.exports.means import ExportError
from collector.exports.proof import verify_tree
from collector.exports.rotation import (
    announce,
    next_path,
    read_key_in_force,
    replace,
)
from collector.ground.errors import ConfigurationError
from collector.service import settings
from collector.service.exporting import Exporter

DAY_US = 86_400_000_000


def public(path) -> bytes:
    return read_key(path).public_key().public_bytes_raw()


def replaced(world: Exports, now_us=NOW_US + 8 * DAY_US) -> None:
    announce(world.log, world.data, world.key_file, NOW_US, "p-1")
    replace(world.log, world.data, world.key_file, now_us, "p-1")


def test_both_keys_are_known_before_the_new_one_signs(tmp_path):
    """Announced: current and next. Too soon: refused. After a week: former and current, and the new one signs."""
    world = Exports(tmp_path)
    world.publish(0)
    first = world.public
    coming = announce(world.log, world.data, world.key_file, NOW_US, "p-1")
    assert [key.state for key in known_keys(world.data, world.key_file)] == ["current", "next"]
    assert announce(world.log, world.data, world.key_file, NOW_US + 1, "p-1").public == coming.public
    assert len(world.entries("key_changed")) == 1
    with pytest.raises(ConfigurationError, match=r"announced 1\.0 days ago"):
        replace(world.log, world.data, world.key_file, NOW_US + DAY_US, "p-1")
    assert public(world.key_file) == first
    world.publish(1)

    replace(world.log, world.data, world.key_file, NOW_US + 8 * DAY_US, "p-1")
    keys = known_keys(world.data, world.key_file)
    assert [(key.state, key.public) for key in keys] == [("former", first), ("current", coming.public)]
    assert keys[0].until_us == keys[1].since_us == NOW_US + 8 * DAY_US
    assert public(world.key_file) == coming.public
    world.key = read_key(world.key_file)
    world.publish(2)
    manifests = [json.loads((world.tree / f"{n:06d}" / MANIFEST).read_bytes()) for n in (1, 2, 3)]
    names = [sshsig.fingerprint(key) for key in (first, first, coming.public)]
    assert [manifest["key"] for manifest in manifests] == names


def test_old_and_new_publications_verify_and_one_key_leads_to_the_other(tmp_path):
    """The tree verifies with both keys and not with one; whoever trusts the old one can follow; no other word counts."""
    world = Exports(tmp_path)
    world.publish(0)
    old = world.public
    replaced(world)
    world.key = read_key(world.key_file)
    new = public(world.key_file)
    world.publish(1)
    assert verify_tree(world.tree, [old, new]).findings == []
    assert verify_tree(world.tree, [old]).findings
    keys = known_keys(world.data, world.key_file)
    assert follows(old, keys) == [old, new]
    assert follows(bytes(32), keys) == [bytes(32)]
    forged = [key._replace(handover=key.handover.replace("A", "B", 3)) for key in keys]
    assert follows(old, forged) == [old]


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs openssh-client")
def test_ssh_keygen_accepts_each_publication_with_its_key(tmp_path):
    """A stock `ssh-keygen -Y verify` with an allowed_signers file of both keys."""
    world = Exports(tmp_path)
    world.publish(0)
    old = world.public
    replaced(world)
    world.key = read_key(world.key_file)
    world.publish(1)
    signers = tmp_path / "allowed_signers"
    signers.write_text(sshsig.allowed_signers(old, public(world.key_file)))
    for number in (1, 2):
        folder = world.tree / f"{number:06d}"
        words = [
            "ssh-keygen",
            "-Y",
            "verify",
            "-f",
            str(signers),
            "-I",
            sshsig.PRINCIPAL,
            "-n",
            sshsig.NAMESPACE,
        ]
        with (folder / MANIFEST).open("rb") as content:
            done = subprocess.run(
                [*words, "-s", str(folder / SIGNATURE)], stdin=content, capture_output=True, check=False
            )
        assert done.returncode == 0, done.stderr


def test_l22_the_log_goes_on_under_the_key_noted_at_installation(tmp_path):
    """After two replacements the verifier key is the same, entries and checkpoints verify, and appending goes on."""
    world = Exports(tmp_path)
    before = checkpoint_key(world.key_file, "sinkhole-1").verifier
    replaced(world)
    announce(world.log, world.data, world.key_file, NOW_US + 9 * DAY_US, "p-1")
    replace(world.log, world.data, world.key_file, NOW_US + 9 * DAY_US, "p-1", at_once=True)
    world.log.close()
    again = Exports(tmp_path)
    again.log.append("clock_believed", NOW_US, actor="p-1", reason="test")
    again.log.sign()
    assert checkpoint_key(again.key_file, "sinkhole-1").verifier.text == before.text
    assert check_log(again.data / "audit", before).findings == []
    assert [key.state for key in known_keys(again.data, again.key_file)] == ["former", "former", "current"]


def test_l21_a_replacement_cut_off_after_its_entry_is_completed(tmp_path):
    """The key file still holds the old key: nothing may be exported with it; the same command puts the new one in its place."""
    world = Exports(tmp_path)
    old = world.key_file.read_bytes()
    replaced(world)
    new = world.key_file.read_bytes()
    next_path(world.key_file).write_bytes(new)  # as it was between the entry and the rename
    next_path(world.key_file).chmod(0o600)
    world.key_file.write_bytes(old)
    with pytest.raises(ConfigurationError, match="another key than the one in force"):
        read_key_in_force(world.data, world.key_file)
    replace(world.log, world.data, world.key_file, NOW_US + 8 * DAY_US, "p-1")
    assert world.key_file.read_bytes() == new
    assert len(world.entries("key_changed")) == 2
    read_key_in_force(world.data, world.key_file)


def test_a_key_that_is_not_in_force_any_more_signs_nothing(tmp_path):
    """Replaced between two publications of one export: the second is refused with both keys named, nothing is entered, and
    with the new key the same one follows the first in a chain that verifies.
    """
    world = Exports(tmp_path)
    world.publish(0)
    old = world.public
    replaced(world)
    new = public(world.key_file)
    with pytest.raises(ExportError, match="the signing key was replaced") as caught:
        world.publish(1)
    for needed in (
        sshsig.fingerprint(old),
        sshsig.fingerprint(new),
        "shadowserver",
        "remedy:   export again",
    ):
        assert needed in str(caught.value), needed
    assert (len(world.entries()), world.numbers()) == (1, ["000001"])
    world.key = read_key(world.key_file)
    assert world.publish(1).sequence == 2
    assert verify_tree(world.tree, [old, new]).findings == []


def test_an_export_of_several_days_goes_on_with_the_new_key(tmp_path, rules):
    """One Exporter, the key replaced between two of its publications: the first has the old key's signature, the second the
    new one's.
    """
    world = Day(tmp_path, rules)
    world.config.write_text(world.config.read_text() + "[export]\nunfinished_days = true\n")
    exporter = Exporter(settings.load(world.config, {}), world.log, world.means(), [entitlement()])
    world.record(records(rules, 20))
    world.seal()
    assert len(exporter.export(DAY).made) == 1
    old = world.public
    replaced(world)
    new = public(world.key_file)
    world.record(records(rules, 5), OTHER_STREAM)
    assert [made.kind for made in exporter.export(DAY).made] == ["supplement"]
    keys = [json.loads((world.tree / f"{n:06d}" / MANIFEST).read_bytes())["key"] for n in (1, 2)]
    assert keys == [sshsig.fingerprint(old), sshsig.fingerprint(new)]
    assert verify_tree(world.tree, [old, new]).findings == []


def test_no_key_is_replaced_while_a_publication_is_signed(tmp_path):
    """`replace` waits for the turn: between a publication's look at the key and its entry no other key comes into force."""
    world = Exports(tmp_path)
    announce(world.log, world.data, world.key_file, NOW_US, "p-1")
    officer = threading.Thread(
        target=replace, args=(world.log, world.data, world.key_file, NOW_US, "p-1"), kwargs={"at_once": True}
    )
    with signing_turn(world.data):
        officer.start()
        officer.join(0.3)
        assert officer.is_alive()
        assert len(world.entries("key_changed")) == 1
    officer.join(10)
    assert [entry.facts["change"] for entry in world.entries("key_changed")] == ["announced", "replaced"]


def test_the_command_shows_announces_and_replaces(tmp_path):
    """`pentrap key`: states and lines; replacing without announcing, or too soon, is refused with the remedy."""
    world = Exports(tmp_path)
    world.log.close()

    def key(*words: str):
        command = [str(PENTRAP), "key", "--config", str(world.config), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert key().stdout.startswith("current  SHA256:")
    refused = key("--replace")
    assert (refused.returncode, "no key was announced" in refused.stderr) == (2, True)
    assert "\nnext" in key("--announce").stdout
    soon = key("--replace")
    assert (soon.returncode, "7 days" in soon.stderr) == (2, True)
    done = json.loads(key("--replace", "--at-once", "--json").stdout)
    assert [one["state"] for one in done] == ["former", "current"]


@pytest.mark.parametrize("words", [("--at-once",), ("--announce", "--at-once")])
def test_at_once_without_replace_is_a_mistake(tmp_path, words):
    """Whoever means to put a key in force and says only that it is urgent is told, with what to type; no key changes."""
    world = Exports(tmp_path)
    world.log.close()
    command = [str(PENTRAP), "key", "--config", str(world.config), *words]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--replace --at-once" in refused.stderr
    assert world.entries("key_changed") == []
