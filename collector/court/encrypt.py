"""Encrypts a bundle to the court's key while it is made, with age (https://age-encryption.org/v1, through rage).

The plain bundle goes through a pipe into the cipher and from there to the disk, so that no unencrypted copy of it is ever
written. The same bundle is encrypted to other bytes each time (that is how age works); what stays the same, and what the
log and the cover letter name, is the SHA-256 of the plain one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO

import pyrage

from collector.court.tar import Sink
from collector.ground.errors import PentrapError

SUFFIX = ".age"
EXPECTED = "an age recipient (age1…) or an ssh-ed25519 public key, as text or as a file that holds it"


class RecipientError(PentrapError):
    """What was given is no key that can be encrypted to."""


class Recipient:
    """A public key of the court's."""

    def __init__(self, given: str) -> None:
        """Read `given`, or the file of that name. Raises RecipientError, OSError."""
        text = Path(given).read_text(encoding="ascii", errors="replace") if os.path.isfile(given) else given
        lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
        if len(lines) != 1:
            raise RecipientError(f"{len(lines)} keys in what was given; expected {EXPECTED}")
        self.text = lines[0]
        try:
            if self.text.startswith("ssh-ed25519 "):
                self._key: pyrage.x25519.Recipient | pyrage.ssh.Recipient = pyrage.ssh.Recipient.from_str(
                    self.text
                )
            else:
                self._key = pyrage.x25519.Recipient.from_str(self.text)
        except pyrage.RecipientError as error:
            raise RecipientError(f"not a key: {error}; expected {EXPECTED}") from None

    @contextmanager
    def encrypting(self, target: Sink) -> Iterator[IO[bytes]]:
        """A file whose content arrives at `target` encrypted; all of it once this is left without an error."""
        reading, writing = os.pipe()
        failures: list[BaseException] = []

        def work() -> None:
            with open(reading, "rb", buffering=1 << 16) as plain:
                try:
                    pyrage.encrypt_io(plain, _Writer(target), [self._key])
                except BaseException as error:
                    failures.append(error)

        thread = Thread(target=work, name="encrypt")
        thread.start()
        try:
            with open(writing, "wb", buffering=1 << 16) as plain:
                yield plain
        except BrokenPipeError:
            if not failures:
                raise
        finally:
            thread.join()
        if failures:
            raise failures[0]


class _Writer:
    """The target as the library wants it."""

    def __init__(self, target: Sink) -> None:
        self._target = target

    def write(self, content: bytes) -> int:
        self._target.write(content)
        return len(content)

    def flush(self) -> None:
        """The target is synced by whoever opened it."""
