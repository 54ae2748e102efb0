"""What exports work with, and what stops one."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.exports.enrich import Enrichment
from collector.ground.errors import PentrapError

Progress = Callable[[int, int], None]
"""Told how many of how many steps are done."""


class ExportError(PentrapError):
    """A day that is not exported now; the text says why, and when it will be."""


@dataclass(frozen=True)
class Means:
    """What an export works with."""

    data_dir: Path
    sensors: tuple[str, ...]
    """Those expected to seal a day."""
    key: Ed25519PrivateKey
    memory_mb: int
    temp_max_gb: int
    reserve_bytes: int
    """Free bytes below which nothing is exported: they are the journal's."""
    enrichment: Enrichment


def is_held(day: date) -> ExportError:
    """A segment of the day is set aside, and nobody has decided on it."""
    return ExportError(
        f"export {day}: a segment of the day is in quarantine; nothing of it is published until that is decided\n"
        "    remedy:   pentrap quarantine --list, then release or destroy it"
    )
