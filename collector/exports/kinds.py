"""What the modules of this room hand to one another."""

from datetime import date
from typing import Literal, NamedTuple, get_args

Dataset = Literal["events", "hosts"]
Format = Literal["parquet", "shadowserver-csv", "ocsf-parquet"]
FileDataset = Literal["events", "hosts", "withdrawn"]
"""What a file has: a partner's datasets, and in a withdrawal the rows of events that it takes back."""
FileFormat = Literal["parquet", "shadowserver-csv", "ocsf-parquet", "csv"]
"""`csv` is the form of withdrawn rows for whoever has reports."""
Kind = Literal["day", "supplement", "withdrawal"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WITHDRAWALS: tuple[Kind, ...] = ("withdrawal",)
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
    """0 for the day itself; supplements and withdrawals of a day and order share their numbers."""


class WrittenFile(NamedTuple):
    """One file of a publication, complete and synced; `name` has no folder."""

    name: str
    bytes: int
    rows: int
    sha256: str
    dataset: FileDataset
    format: FileFormat
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
