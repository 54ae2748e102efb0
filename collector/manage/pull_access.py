"""Whose token it is: the file of tokens, read again when it changes, and the partners that take part.

Looked at every half second at most, so a revocation counts within a second and without a restart. A file that cannot be read
lets nobody in; a partner that is not in partners.toml any more is let in no longer.
"""

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from collector.exports import tokens
from collector.exports.tokens import Token
from collector.ground import logs
from collector.ground.clock import now_us
from collector.ground.errors import CorruptError

LOOK_SECONDS = 0.5


class Access:
    """Tokens by their hash. `partners` are let in; it may be replaced at a reload."""

    def __init__(
        self, data_dir: Path, partners: Collection[str], clock_us: Callable[[], int] = now_us
    ) -> None:
        self.partners = frozenset(partners)
        self._data_dir = data_dir
        self._path = tokens.path_of(data_dir)
        self._clock_us = clock_us
        self._tokens: dict[str, Token] = {}
        self._seen: tuple[int, int, int] | None = None
        self._looked = -LOOK_SECONDS

    def find(self, sha256: str) -> Token | None:
        """The valid token with this hash, of a partner that takes part."""
        self._look_where_due()
        token = self._tokens.get(sha256)
        if token is None or token.partner not in self.partners or token.state(self._clock_us()) != "valid":
            return None
        return token

    def expiries(self) -> dict[str, float]:
        """By partner that takes part: when its last valid token expires, seconds since 1970; 0 where it has none."""
        self._look_where_due()
        now = self._clock_us()
        found = dict.fromkeys(sorted(self.partners), 0.0)
        for token in self._tokens.values():
            if token.partner in found and token.state(now) == "valid":
                found[token.partner] = max(found[token.partner], token.expires_us / 1e6)
        return found

    def _look_where_due(self) -> None:
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            self._look()

    def _look(self) -> None:
        try:
            found = os.stat(self._path)
            seen = found.st_mtime_ns, found.st_ino, found.st_size
            if seen == self._seen:
                return
            self._tokens = {one.sha256: one for one in tokens.read(self._data_dir)}
            self._seen = seen
        except FileNotFoundError:
            self._tokens, self._seen = {}, None
        except (OSError, CorruptError) as error:
            if self._tokens or self._seen is None:
                logs.get("clerk").error("tokens_unreadable", place=logs.place(error))
            self._tokens, self._seen = {}, (0, 0, 0)
