"""The collector's key: made once, read strictly, and never the key that signs checkpoints itself."""

import os
import subprocess

import pytest
from audit_world import key_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from collector.audit.key import CheckpointKey, checkpoint_key, make_key, origin_of, read_key
from collector.audit.note import open_note
from collector.ground.errors import ConfigurationError


def refusal(path) -> str:
    """What `read_key` says against a file."""
    with pytest.raises(ConfigurationError) as caught:
        read_key(path)
    (problem,) = caught.value.problems
    assert problem.file == str(path)
    assert problem.place == "[export] signing_key"
    assert problem.expected.startswith("an Ed25519 private key in OpenSSH's form without a passphrase")
    return f"{problem.found} / {problem.remedy}"


def test_the_checkpoint_key_is_derived_and_always_the_same():
    """HKDF-SHA256 of the key with a label of its own: held here against a second reading of the rule."""
    private = Ed25519PrivateKey.from_private_bytes(b"\7" * 32)
    derived = HKDF(SHA256(), 32, salt=None, info=b"pentrap audit checkpoint v1").derive(b"\7" * 32)
    key = CheckpointKey(private, "sinkhole-1")
    expected = Ed25519PrivateKey.from_private_bytes(derived).public_key().public_bytes_raw()
    assert key.verifier.public == expected != private.public_key().public_bytes_raw()
    assert key.origin == key.verifier.name == origin_of("sinkhole-1") == "pentrap/sinkhole-1"
    assert open_note(key.sign("text\n"), key.verifier) == "text\n"
    assert key_of(1).sign("a\n") == key_of(1).sign("a\n")
    assert key_of(1).verifier != key_of(2).verifier


def test_a_made_key_is_private_and_stays(tmp_path):
    """Made once with its folder, 0600, in the form that ssh-keygen reads; made again it is the same."""
    path = tmp_path / "keys" / "signing.key"
    make_key(path)
    content = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    make_key(path)
    assert path.read_bytes() == content
    public = subprocess.run(
        ["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True
    ).stdout
    assert public.startswith("ssh-ed25519 ")
    assert checkpoint_key(path, "a").verifier.text.startswith("pentrap/a+")
    make_key(tmp_path / "other.key")
    assert (tmp_path / "other.key").read_bytes() != content


@pytest.mark.parametrize(
    ("mode", "good"),
    [
        (0o600, True), (0o400, True), (0o640, True), (0o440, True), (0o660, False),
        (0o610, False), (0o604, False), (0o602, False), (0o601, False), (0o644, False),
    ],
)  # fmt: skip
def test_rights(tmp_path, mode, good):
    """The owner's, and readable by the group where a secret is mounted so; nothing wider."""
    path = tmp_path / "key"
    make_key(path)
    path.chmod(mode)
    if good:
        read_key(path)
    else:
        assert refusal(path) == f"a file with rights {mode:04o} / chmod 600 {path}"


def test_what_is_no_key(tmp_path):
    """Nothing there, something else, another kind of key, a passphrase, a folder: said in words, never quoted."""
    path = tmp_path / "key"
    assert refusal(path) == "No such file or directory / name the key file, or let `pentrap serve` make one"
    for content in (
        b"",
        b"SECRET-OF-SOMEBODY",
        os.urandom(3000),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n",
    ):
        path.write_bytes(content)
        path.chmod(0o600)
        said = refusal(path)
        assert said == "something else / make one with ssh-keygen -t ed25519 -N ''"
    for kind, words in (("ecdsa", "a key of another kind"), ("ed25519", "something else")):
        path.unlink()
        phrase = "" if kind == "ecdsa" else "secret words"
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", phrase, "-f", path], check=True)
        assert refusal(path).startswith(words)
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o700)
    assert refusal(folder).startswith("something else")


def test_a_key_that_cannot_be_made(tmp_path):
    """A place that cannot hold it is a mistake of the operator's files, with the remedy."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigurationError, match="no key, and none can be made: Not a directory"):
        make_key(tmp_path / "file" / "signing.key")


def test_no_descriptor_is_left_behind(tmp_path):
    """Reading keys, good and bad, a hundred times each: as many open files as before."""
    make_key(tmp_path / "key")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(100):
        read_key(tmp_path / "key")
        with pytest.raises(ConfigurationError):
            read_key(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before
