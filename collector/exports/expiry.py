"""Partners' copies have a clock of their own (law.md L-33): by order and partner, from the day of publication.

A copy goes `retention_days` after its publication's date (UTC): as its manifest says, or as annex and partner say now where
that is sooner. The manifest, its signature and SHA256SUMS stay, so the sequence stays provable and it can still be said who was
given what; the rows themselves are in the custody set as long as that must keep them. The entry `deleted` (why "partner copy")
comes first; what a crash left of it is finished first by the next run. A held order's copies stay.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.audit.people import MACHINE
from collector.exports.kinds import Entitlement
from collector.exports.publication import FOLDER, Publication, partners, publications, turn
from collector.ground import files
from collector.ground.errors import CorruptError

WHY = "partner copy"
FILES_AN_ENTRY = 100
"""Of at most some 450 bytes each, so that an entry stays below its 65,535 bytes."""


@dataclass
class Expired:
    """What a run came to. Files by name below data_dir."""

    deleted: list[str] = field(default_factory=list)
    """Those whose time is over; in a dry run, those that would go."""
    finished: list[str] = field(default_factory=list)
    """Deletions of earlier entries that a crash had left undone."""
    kept_back: dict[str, str] = field(default_factory=dict)
    """Those whose time is over and that stay, by why."""
    entries: list[int] = field(default_factory=list)


def expire(
    log: AuditLog,
    data_dir: Path,
    entitlements: Iterable[Entitlement],
    now_us: int,
    *,
    order: str = "",
    actor: str = MACHINE,
    reason: str = "",
    dry_run: bool = False,
) -> Expired:
    """Delete the copies whose time is over, of one order or of all. Raises OSError; a partner whose folder is damaged is passed
    over and told.

    Daily by the clerk, and by `pentrap purge`.
    """
    made = Expired()
    days = {(one.partner, one.order): one.retention_days for one in entitlements}
    today = datetime.fromtimestamp(now_us // 1_000_000, UTC).date()
    for partner in partners(data_dir):
        with turn(data_dir / FOLDER / partner):
            ledger = Ledger.of(read_entries(data_dir / "audit"))
            _finish(data_dir, ledger, partner, made, dry_run=dry_run)
            try:
                stand = publications(data_dir, partner)
            except CorruptError as error:
                made.kept_back[f"{FOLDER}/{partner}"] = str(error)
                continue
            for one in stand:
                if order not in ("", one.manifest.order) or not is_over(one, days, today):
                    continue
                names = _copies(data_dir, one, ledger)
                if not names:
                    continue
                if one.manifest.order in ledger.holds:
                    made.kept_back.update(dict.fromkeys(names, f"{one.manifest.order} is held"))
                    continue
                if not dry_run:
                    _delete(log, data_dir, one, names, now_us, actor, reason, ledger, made)
                made.deleted += names
    return made


def is_over(one: Publication, days: Mapping[tuple[str, str], int], today: date) -> bool:
    """Whether the copies of a publication have been kept long enough."""
    manifest = one.manifest
    now = days.get((manifest.partner, manifest.order), manifest.retention_days)
    published = date.fromisoformat(manifest.published[:10])
    return published + timedelta(days=min(now, manifest.retention_days)) < today


def _copies(data_dir: Path, one: Publication, ledger: Ledger) -> list[str]:
    """The files of a publication that stand and are not entered as deleted."""
    paths = (one.folder / file.name for file in one.manifest.files)
    names = (str(path.relative_to(data_dir)) for path in paths if path.exists())
    return [name for name in names if name not in ledger.deleted]


def _delete(
    log: AuditLog,
    data_dir: Path,
    one: Publication,
    names: list[str],
    now_us: int,
    actor: str,
    reason: str,
    ledger: Ledger,
    made: Expired,
) -> None:
    known = {file.name: file for file in one.manifest.files}
    concerns = {"order": one.manifest.order}
    entered = ledger.exported.get((one.manifest.partner, one.sequence))
    if entered is not None:
        concerns["operation"] = entered.facts["operation"]
    facts = {"actor": actor, **concerns} | ({"reason": reason} if reason else {})
    for start in range(0, len(names), FILES_AN_ENTRY):
        part = names[start : start + FILES_AN_ENTRY]
        tombstones = []
        for name in part:
            file = known[name.rpartition("/")[2]]
            digest, size = _fingerprint(data_dir / name)
            tombstones.append({"name": name, "sha256": digest, "bytes": size, "rows": file.rows})
        made.entries.append(log.append("deleted", now_us, files=tombstones, why=WHY, **facts).number)
        for name in part:
            (data_dir / name).unlink(missing_ok=True)
    files.sync_directory(one.folder)


def _finish(data_dir: Path, ledger: Ledger, partner: str, made: Expired, *, dry_run: bool) -> None:
    """Delete what an earlier entry says is deleted, unless it is another file or was held since."""
    start = f"{FOLDER}/{partner}/"
    for name, entry in sorted(ledger.deleted.items()):
        path = data_dir / name
        if not name.startswith(start) or not path.exists():
            continue
        meant = next(file for file in entry.facts["files"] if file["name"] == name)
        if _fingerprint(path)[0] != meant["sha256"]:
            made.kept_back[name] = f"is another file than entry {entry.number} deleted"
        elif entry.facts.get("order") in ledger.holds:
            made.kept_back[name] = f"{entry.facts['order']} is held"
        else:
            made.finished.append(name)
            if not dry_run:
                files.remove(path)


def _fingerprint(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
