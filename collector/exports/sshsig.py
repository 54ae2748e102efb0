"""Signatures that OpenSSH's own tool checks: SSHSIG with Ed25519 (PROTOCOL.sshsig in OpenSSH's sources).

    -----BEGIN SSH SIGNATURE-----
    base64, 70 characters a line, of
        byte[6]  "SSHSIG"      uint32  1
        string   the public key: string "ssh-ed25519", string of 32 bytes (RFC 8709)
        string   namespace     string  reserved, empty     string  hash algorithm
        string   the signature: string "ssh-ed25519", string of 64 bytes
    -----END SSH SIGNATURE-----

What is signed: "SSHSIG", namespace, reserved, hash algorithm, and the hash of the content, each but the first as a string. The
namespace keeps a signature over one kind of thing from passing for one over another.

Only the one form that `ssh-keygen -Y sign` writes is taken: whatever is laid out otherwise is refused, so that no bit of a
signature file can be changed unseen. A partner checks with

    ssh-keygen -Y verify -f allowed_signers -I pentrap -n pentrap-export -s manifest.json.sig < manifest.json
"""

import base64
import binascii
import hashlib
import struct
from itertools import pairwise
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

NAMESPACE = "pentrap-export"
PRINCIPAL = "pentrap"
"""Whom an allowed_signers file calls the signer."""
SIGNATURE_MAX = 4096
"""Bytes of a signature file that is read; one with an Ed25519 key and our namespace has some 300."""

_MAGIC = b"SSHSIG"
_VERSION = 1
_KEY_TYPE = b"ssh-ed25519"
_PUBLIC_SIZE, _SIGNATURE_SIZE = 32, 64
_HASHES = {"sha512": hashlib.sha512, "sha256": hashlib.sha256}
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\n"
_LINE = 70
_LENGTH = struct.Struct(">I")


class SignatureError(ValueError):
    """A signature or a public key that is none, or does not verify. Its text names the place, never the content."""


class Signature(NamedTuple):
    """What a signature file says; nothing of it is believed before `verify`."""

    public: bytes
    namespace: str
    algorithm: str
    signature: bytes


def sign(private: Ed25519PrivateKey, content: bytes, namespace: str = NAMESPACE) -> bytes:
    """The armored signature over `content`. The same input gives the same bytes."""
    algorithm = "sha512"
    signature = private.sign(_signed(content, namespace, algorithm))
    return _armored(Signature(private.public_key().public_bytes_raw(), namespace, algorithm, signature))


def verify(armored: bytes, content: bytes, namespace: str = NAMESPACE) -> bytes:
    """The public key (32 bytes) that signed `content`; whether it is the right one is the caller's to say.

    Raises SignatureError.
    """
    said = parse(armored)
    if said.namespace != namespace:
        raise SignatureError(f"a signature for another namespace, expected {namespace}")
    try:
        Ed25519PublicKey.from_public_bytes(said.public).verify(
            said.signature, _signed(content, namespace, said.algorithm)
        )
    except (InvalidSignature, ValueError):
        raise SignatureError("a signature that does not verify") from None
    return said.public


def parse(armored: bytes) -> Signature:
    """Read a signature file. Raises SignatureError."""
    if len(armored) > SIGNATURE_MAX:
        raise SignatureError(f"a signature of {len(armored)} bytes, expected at most {SIGNATURE_MAX}")
    if not armored.startswith(_BEGIN) or not armored.endswith(_END):
        raise SignatureError("no SSH signature")
    try:
        blob = base64.b64decode(armored[len(_BEGIN) : -len(_END)].replace(b"\n", b""), validate=True)
    except binascii.Error:
        raise SignatureError("a signature that is not base64") from None
    if blob[: len(_MAGIC)] != _MAGIC or blob[len(_MAGIC) : len(_MAGIC) + 4] != _LENGTH.pack(_VERSION):
        raise SignatureError("a signature of another kind or version")
    public_blob, namespace, reserved, algorithm, signature_blob = _strings(blob[len(_MAGIC) + 4 :], 5)
    if reserved:
        raise SignatureError("a signature with a reserved field that is not empty")
    key_type, public = _strings(public_blob, 2)
    signature_type, signature = _strings(signature_blob, 2)
    if (key_type, signature_type, len(public), len(signature)) != (
        _KEY_TYPE,
        _KEY_TYPE,
        _PUBLIC_SIZE,
        _SIGNATURE_SIZE,
    ):
        raise SignatureError("a signature that is not Ed25519's")
    try:
        found = Signature(public, namespace.decode("ascii"), algorithm.decode("ascii"), signature)
    except UnicodeDecodeError:
        raise SignatureError("a namespace or hash algorithm that is not ASCII") from None
    if found.algorithm not in _HASHES:
        raise SignatureError(f"another hash algorithm, expected one of {sorted(_HASHES)}")
    if _armored(found) != armored:
        raise SignatureError("a signature that is not laid out as ssh-keygen does")
    return found


