"""Signatures in OpenSSH's form, held against the stock ssh-keygen."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from collector.audit.key import make_key, read_key
from collector.exports import sshsig

CONTENT = b'{"sequence": 1}\n'
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
needs_openssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs Debian's openssh-client")


def keygen(*words, stdin=b"") -> subprocess.CompletedProcess:
    return subprocess.run(["ssh-keygen", *map(str, words)], input=stdin, capture_output=True, check=False)


@pytest.fixture
def signer(tmp_path: Path):
    """A collector's key file, its signature over CONTENT, and the partner's allowed_signers."""
    key = tmp_path / "signing.key"
    make_key(key)
    private = read_key(key)
    public = private.public_key().public_bytes_raw()
    (tmp_path / "manifest.json.sig").write_bytes(sshsig.sign(private, CONTENT))
    (tmp_path / "allowed_signers").write_text(sshsig.allowed_signers(public))
    return key, public


@needs_openssh
def test_stock_ssh_keygen_verifies_what_we_signed(signer, tmp_path):
    """`-Y verify` with our allowed_signers line says Good, names the principal and fingerprint, and refuses another content,
    namespace and signer.
    """
    _, public = signer
    signers, signature = tmp_path / "allowed_signers", tmp_path / "manifest.json.sig"
    words = ["-Y", "verify", "-f", signers, "-I", sshsig.PRINCIPAL, "-n", sshsig.NAMESPACE, "-s", signature]
    done = keygen(*words, stdin=CONTENT)
    assert done.returncode == 0, done.stderr
    assert f'Good "pentrap-export" signature for pentrap with ED25519 key {sshsig.fingerprint(public)}' in (
        done.stdout.decode()
    )
    assert keygen(*words, stdin=CONTENT + b" ").returncode != 0
    other = ["-Y", "verify", "-f", signers, "-I", sshsig.PRINCIPAL, "-n", "file", "-s", signature]
    assert keygen(*other, stdin=CONTENT).returncode != 0
    signers.write_text(sshsig.allowed_signers(PUBLIC))
    assert keygen(*words, stdin=CONTENT).returncode != 0


@needs_openssh
def test_stock_ssh_keygen_checks_without_knowing_the_signer(signer, tmp_path):
    """`-Y check-novalidate` takes the signature for what it is."""
    words = ["-Y", "check-novalidate", "-n", sshsig.NAMESPACE, "-s", tmp_path / "manifest.json.sig"]
    assert keygen(*words, stdin=CONTENT).returncode == 0
    assert keygen(*words, stdin=b"other").returncode != 0


@needs_openssh
@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
def test_we_verify_what_stock_ssh_keygen_signed(signer, tmp_path, algorithm):
    """`-Y sign` with either hash; with sha512 the bytes are those that we write (Ed25519 has no random part)."""
    key, public = signer
    content = tmp_path / "content"
    content.write_bytes(CONTENT)
    done = keygen("-Y", "sign", "-f", key, "-n", sshsig.NAMESPACE, "-O", f"hashalg={algorithm}", content)
    assert done.returncode == 0, done.stderr
    signature = (tmp_path / "content.sig").read_bytes()
    assert sshsig.verify(signature, CONTENT) == public
    assert (signature == sshsig.sign(read_key(key), CONTENT)) is (algorithm == "sha512")


@needs_openssh
def test_fingerprint_and_line_are_those_of_ssh_keygen(signer, tmp_path):
    """`-l` prints our fingerprint, `-y` our public line."""
    key, public = signer
    line = keygen("-y", "-f", key).stdout.decode().strip()
    assert line == sshsig.public_line(public)
    assert sshsig.parse_public(line + " somebody@host") == public
    assert sshsig.parse_public(sshsig.allowed_signers(public)) == public
    (tmp_path / "k.pub").write_text(line)
    assert sshsig.fingerprint(public) in keygen("-l", "-f", tmp_path / "k.pub").stdout.decode()


def test_every_flipped_bit_of_signature_and_content_is_found():
    """No bit of the file may change unseen, be it armor, line ends, length, key or signature."""
    signature = sshsig.sign(PRIVATE, CONTENT)
    assert sshsig.verify(signature, CONTENT) == PUBLIC
    for place in range(len(signature) * 8):
        changed = bytearray(signature)
        changed[place // 8] ^= 1 << place % 8
        try:
            found = sshsig.verify(bytes(changed), CONTENT)
        except sshsig.SignatureError:
            continue
        pytest.fail(f"bit {place} changed unseen: {found!r}")
    for place in range(len(CONTENT) * 8):
        other = bytearray(CONTENT)
        other[place // 8] ^= 1 << place % 8
        with pytest.raises(sshsig.SignatureError, match="does not verify"):
            sshsig.verify(signature, bytes(other))


def test_every_cut_and_addition_is_found():
    """A signature file has one length."""
    signature = sshsig.sign(PRIVATE, CONTENT)
    for size in range(len(signature)):
        with pytest.raises(sshsig.SignatureError):
            sshsig.verify(signature[:size], CONTENT)
    for more in (b"\n", b" ", b"\0", signature):
        with pytest.raises(sshsig.SignatureError):
            sshsig.verify(signature + more, CONTENT)
    with pytest.raises(sshsig.SignatureError, match="at most 4096"):
        sshsig.verify(b"x" * 5000, CONTENT)


def test_a_signature_of_another_namespace_is_refused():
    """What the key signed for another purpose is no publication."""
    with pytest.raises(sshsig.SignatureError, match="namespace"):
        sshsig.verify(sshsig.sign(PRIVATE, CONTENT, "file"), CONTENT)


@given(st.binary(max_size=400), st.binary(max_size=40))
def test_hostile_signatures_raise_the_declared_error_only(blob, content):
    """Anything inside the armor, and anything at all: refused with SignatureError."""
    import base64

    armored = b"-----BEGIN SSH SIGNATURE-----\n%s\n-----END SSH SIGNATURE-----\n"
    for one in (
        blob,
        armored % blob,
        armored % base64.b64encode(blob),
        armored % base64.b64encode(b"SSHSIG\0\0\0\1" + blob),
    ):
        with pytest.raises(sshsig.SignatureError):
            sshsig.verify(one, content)


@given(st.text(max_size=80))
def test_hostile_public_lines_raise_the_declared_error_only(text):
    """A key line that is none."""
    for line in (text, f"ssh-ed25519 {text}"):
        with pytest.raises(sshsig.SignatureError):
            sshsig.parse_public(line)
