"""What was found wrong and taken back: lists of record numbers, named by their hash (law.md L-33a).

    data_dir/withdrawn/date=YYYY-MM-DD/<sha256>.parquet    stream (text), record (int64), in that order

Numbers only: no list says whose check-ins they are. A list counts from the moment when the audit log has its `withdrawn` entry;
one that no entry names is what a death left, and the next withdrawal sweeps it away. Lists stay when rows and copies are gone:
they are how it is still known what must not be given again.
"""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from collector.audit.ledger import Ledger
from collector.exports.manifest import Manifest
from collector.segments.segment import DAY_PREFIX

FOLDER = "withdrawn"
KEYS = pa.schema([pa.field("stream", pa.string()), pa.field("record", pa.int64())])


class Withdrawn(NamedTuple):
    """One entry of the log."""

    order: str
    day: date
    sha256: str
    rows: int
    given: tuple[tuple[str, int], ...]
    """How many of the rows each partner had been given by then; only those that had."""


def withdrawn_of(ledger: Ledger, day: date) -> tuple[Withdrawn, ...]:
    """What was withdrawn of a day, in the order of the entries."""
    return tuple(one for one in all_withdrawn(ledger) if one.day == day)


def all_withdrawn(ledger: Ledger) -> list[Withdrawn]:
    """What was ever withdrawn."""
    return [
        Withdrawn(
            entry.facts["order"],
            date.fromisoformat(entry.facts["day"]),
            entry.facts["sha256"],
            entry.facts["rows"],
            tuple(sorted(entry.facts["given"].items())),
        )
        for entry in ledger.withdrawn
    ]


def to_take_back(
    known: Iterable[Withdrawn], partner: str, order: str, published: Iterable[Manifest]
) -> tuple[Withdrawn, ...]:
    """What of it the partner was given and has not been told of yet."""
    told = {digest for manifest in published for digest in manifest.withdrawals}
    return tuple(
        one
        for one in known
        if one.order == order and one.sha256 not in told and dict(one.given).get(partner, 0)
    )


def folder_of(data_dir: Path, day: date) -> Path:
    """Where a day's lists stand."""
    return data_dir / FOLDER / f"{DAY_PREFIX}{day.isoformat()}"


def list_path(data_dir: Path, day: date, sha256: str) -> Path:
    """Where a list stands."""
    return folder_of(data_dir, day) / f"{sha256}.parquet"
