"""What `pentrap verify` knows to check: a table of kinds, each with how its path is told and what is then done."""

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from collector.audit.check import EVIDENCE, check_log
from collector.audit.findings import Finding
from collector.audit.ledger import Ledger
from collector.audit.log import FOLDER, LOG_NAME, VKEY, read_entries
from collector.audit.note import NoteError, Verifier
from collector.audit.tiles import CHECKPOINT
from collector.cli.progress import Bar
from collector.custody import verifier as court
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.segments import catalogue
from collector.segments.segment import FOLDER as SEGMENTS
from collector.segments.segment import SUFFIX, parse_day, parse_segment

_PIECE = 1 << 20
_RETURN = (court.SUMS, court.SEAL)
_LOST = "Restore it from a copy; the marker, and the entries of its deletion, say what was there"


class Means(NamedTuple):
    """What the caller gave to check with."""

    verifier: Verifier | None
    witnesses: Mapping[str, bytes]


@dataclass
class Checked:
    """One thing that was checked, and what came of it."""

    kind: str
    path: str
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"findings": [finding.as_dict() for finding in self.findings]}


class Kind(NamedTuple):
    """One kind of thing: in words, is this path one, and its check."""

    words: str
    fits: Callable[[Path], bool]
    check: Callable[[Path, Means], Iterator[Checked]]


def check_audit(path: Path, means: Means) -> Iterator[Checked]:
    """The audit log in its folder."""
    checked = Checked("audit log", str(path))
    beside = means.verifier is None
    try:
        verifier = means.verifier or Verifier.parse((path / VKEY).read_text("utf-8"))
    except FileNotFoundError:
        remedy = "give the verifier key noted at installation with --key"
        raise _cannot(path / VKEY, "no key beside the log", "a verifier key", remedy) from None
    except (NoteError, UnicodeDecodeError) as error:
        found = str(error) if isinstance(error, NoteError) else "not UTF-8"
        checked.findings.append(Finding(VKEY, found, "a verifier key", EVIDENCE))
        yield checked
        return
    check = check_log(path, verifier, means.witnesses, Bar("texts"))
    checked.counts = {"entries": len(check.entries), "signed": check.signed, "tiles": check.tiles}
    checked.counts |= {"texts": check.texts, "other checkpoints": check.witnesses}
    checked.findings, checked.notes = check.findings, check.notes
    if beside:
        checked.notes.append(
            f"the key stood beside the log; compare it with the one noted at installation: {verifier.text}"
        )
    yield checked


def check_data(path: Path, means: Means) -> Iterator[Checked]:
    """A data directory: its audit log, and every day that has a folder."""
    yield from check_audit(path / FOLDER, means)
    for day in catalogue.days(path):
        yield from check_day(path / SEGMENTS / f"date={day.isoformat()}", means)


def check_day(path: Path, _: Means) -> Iterator[Checked]:
    """A day's folder against the markers that sealed it, and the log's word on what is gone."""
    day = _day(path)
    checked = Checked("day", str(path), {"segments": 0, "sealed": 0, "markers": 0})
    there = {one.name: one for one in path.iterdir() if not one.name.startswith(".tmp-")}
    named: set[str] = set()
    gone = _gone(path)
    wanted = list(_markers(checked, path, day))
    for done, entry in enumerate(wanted, 1):
        named.add(entry["name"])
        checked.counts["sealed"] += 1
        finding = _differs(there.get(entry["name"]), entry, gone)
        checked.findings += [finding] if finding else []
        Bar(str(path))(done, len(wanted))
    for name in sorted(set(there) - named):
        if parse_segment(day, name) is not None:
            checked.notes.append(f"{name}: named by no marker; it came late, or the day is not sealed yet")
        elif not name.startswith("sealed-"):
            expected = "segments and markers only"
            checked.findings.append(Finding(str(path / name), "a file of no known kind", expected, EVIDENCE))
    checked.counts["segments"] = sum(name.endswith(SUFFIX) for name in there)
    yield checked


def check_segment(path: Path, _: Means) -> Iterator[Checked]:
    """One segment against the marker of its day."""
    day = _day(path.parent)
    checked = Checked("segment", str(path), {"sealed": 0})
    for entry in _markers(checked, path.parent, day):
        if entry["name"] == path.name:
            checked.counts["sealed"] = 1
            finding = _differs(path, entry, {})
            checked.findings += [finding] if finding else []
    checked.counts.pop("markers", None)
    if not checked.counts["sealed"] and not checked.findings:
        checked.notes.append("named by no marker yet: there is nothing to hold it against")
    yield checked


