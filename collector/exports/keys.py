"""Which keys signed publications, and since when: the log's entries say, so no second file can say otherwise.

The key in force is the key file's. Its change is entered (`key_changed`) by `rotation`, with a signature of the old key over
the new one's public line: whoever trusts the old key can follow by himself (`follows`), and what the old key signed stays
verifiable. A manifest names its own key.

`key_changed` with change "announced" tells partners the key to come, so that both stand in their lists before the first
publication is signed by it: the overlap. With "replaced" it signs from then on.

    exports/.key-lock    held (flock) while a publication is signed and entered, and while a key is replaced

A publication of the former key behind one of the new key would break a partner's chain for good, so neither may happen between
the two steps of the other.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.audit.key import read_key
from collector.audit.log import Entry, read_entries
from collector.exports import sshsig
from collector.ground import files

LOCK = Path("exports", ".key-lock")
HANDOVER = "pentrap-key"
"""The namespace of an old key's signature over the new one's public line."""

State = Literal["current", "next", "former"]


class SigningKey(NamedTuple):
    """One key. Times are UTC microseconds; `since_us` is None for a key that is to come."""

    public: bytes
    state: State
    since_us: int | None
    until_us: int | None
    handover: str
    """The armored signature of the key before over this one's `line`; empty for the first."""

    @property
    def line(self) -> str:
        """As OpenSSH's .pub files have it."""
        return sshsig.public_line(self.public)

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it, and as manifests name it."""
        return sshsig.fingerprint(self.public)


@contextmanager
def signing_turn(data_dir: Path) -> Iterator[None]:
    """Wait for the turn to sign or to replace the key, and keep it. Not to be nested."""
    with files.locked(data_dir / LOCK):
        yield


def known_keys(data_dir: Path, key_file: Path) -> list[SigningKey]:
    """All keys, the oldest first. Without a key file, those of the log. Raises ConfigurationError, CorruptError, OSError."""
    current = read_key(key_file).public_key().public_bytes_raw() if key_file.exists() else None
    return keys_of(read_entries(data_dir / "audit"), current)


def keys_of(entries: Iterable[Entry], current: bytes | None) -> list[SigningKey]:
    """What the entries say of keys; `current` is the key file's, which is the first as long as none was replaced."""
    first_us: int | None = None
    found: list[SigningKey] = []
    coming: SigningKey | None = None
    for entry in entries:
        first_us = entry.time_us if first_us is None else first_us
        if entry.event != "key_changed":
            continue
        new = sshsig.parse_public(entry.facts["public"])
        if entry.facts["change"] == "announced":
            coming = SigningKey(new, "next", None, None, entry.facts["handover"])
            continue
        if not found:
            found.append(
                SigningKey(sshsig.parse_public(entry.facts["previous"]), "former", first_us, None, "")
            )
        found[-1] = found[-1]._replace(state="former", until_us=entry.time_us)
        found.append(SigningKey(new, "current", entry.time_us, None, entry.facts["handover"]))
        coming = None
    if not found and current is not None:
        found.append(SigningKey(current, "current", first_us, None, ""))
    return [*found, coming] if coming else found


def key_in_force(entries: Iterable[Entry]) -> bytes | None:
    """The public key that the entries say is in force; None where none was ever replaced."""
    return next((key.public for key in keys_of(entries, None) if key.state == "current"), None)


def handover(old: Ed25519PrivateKey, new: bytes) -> str:
    """The old key's word that the new one follows it."""
    return sshsig.sign(old, sshsig.public_line(new).encode(), HANDOVER).decode("ascii")


def follows(trusted: bytes, keys: Iterable[SigningKey]) -> list[bytes]:
    """The keys to be trusted by somebody who trusts one: it, and those that were handed on from it, one after the other.

    `keys` may come from anybody: each step is a signature of the key before.
    """
    chain = [trusted]
    for key in keys:
        if key.public in chain or not key.handover:
            continue
        try:
            by = sshsig.verify(key.handover.encode(), key.line.encode(), HANDOVER)
        except ValueError:
            continue
        if by == chain[-1]:
            chain.append(key.public)
    return chain
