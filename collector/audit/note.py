"""Signed notes and checkpoints, the forms that transparency-log tools share.

A note (C2SP signed-note) is text of whole lines, an empty line, then a line for each signature:

    <text>
                                                an empty line
    — <key name> <base64 of key id and signature>

The key id is the first 4 bytes of SHA-256(name, newline, signature type, public key); the type of plain Ed25519 (RFC 8032)
is 1. A verifier key is `<name>+<key id in hex>+<base64 of type and public key>`. Unknown signatures are passed over.

A checkpoint (C2SP tlog-checkpoint) is a note of three lines: the log's origin, the number of entries, the root in base64.
"""

import base64
import binascii
import re
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from collector.audit.tree import HASH_SIZE

ED25519 = 1
KEY_ID_SIZE = 4
SIGNATURE_SIZE = 64
PUBLIC_SIZE = 32
NOTE_MAX = 16_384
"""Bytes of a note that is read: a checkpoint with a hundred witnesses is shorter."""

_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class NoteError(ValueError):
    """A note that is not one, or that the key did not sign. Its text names the place, never the content."""


class Verifier(NamedTuple):
    """A public key with the name that its signatures carry."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """What a signature line begins with."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:KEY_ID_SIZE]

    @property
    def text(self) -> str:
        """The verifier key as tools take it."""
        return f"{self.name}+{self.key_id.hex()}+{_base64(bytes([ED25519]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "Verifier":
        """Read `text`. Raises NoteError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        key = _decoded(encoded, "the verifier key")
        if len(key) != 1 + PUBLIC_SIZE or key[0] != ED25519 or not _NAME.fullmatch(name):
            raise NoteError("the verifier key is not <name>+<key id>+<base64 of an Ed25519 key>")
        verifier = cls(name, key[1:])
        if verifier.key_id.hex() != key_id:
            raise NoteError("the verifier key's id does not belong to its name and key")
        return verifier


class Checkpoint(NamedTuple):
    """A log's state: `size` entries under `root`."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{self.origin}\n{self.size}\n{_base64(self.root)}\n"


Sign = Callable[[bytes], bytes]


def sign(text: str, name: str, private: Ed25519PrivateKey) -> bytes:
    """A note over `text` with one signature. The same input gives the same bytes (Ed25519 has no random part)."""
    verifier = Verifier(name, private.public_key().public_bytes_raw())
    signature = private.sign(text.encode())
    return f"{text}\n— {name} {_base64(verifier.key_id + signature)}\n".encode()


def open_note(note: bytes, verifier: Verifier) -> str:
    """The text of a note that `verifier` signed. Raises NoteError."""
    if len(note) > NOTE_MAX:
        raise NoteError(f"a note of {len(note)} bytes, expected at most {NOTE_MAX}")
    try:
        whole = note.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("a note that is not UTF-8") from None
    text, empty, signatures = whole.rpartition("\n\n")
    if not empty or not signatures.endswith("\n"):
        raise NoteError("a note without signatures")
    if any(ord(letter) < 0x20 and letter != "\n" for letter in whole):
        raise NoteError("a note with control characters")
    text += "\n"
    found = False
    for line in signatures.removesuffix("\n").split("\n"):
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        if dash != "—" or not _NAME.fullmatch(name) or not encoded:
            raise NoteError("a signature line that is not <dash> <name> <base64>")
        signature = _decoded(encoded, "a signature")
        if len(signature) <= KEY_ID_SIZE:
            raise NoteError("a signature that is too short")
        if name != verifier.name or signature[:KEY_ID_SIZE] != verifier.key_id:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(verifier.public).verify(signature[KEY_ID_SIZE:], text.encode())
        except (InvalidSignature, ValueError):
            raise NoteError("a signature that does not verify") from None
        found = True
    if not found:
        raise NoteError("no signature by the key that was given")
    return text


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint's text; lines after the third are extensions and are passed over. Raises NoteError."""
    lines = text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        raise NoteError("a checkpoint that is not origin, size and root")
    found = _decoded(lines[2], "the root")
    if len(found) != HASH_SIZE:
        raise NoteError(f"a root of {len(found)} bytes, expected {HASH_SIZE}")
    return Checkpoint(lines[0], int(lines[1]), found)


def open_checkpoint(note: bytes, verifier: Verifier, origin: str = "") -> Checkpoint:
    """The checkpoint in a note that `verifier` signed for `origin` (default: the verifier's name). Raises NoteError."""
    checkpoint = parse_checkpoint(open_note(note, verifier))
    if checkpoint.origin != (origin or verifier.name):
        raise NoteError("a checkpoint of another log")
    return checkpoint


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _decoded(text: str, what: str) -> bytes:
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise NoteError(f"{what} is not base64") from None
    if _base64(content) != text:
        raise NoteError(f"{what} is not in base64's one form")
    return content