def check_return(path: Path, means: Means) -> Iterator[Checked]:
    """A court's return, by the same checks as the verifier that travels in it (ours, not the copy in the bundle)."""
    checked = Checked("return", str(path))
    try:
        bundle: Any = court.Folder(str(path)) if path.is_dir() else court.Tar(str(path))
    except (OSError, tarfile.TarError, EOFError) as error:
        found = f"unreadable ({type(error).__name__})"
        checked.findings.append(Finding(str(path), found, "a return as it was made", "Ask for another copy"))
        yield checked
        return
    key = court.Key(means.verifier.text) if means.verifier else None
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        checker = court.Checker(bundle, key, next(iter(means.witnesses.values()), None))
        checker.run()
    checked.counts = {"files": len(checker.sums), "entries": len(checker.entries)}
    expected = "what the collector put into it"
    checked.findings = [Finding(str(path), flaw, expected, "Ask for another copy") for flaw in checker.flaws]
    if checker.unknown:
        raise _cannot(path, checker.unknown, "what can be decided", "see the words before")
    if key is None and checker.key is not None:
        checked.notes.append(
            "the key came with the return; compare it with the operator's: " + checker.key.text
        )
    yield checked


def _markers(checked: Checked, folder: Path, day: date) -> Iterator[dict[str, Any]]:
    """What the markers of a day's folder name; a marker that does not read is a finding."""
    data_dir = folder.parent.parent
    for marker in sorted(folder.glob("sealed-*.json")):
        sensor = marker.stem.removeprefix("sealed-")
        try:
            segments = catalogue.read_marker(data_dir, sensor, day)["segments"]
            entries = [{key: one[key] for key in ("name", "bytes", "sha256")} for one in segments]
        except (CorruptError, KeyError, TypeError, OSError) as error:
            found = error.parts[3] if isinstance(error, CorruptError) else "not of a marker's form"
            checked.findings.append(Finding(str(marker), found, "the marker that sealed the day", EVIDENCE))
            continue
        checked.counts["markers"] = checked.counts.get("markers", 0) + 1
        yield from entries


def _differs(path: Path | None, entry: Mapping[str, Any], gone: Mapping[str, str]) -> Finding | None:
    name = entry["name"]
    if path is None:
        if name in gone:
            return None
        return Finding(name, "missing", "the segment that its marker names", _LOST)
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        return Finding(name, error.strerror or "unreadable", "the segment that its marker names", _LOST)
    if (size, digest.hexdigest()) == (entry["bytes"], entry["sha256"]):
        return None
    found = f"{size} bytes, SHA-256 {digest.hexdigest()}"
    return Finding(name, found, f"{entry['bytes']} bytes, SHA-256 {entry['sha256']}", _LOST)


def _gone(folder: Path) -> dict[str, str]:
    """Segments of a day that the log says were deleted or set aside, by name."""
    try:
        ledger = Ledger.of(read_entries(folder.parent.parent / FOLDER))
    except CorruptError:
        return {}
    deleted = {name.rpartition("/")[2]: "deleted" for name in ledger.deleted}
    return deleted | dict.fromkeys(ledger.quarantined, "set aside")


def _day(folder: Path) -> date:
    day = parse_day(folder.name)
    if day is None:
        raise _cannot(
            folder, "no day's folder", "segments/date=YYYY-MM-DD", "leave the segment in its folder"
        )
    return day


def _cannot(path: Path, found: str, expected: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(str(path), "verify", found, expected, remedy)])


KINDS = (
    Kind(
        "a court's return (its .tar, or the folder that it unpacks to)",
        lambda path: path.suffix == ".tar" if path.is_file() else any((path / n).exists() for n in _RETURN),
        check_return,
    ),
    Kind(
        "an audit log (data_dir/audit)",
        lambda path: path.is_dir() and any((path / name).exists() for name in (LOG_NAME, CHECKPOINT, VKEY)),
        check_audit,
    ),
    Kind("a data directory", lambda path: (path / FOLDER).is_dir(), check_data),
    Kind(
        "a day (segments/date=YYYY-MM-DD)",
        lambda path: path.is_dir() and parse_day(path.name) is not None,
        check_day,
    ),
    Kind(
        f"a segment (segments/date=…/*{SUFFIX})",
        lambda path: path.is_file() and path.suffix == SUFFIX,
        check_segment,
    ),
)
"""Tried in this order: a return holds an audit folder too."""
