"""The story's own books: what was made, counted, recorded, published and pulled, read from the files themselves."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bed.rows import segment_files
from clients.ledger import read_ledger
from clients.metrics import Counters, accepted, fate_counts

from story.commands import DoesNotHold


class Accounts:
    """Filled chapter by chapter; what does not agree raises DoesNotHold at once."""

    def __init__(self) -> None:
        self.made = self.accepted = self.recorded = self.rows = self.delivered = 0
        self.fates: dict[str, int] = {}
        self.withheld: dict[str, int] = {}
        self.given: dict[str, int] = {}
        """Rows of events by partner."""
        self.files = 0
        self._days: list[date] = []

    def take_ledger(self, ledger: Path, counters: Counters) -> None:
        """What the machines noted, and what the collector counted."""
        self.made = sum(1 for _ in read_ledger(ledger))
        self.accepted, self.fates = accepted(counters), fate_counts(counters)
        self.recorded = self.fates["recorded"]
        agree("check-ins accepted", self.accepted, "made by the machines' ledger", self.made)
        agree("fates together", sum(self.fates.values()), "accepted", self.accepted)

    def take_rows(self, data: Path) -> None:
        """What stands in Parquet."""
        rows: Counter[date] = Counter()
        for file in segment_files(data):
            rows[date.fromisoformat(file.parent.name.partition("=")[2])] += pq.read_metadata(file).num_rows
        self.rows, self._days = sum(rows.values()), sorted(rows)
        agree("rows in Parquet", self.rows, "recorded by the metrics", self.recorded)

    def only_day(self) -> str:
        """The one UTC day that it all happened in."""
        if len(self._days) != 1:
            raise DoesNotHold(
                f"check-ins of {len(self._days)} UTC days, expected one: midnight came between; try again"
            )
        return self._days[0].isoformat()

    def take_publications(self, data: Path) -> None:
        """What was published."""
        for folder in sorted((data / "exports").glob("*/[0-9]*")):
            manifest = json.loads((folder / "manifest.json").read_text())
            rows = manifest["rows"]
            self.delivered, self.withheld = rows["delivered"], rows["withheld"]
            self.given[manifest["partner"]] = self.given.get(manifest["partner"], 0) + _events(
                folder, manifest
            )
            agree("recorded by a manifest", rows["recorded"], "rows in Parquet", self.rows)
        total = self.delivered + sum(self.withheld.values())
        agree("delivered and withheld", total, "recorded", self.recorded)

    def compare_pulled(self, data: Path, partner: str, folder: Path) -> None:
        """What a partner pulled is what was published for it, to the byte."""
        published, pulled = _contents(data / "exports" / partner), _contents(folder / "publications")
        agree(f"files that {partner} pulled", len(pulled), "published", len(published))
        different = sorted(name for name in published if published[name] != pulled.get(name))
        if different:
            raise DoesNotHold(f"{folder}: {different[0]} is not as it was published")
        self.files += len(pulled)

    def countries_of(self, folder: Path, wanted: set[str]) -> None:
        """A partner whose annex names countries has rows of no other."""
        found: set[str] = set()
        for file in (folder / "publications").glob("*/*.parquet"):
            found |= set(pq.read_table(file, columns=["src_geo"])["src_geo"].to_pylist())
        if found != wanted:
            raise DoesNotHold(f"{folder}: rows of {sorted(map(str, found))}, expected {sorted(wanted)}")

    def lines(self) -> list[str]:
        """The books, closed."""
        kinds: Counter[str] = Counter()
        for fate, count in self.fates.items():
            kinds[fate.partition("_")[0]] += count
        fates = " + ".join(
            f"{kind} {kinds[kind]:,}" for kind in ("recorded", "suppressed", "rejected", "dropped")
        )
        kept = ", ".join(f"{reason} {count:,}" for reason, count in self.withheld.items() if count)
        given = ", ".join(f"{partner} {rows:,}" for partner, rows in self.given.items())
        return [
            f"made       {self.made:,} check-ins, by the machines' own ledger",
            f"accepted   {self.accepted:,} = {fates}",
            f"recorded   {self.recorded:,} = rows in Parquet {self.rows:,}",
            f"recorded   {self.recorded:,} = delivered {self.delivered:,} + withheld {sum(self.withheld.values()):,} ({kept})",
            f"partners   {given} rows; {self.files} files pulled, each as it was published",
        ]


def agree(what: str, found: int, of: str, expected: int) -> None:
    """Two counts that must be one."""
    if found != expected:
        raise DoesNotHold(f"{what}: {found:,}, but {of}: {expected:,}")


def _events(folder: Path, manifest: dict[str, Any]) -> int:
    """Rows of a publication's native events, by the files and not by the manifest."""
    names = [
        file["name"]
        for file in manifest["files"]
        if (file["dataset"], file["format"]) == ("events", "parquet")
    ]
    return sum(pq.read_metadata(folder / name).num_rows for name in names)


def _contents(folder: Path) -> dict[str, bytes]:
    """The files of all publications in a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("[0-9]*/*")}
