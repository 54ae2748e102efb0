"""Which keys may sign.

The keys given (`--key`), or those of DIR/trusted.key, where `--trust-first-use` puts the first signer it meets. A key
hands on to the next by signing it (exports/keys.py), so a rotation is followed without anybody's help; it does not go
back: once a key has been followed by another, what it signs later is refused, since a key that was taken out of use may
be in anybody's hands.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from collector.exports import sshsig
from collector.exports.keys import SigningKey, follows
from collector.ground.files import publish_bytes
from collector.pull.access import problem

TRUSTED = "trusted.key"
KEY_FILE_MAX = 1 << 20
KEYS_MAX = 1 << 20
"""Bytes of /v1/key that are read: a thousand keys."""


def read_keys(path: Path, place: str) -> tuple[bytes, ...]:
    """The public keys of a file: OpenSSH lines, or those of an allowed_signers file. Raises ConfigurationError."""
    expected = "lines with an ssh-ed25519 public key"
    try:
        with path.open("rb") as file:
            lines = file.read(KEY_FILE_MAX).decode("utf-8", "replace").splitlines()
    except OSError as error:
        raise problem(place, error.strerror or "unreadable", expected, "correct the path") from None
    found = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise problem(place, "nothing", expected, "copy the key from the operator's onboarding sheet")
    try:
        return tuple(dict.fromkeys(sshsig.parse_public(line) for line in found))
    except ValueError as error:
        raise problem(place, str(error), expected, "copy the line whole, as the operator gave it") from None


def offered(content: bytes | None) -> list[SigningKey]:
    """The keys of /v1/key, as far as they are any; none is believed before `follows`."""
    try:
        listed = json.loads(content or b"")["keys"]
        return [
            SigningKey(sshsig.parse_public(key["public"]), "current", None, None, str(key["handover"] or ""))
            for key in listed
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


class Trust:
    """The keys that may sign what comes next."""

    def __init__(self, given: Iterable[bytes]) -> None:
        self.given = tuple(given)
        self._handed_on: list[bytes] = []
        self._signers: list[bytes] = []

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Those given, and those that were handed on from them."""
        return tuple(dict.fromkeys((*self.given, *self._handed_on)))

    @property
    def words(self) -> str:
        """The fingerprints of those that may sign next."""
        return (
            " or ".join(sshsig.fingerprint(key) for key in self.keys if key not in self._former()) or "none"
        )

    def allows(self, signer: bytes) -> bool:
        """Whether this key may sign what comes next."""
        return signer in self.keys and signer not in self._former()

    def follow(self, keys: Iterable[SigningKey]) -> None:
        """Take on the keys that were handed on from those that may sign."""
        listed = list(keys)
        for trusted in [key for key in self.keys if key not in self._former()]:
            self._handed_on += [key for key in follows(trusted, listed) if key not in self.keys]

    def has_signed(self, signer: bytes) -> None:
        """What follows is signed by this key, or by one that comes after it."""
        if not self._signers or self._signers[-1] != signer:
            self._signers.append(signer)

    def _former(self) -> list[bytes]:
        return [key for key in self._signers if key != self._signers[-1]]


def pin(folder: Path, keys: Iterable[bytes]) -> None:
    """Write DIR/trusted.key whole. Raises OSError."""
    said = "# Taken on first use, and what was handed on from there; compare it with the operator's fingerprint.\n"
    lines = "".join(f"{sshsig.public_line(key)} {sshsig.fingerprint(key)}\n" for key in keys)
    publish_bytes(folder / TRUSTED, (said + lines).encode("ascii"))
