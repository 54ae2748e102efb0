"""The collector's key: one Ed25519 key in OpenSSH's form, made on first start (`[export] signing_key`).

It signs publications. Checkpoints of the audit log are signed with a key derived from it (HKDF, RFC 5869, with a label of its
own), since a key that signs two kinds of things should not be able to pass one for the other; so there is one secret to
guard, back up and mount. Only processes that sign load it: no process that reads from the network does.
"""

import os
import stat
from pathlib import Path
from typing import NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_private_key,
)

from collector.audit.note import Verifier, sign
from collector.ground import files
from collector.ground.errors import ConfigurationError, Problem

CHECKPOINT_LABEL = b"pentrap audit checkpoint v1"
LOG_KEY_SUFFIX = ".log"
EXPECTED = "an Ed25519 private key in OpenSSH's form without a passphrase, readable by its owner only (0600)"
_PLACE = "[export] signing_key"


class CheckpointKey:
    """Signs checkpoints of one sensor's log."""

    def __init__(self, private: Ed25519PrivateKey, sensor: str) -> None:
        derived = HKDF(SHA256(), 32, salt=None, info=CHECKPOINT_LABEL).derive(private.private_bytes_raw())
        self._private = Ed25519PrivateKey.from_private_bytes(derived)
        self.origin = origin_of(sensor)
        self.verifier = Verifier(self.origin, self._private.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """The signed note over a checkpoint's text."""
        return sign(text, self.origin, self._private)


def origin_of(sensor: str) -> str:
    """The name that a sensor's log and its key go by."""
    return f"pentrap/{sensor}"


def checkpoint_key(path: Path, sensor: str) -> CheckpointKey:
    """The key of a sensor's log from the collector's key file. Raises ConfigurationError.

    The log keeps the key that it was begun with: where the one that signs publications was replaced, the first lies beside it.
    """
    first = Path(f"{path}{LOG_KEY_SUFFIX}")
    return CheckpointKey(read_key(first if first.exists() else path), sensor)


def read_key(path: Path) -> Ed25519PrivateKey:
    """Read the collector's key. Raises ConfigurationError, whose text holds nothing of the file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        _refuse(path, error.strerror or "unreadable", "name the key file, or let `pentrap serve` make one")
    try:
        mode = os.fstat(descriptor).st_mode
        content = os.read(descriptor, 65_536) if stat.S_ISREG(mode) else b""
    finally:
        os.close(descriptor)
    if mode & (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IRGRP:
        # Group-readable is let pass: that is how orchestrators mount a secret for a service that is not root.
        _refuse(path, f"a file with rights {stat.S_IMODE(mode):04o}", f"chmod 600 {path}")
    try:
        private = load_ssh_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _refuse(path, "something else", "make one with ssh-keygen -t ed25519 -N ''")
    if not isinstance(private, Ed25519PrivateKey):
        _refuse(path, "a key of another kind", "make one with ssh-keygen -t ed25519 -N ''")
    return private


def make_key(path: Path) -> None:
    """Make the key where there is none yet; durable when this returns. Raises ConfigurationError."""
    if path.exists():
        return
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    try:
        files.make_directory(path.parent)
        files.publish_bytes(path, content)
    except OSError as error:
        remedy = "name a folder that the collector may write to on its first start, or put a key there"
        _refuse(path, f"no key, and none can be made: {error.strerror}", remedy)


def _refuse(path: Path, found: str, remedy: str) -> NoReturn:
    raise ConfigurationError([Problem(str(path), _PLACE, found, EXPECTED, remedy)])
