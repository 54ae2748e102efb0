"""Partners' tokens: who may pull, as which account.

    data_dir/access/tokens.json    0600, replaced whole: {"version": 1, "tokens": [{"sha256": …, "partner": …, …}, …]}
    data_dir/access/tokens.lock    held (flock) by whoever changes it

A token is `ptr_` and 256 random bits in base64url. It is shown once, to whoever made it; the file holds its SHA-256 only. No
slow hash: slowness protects secrets that can be guessed, and nobody guesses 256 random bits; looking a token up by
its hash tells a clock nothing about the token either.

An account is one of a partner's machines or people, so that the log can tell them apart and one can be shut out alone. The log
has `credential_changed` before the file changes (L-21). Killed in between: a token that was to be made never was, and is made
by running the command again; one that was to be revoked is named by its id in the entry, and is revoked by whatever command
comes next (`settled`).
"""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from collector.audit.log import AuditLog, read_entries
from collector.ground import files
from collector.ground.errors import CorruptError

FOLDER, NAME, LOCK = "access", "tokens.json", "tokens.lock"
VERSION = 1
"""Of tokens.json."""
PREFIX = "ptr_"
"""So that scanners for leaked secrets, and people, know one when they see it."""
TOKEN = re.compile(PREFIX + r"[A-Za-z0-9_-]{43}", re.ASCII)
ACCOUNT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOMENT_MAX_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999: later ones cannot be written down."""
EXPIRES_DAYS = 365
OVERLAP_DAYS = 7
"""How long a token goes on after it was rotated: partners change theirs on a working day."""
DAYS_MAX = 3650
DAY_US = 86_400_000_000
_REMEDY = (
    "Restore it from a copy, or move it aside: nobody can pull until `pentrap partner add` makes new tokens"
)


@dataclass(frozen=True)
class Token:
    """What is known of one; times in UTC microseconds, `revoked_us` None while it is not."""

    sha256: str
    partner: str
    account: str
    created_us: int
    expires_us: int
    revoked_us: int | None = None

    @property
    def id(self) -> str:
        """By which log and operator call it: the beginning of its hash."""
        return self.sha256[:12]

    def state(self, now_us: int) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked_us is not None:
            return "revoked"
        return "valid" if now_us < self.expires_us else "expired"


def digest(secret: str) -> str:
    """What the file holds of a token."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def path_of(data_dir: Path) -> Path:
    """The file; it need not exist."""
    return data_dir / FOLDER / NAME


def read(data_dir: Path) -> list[Token]:
    """All tokens in the order of their making. Raises CorruptError, OSError."""
    path = path_of(data_dir)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        document = json.loads(content)
        found = [_token(one) for one in document["tokens"]] if document["version"] == VERSION else None
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if found is None:
        raise CorruptError(
            "read tokens", str(path), "the file", "not a list of tokens of this release", _REMEDY
        )
    return found


def _token(fields: dict[str, Any]) -> Token:
    """Raises TypeError, ValueError: the file is another's work where a value is of another kind."""
    one = Token(**fields)
    moments = (one.created_us, one.expires_us, 0 if one.revoked_us is None else one.revoked_us)
    if not all(type(moment) is int and 0 <= moment <= _MOMENT_MAX_US for moment in moments):
        raise ValueError("a time that is none")
    names = (one.partner, one.account)
    if not _DIGEST.fullmatch(one.sha256) or not all(
        isinstance(name, str) and name.isprintable() for name in names
    ):
        raise ValueError("a name that is none")
    return one


def of_partner(tokens: Iterable[Token], partner: str, account: str = "") -> list[Token]:
    """A partner's, or one of its accounts'."""
    return [one for one in tokens if one.partner == partner and account in ("", one.account)]


class Changes:
    """The turn to change tokens, given by `changing`. Every method enters the change first."""

    def __init__(self, data_dir: Path, log: AuditLog, actor: str, now_us: int) -> None:
        self._data_dir, self._log, self._actor, self._now_us = data_dir, log, actor, now_us
        self.tokens = settled(data_dir, read(data_dir))

    def valid(self, partner: str, account: str = "") -> list[Token]:
        """Those that open something now."""
        return [
            one for one in of_partner(self.tokens, partner, account) if one.state(self._now_us) == "valid"
        ]

    def add(self, partner: str, account: str, days: int) -> tuple[str, Token]:
        """A new token: its secret, which nobody sees again, and what is kept of it."""
        secret, token = self._make(partner, account, days)
        self._enter(partner, account, "added", [token])
        self._write([*self.tokens, token])
        return secret, token

    def rotate(self, partner: str, account: str, days: int, overlap_days: int) -> tuple[str, Token]:
        """A new token; those before it go on for the overlap, or until they expire where that is sooner."""
        secret, token = self._make(partner, account, days)
        until_us = self._now_us + overlap_days * DAY_US
        before = set(self.valid(partner, account))
        self._enter(partner, account, "rotated", [token], overlap_days=overlap_days)
        ended = [
            replace(one, expires_us=min(one.expires_us, until_us)) if one in before else one
            for one in self.tokens
        ]
        self._write([*ended, token])
        return secret, token

    def revoke(self, partner: str, account: str = "") -> list[Token]:
        """End a partner's tokens, or one account's, at once; those that were valid."""
        ended = self.valid(partner, account)
        for name in sorted({one.account for one in ended}):
            self._enter(partner, name, "revoked", [one for one in ended if one.account == name])
        if ended:
            gone = set(ended)
            self._write(
                [replace(one, revoked_us=self._now_us) if one in gone else one for one in self.tokens]
            )
        return ended

    def _make(self, partner: str, account: str, days: int) -> tuple[str, Token]:
        secret = PREFIX + secrets.token_urlsafe(32)
        return secret, Token(digest(secret), partner, account, self._now_us, self._now_us + days * DAY_US)

    def _enter(self, partner: str, account: str, change: str, tokens: list[Token], **more: Any) -> None:
        ids = [one.id for one in tokens]
        self._log.append(
            "credential_changed",
            self._now_us,
            partner=partner,
            account=account,
            change=change,
            tokens=ids,
            actor=self._actor,
            **more,
        )

    def _write(self, tokens: list[Token]) -> None:
        _write(self._data_dir, tokens)
        self.tokens = tokens


@contextmanager
def changing(data_dir: Path, log: AuditLog, actor: str, now_us: int) -> Iterator[Changes]:
    """Wait for the turn to change tokens, complete what a crash left of the last change, and keep the turn.

    Raises CorruptError, OSError.
    """
    with files.locked(data_dir / FOLDER / LOCK):
        changes = Changes(data_dir, log, actor, now_us)
        if changes.tokens != read(data_dir):
            _write(data_dir, changes.tokens)
        yield changes


def settled(data_dir: Path, tokens: list[Token]) -> list[Token]:
    """The tokens with every revocation that the log has: the entry is the act, whatever became of the file."""
    revoked = {
        name: entry.time_us
        for entry in read_entries(data_dir / "audit")
        if entry.event == "credential_changed" and entry.facts["change"] == "revoked"
        for name in entry.facts["tokens"]
    }
    return [
        replace(one, revoked_us=revoked[one.id]) if one.id in revoked and one.revoked_us is None else one
        for one in tokens
    ]


def _write(data_dir: Path, tokens: list[Token]) -> None:
    document = {"version": VERSION, "tokens": [asdict(one) for one in tokens]}
    files.publish_bytes(path_of(data_dir), (json.dumps(document, indent=1) + "\n").encode())