def fingerprint(public: bytes) -> str:
    """`SHA256:…` as ssh-keygen -l prints it."""
    digest = hashlib.sha256(_public_blob(public)).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


def public_line(public: bytes, comment: str = "") -> str:
    """The key as OpenSSH's .pub files and authorized_keys have it, without a newline."""
    encoded = base64.b64encode(_public_blob(public)).decode("ascii")
    return " ".join(filter(None, (_KEY_TYPE.decode(), encoded, comment)))


def parse_public(line: str) -> bytes:
    """The 32 bytes of a key's line: a .pub file's, or one of an allowed_signers file. Raises SignatureError."""
    words = line.split()
    for word, following in pairwise(words):
        if word != _KEY_TYPE.decode():
            continue
        try:
            key_type, public = _strings(base64.b64decode(following.encode("ascii"), validate=True), 2)
        except (UnicodeEncodeError, binascii.Error):
            raise SignatureError("a public key that is not base64") from None
        if key_type != _KEY_TYPE or len(public) != _PUBLIC_SIZE:
            break
        return public
    raise SignatureError("no Ed25519 public key in OpenSSH's form")


def allowed_signers(*publics: bytes, principal: str = PRINCIPAL, namespace: str = NAMESPACE) -> str:
    """The file that `ssh-keygen -Y verify -f` takes, one line a key.

    Without validity: ssh-keygen holds it against the present moment, and what a former key signed stays true.
    """
    return "".join(f'{principal} namespaces="{namespace}" {public_line(public)}\n' for public in publics)


def _signed(content: bytes, namespace: str, algorithm: str) -> bytes:
    digest = _HASHES[algorithm](content).digest()
    return _MAGIC + b"".join(
        map(_string, (namespace.encode("ascii"), b"", algorithm.encode("ascii"), digest))
    )


def _armored(parts: Signature) -> bytes:
    fields = (
        _public_blob(parts.public),
        parts.namespace.encode("ascii"),
        b"",
        parts.algorithm.encode("ascii"),
        _string(_KEY_TYPE) + _string(parts.signature),
    )
    encoded = base64.b64encode(_MAGIC + _LENGTH.pack(_VERSION) + b"".join(map(_string, fields)))
    lines = (encoded[start : start + _LINE] + b"\n" for start in range(0, len(encoded), _LINE))
    return _BEGIN + b"".join(lines) + _END


def _public_blob(public: bytes) -> bytes:
    return _string(_KEY_TYPE) + _string(public)


def _string(content: bytes) -> bytes:
    return _LENGTH.pack(len(content)) + content


def _strings(blob: bytes, count: int) -> list[bytes]:
    """Exactly `count` strings, and nothing after them. Raises SignatureError."""
    found, place = [], 0
    for _ in range(count):
        if place + _LENGTH.size > len(blob):
            raise SignatureError("a signature or key that ends too early")
        (length,) = _LENGTH.unpack_from(blob, place)
        place += _LENGTH.size
        if place + length > len(blob):
            raise SignatureError("a signature or key that ends too early")
        found.append(blob[place : place + length])
        place += length
    if place != len(blob):
        raise SignatureError("a signature or key with more after its end")
    return found
