"""What the court listed, read from operation files for the fleet: a sample of domains, and the services.

Read here a second time, apart from the collector's own reader, so that a mistake there is not repeated
here.
"""

import csv
import random
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from clients.targets import Target

RECORDED_ACTIONS = ("redirect", "register", "transfer")


class Service(NamedTuple):
    """One row of [[services]]."""

    transport: str
    address: str | None
    port: int

    def covers(self, target: Target) -> bool:
        return (self.transport, self.port) == (target.transport, target.port) and self.address in (
            None,
            target.host,
        )


class Listing(NamedTuple):
    """What a fleet may call listed."""

    domains: tuple[str, ...]
    services: tuple[Service, ...]


def instant(value: str | date | datetime, otherwise: datetime) -> datetime:
    """An RFC 3339 instant or a date (00:00 UTC); empty is unbounded."""
    if isinstance(value, str):
        if not value:
            return otherwise
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def recorded_now(row: dict[str, str], now: datetime) -> bool:
    """Whether the schedule's row is to be recorded at `now`, for an hour at least."""
    begins = instant(row.get("valid_from") or "", datetime.min.replace(tzinfo=UTC))
    ends = instant(row.get("valid_until") or "", datetime.max.replace(tzinfo=UTC))
    return row["action"] in RECORDED_ACTIONS and begins <= now and (ends - now).total_seconds() > 3600


def read_operation(path: Path, sample: int, rng: random.Random, now: datetime) -> Listing:
    """Up to `sample` domains that are listed now, drawn evenly (reservoir), and the services."""
    document = tomllib.loads(path.read_text())
    excepted = {entry["domain"].lower() for entry in document.get("except", [])}
    kept: list[str] = []
    seen = 0
    for entry in document.get("domains", []):
        excepted |= {e["domain"].lower() for e in entry.get("except", [])}
        with (path.parent / entry["file"]).open(newline="") as file:
            for row in csv.DictReader(file):
                domain = row["domain"].lower().rstrip(".")
                if domain in excepted or not recorded_now(row, now):
                    continue
                seen += 1
                if len(kept) < sample:
                    kept.append(domain)
                elif (place := rng.randrange(seen)) < sample:
                    kept[place] = domain
    services = tuple(
        Service(entry["transport"], entry.get("address"), entry["port"])
        for entry in document.get("services", [])
    )
    return Listing(tuple(dict.fromkeys(kept)), services)


def merge(listings: list[Listing]) -> Listing:
    """Several operations' listings as one."""
    domains = dict.fromkeys(domain for listing in listings for domain in listing.domains)
    return Listing(tuple(domains), tuple(service for listing in listings for service in listing.services))
