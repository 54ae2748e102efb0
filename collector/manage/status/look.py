"""One look at the collector: the values that the status page and `pentrap status` tell, and nothing else.

Numbers, moments in seconds since 1970, and aliases from the configuration. No address, domain, docket, court or agency has a
field here (law.md L-30), and a small count of addresses is None before it comes here (exports/victims.py): what shows a look
cannot show what it never had.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from collector.exports.victims import Victims

DAY = 86_400
GROUPS = ("recorded", "suppressed", "rejected", "dropped")
"""The equation's terms, but for what is still open: what a fate's name begins with."""
MINUTE_COLUMNS = (*GROUPS, "overload", "disk", "crash", "kernel", "refusals", "corrupt")
"""What is known of a minute: check-ins by the group of their fate, those dropped by their reason too; what the kernel dropped
before us; writes and syncs that the disk refused; regions of journals that did not verify.
"""

Minute = tuple[int, ...]
"""Counts by MINUTE_COLUMNS."""


@dataclass(frozen=True)
class Counts:
    """The equation and what stands beside it, of one reading, since `serve` started."""

    accepted: Mapping[str, int]
    """By transport."""
    fates: Mapping[str, int]
    open: int
    kernel_dropped: Mapping[str, int]
    rows: int
    """Written to Parquet."""
    journal_bytes: int
    fsync_errors: int
    corrupt_blocks: int

    @property
    def accepted_all(self) -> int:
        """Over all transports."""
        return sum(self.accepted.values())

    @property
    def difference(self) -> int:
        """What the equation does not account for: 0, or the collector is broken."""
        return self.accepted_all - sum(self.fates.values()) - self.open

    def group(self, name: str) -> int:
        """One of GROUPS."""
        return sum(count for fate, count in self.fates.items() if fate.partition("_")[0] == name)


@dataclass(frozen=True)
class Order:
    """An order's clock."""

    order: str
    operation: str
    active: bool
    starts: float
    ends: float
    return_due: float | None
    """None where its kind asks for none, or the court has it."""
    chain_ends: float
    """When the last of its extensions ends: its own end where there is none."""

    def just_ended(self, now: float) -> bool:
        """Over since less than a day, and no extension goes on."""
        return now - DAY < self.ends <= now and self.chain_ends <= now


@dataclass(frozen=True)
class PartnerDay:
    """What a partner has of a day: complete, incomplete (a sensor is missing), to come, late, or none (nothing is due)."""

    day: date
    state: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Partner:
    """A partner's exports, the last days in order."""

    partner: str
    days: tuple[PartnerDay, ...]
    published: float | None
    """When something was last published for it."""
    pulled: float | None
    """When it last had a file of a publication."""
    waiting_since: float | None
    """When the first was published that it has had nothing of since."""


@dataclass(frozen=True)
class Machine:
    """Disk, clock, processes, log."""

    disk_free: int
    disk_total: int
    disk_reserve: int
    """Bytes kept for the journal: exports stop below."""
    disk_refuses: bool
    clock_unsure: int
    """Workers that doubt the clock."""
    kernel_synchronised: bool | None
    """None: it does not say."""
    clock_offset_us: int | None
    loop_lag: float
    entries: int
    """Of the audit log."""
    checkpoint: float
    """When its signed checkpoint was last seen to cover every entry."""


@dataclass(frozen=True)
class Look:
    """All of it, as of one moment."""

    now: float
    sensor: str
    version: str
    started: float
    workers: int
    workers_answering: int
    not_recording_because: tuple[str, ...]
    files_refused: bool
    counts: Counts
    minutes: tuple[Minute | None, ...]
    """The last day, the present minute last."""
    victims: Victims
    orders: tuple[Order, ...]
    injunctions: tuple[tuple[str, float], ...]
    """Operation and expiry, of those that expire."""
    partners: tuple[Partner, ...]
    machine: Machine

    @property
    def recording(self) -> bool:
        """Whether a check-in that matches would be recorded now."""
        return not self.not_recording_because

    def lately(self, column: str, minutes: int = 60) -> int:
        """What the last minutes had of a column of MINUTE_COLUMNS."""
        place = MINUTE_COLUMNS.index(column)
        return sum(counts[place] for counts in self.minutes[-minutes:] if counts is not None)

    def document(self) -> dict[str, Any]:
        """As JSON has it, without the minutes; what /readyz says too has its names."""
        values = asdict(replace(self, minutes=()))
        for name in ("minutes", "workers_answering", "files_refused"):
            del values[name]
        for partner in values["partners"]:
            partner["days"] = [day | {"day": day["day"].isoformat()} for day in partner["days"]]
        return values | {
            "ready": self.workers_answering > 0,
            "workers": {"expected": self.workers, "answering": self.workers_answering},
            "recording": self.recording,
            "changed_files_refused": self.files_refused,
            "accepted": self.counts.accepted_all,
            "difference": self.counts.difference,
        }
