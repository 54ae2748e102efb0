"""What the modules of this room hand to one another."""

from datetime import date
from typing import Literal, NamedTuple

Dataset = Literal["events", "hosts"]
Format = Literal["parquet", "shadowserver-csv", "ocsf-parquet"]
Kind = Literal["day", "supplement", "withdrawal"]
Tlp = Literal["CLEAR", "GREEN", "AMBER", "AMBER+STRICT", "RED"]

REASONS = ("no_annex", "filtered", "unknown_country", "quarantined")
"""Why a recorded row is given to nobody: the second equation's reasons (contract)."""


class Entitlement(NamedTuple):
    """What one partner may have of one order: the annex, narrowed by what the partner asked for. Empty tuples: all."""

    partner: str
    order: str
    operation: str
    columns: tuple[str, ...]
    families: tuple[str, ...]
    countries: tuple[str, ...]
    networks: tuple[str, ...]
    tlp: Tlp
    datasets: tuple[Dataset, ...]
    formats: tuple[Format, ...]
    retention_days: int
    purpose: str


class Labels(NamedTuple):
    """What every file says of itself (law.md L-34)."""

    order: str
    day: date
    tlp: Tlp
    purpose: str
    partner: str
    supplement: int
    """0 for the day itself."""


class WrittenFile(NamedTuple):
    """One file of a publication, complete and synced; `name` has no folder."""

    name: str
    bytes: int
    rows: int
    sha256: str
    dataset: Dataset
    format: Format
    schema_version: int


class Made(NamedTuple):
    """A publication as it stands under its final name."""

    partner: str
    sequence: int
    kind: Kind
    day: date
    order: str
    supplement: int
    rows: int
    files: tuple[WrittenFile, ...]
    manifest_sha256: str
