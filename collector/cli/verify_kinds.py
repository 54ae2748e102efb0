"""What `pentrap verify` knows to check: a table of kinds, each with how its path is told and what is then done."""

import contextlib
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from collector.audit.check import EVIDENCE, check_log
from collector.audit.findings import Finding
from collector.audit.ledger import Ledger
from collector.audit.log import FOLDER, LOG_NAME, VKEY, read_entries
from collector.audit.note import NoteError, Verifier
from collector.audit.tiles import CHECKPOINT
from collector.cli.progress import Bar
from collector.court import verifier as court
from collector.custody.inventory import Item, inventory
from collector.exports import proof as publications
from collector.exports.manifest import MANIFEST, OWN_NAMES, SIGNATURE
from collector.exports.publication import FOLDER as EXPORTS
from collector.exports.publication import partners, sequences
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.segments.segment import FOLDER as SEGMENTS
from collector.segments.segment import QUARANTINE, SUFFIX, parse_day

_RETURN = (court.SUMS, court.SEAL)
_LOST = "Restore it from a copy; the marker, and the entries of its deletion, say what was there"


class Means(NamedTuple):
    """What the caller gave to check with."""

    verifier: Verifier | None
    witnesses: Mapping[str, bytes]
    keys: tuple[bytes, ...] = ()
    """The public keys that may sign publications; none: any, and it is said which did."""
    head: publications.Head | None = None
    """A publication that the caller remembers."""


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
    """A data directory: its audit log, the whole custody set, and what was published."""
    yield from check_audit(path / FOLDER, means)
    yield _check_set(Checked("custody set", str(path)), path, lambda _: True)
    if (path / EXPORTS).is_dir():
        yield from check_exports(path / EXPORTS, means)


def check_day(path: Path, _: Means) -> Iterator[Checked]:
    """A day's folder against the markers that sealed it, and the log's word on what is gone."""
    path = path.resolve()
    day = parse_day(path.name)
    yield _check_set(Checked("day", str(path)), _data_dir(path), lambda item: item.day == day)


def check_segment(path: Path, _: Means) -> Iterator[Checked]:
    """One segment against the marker of its day."""
    path = path.resolve()
    data_dir = _data_dir(path.parent)
    # In quarantine too: what a segment is called is its place among the segments.
    name = f"{SEGMENTS}/{path.parent.name}/{path.name}"
    yield _check_set(Checked("segment", str(path)), data_dir, lambda item: item.name == name)


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
    checker = court.Checker(bundle, key, None)
    flaws, unknown = [], []
    with contextlib.redirect_stdout(io.StringIO()):
        checker.run()
        flaws += [(str(path), flaw) for flaw in checker.flaws]
        for name, checker.partner in means.witnesses.items():
            checker.flaws, checker.unknown = [], ""
            checker.attempt("partner", checker.check_partner)
            flaws += [(f"{path}, checkpoint {name}", flaw) for flaw in checker.flaws]
            unknown += [(name, checker.unknown)] if checker.unknown else []
    checked.counts = {"files": len(checker.sums), "entries": len(checker.entries)}
    checked.counts |= {"other checkpoints": len(means.witnesses)} if means.witnesses else {}
    expected = "what the collector put into it"
    checked.findings = [Finding(place, flaw, expected, "Ask for another copy") for place, flaw in flaws]
    if unknown and not flaws:
        name, words = unknown[0]
        raise _cannot(Path(name), words, "what can be decided", "leave it out, or give an earlier one")
    checked.notes += [f"{name}: {words}" for name, words in unknown]
    if key is None and checker.key is not None:
        checked.notes.append(
            "the key came with the return; compare it with the operator's: " + checker.key.text
        )
    yield checked


def check_exports(path: Path, means: Means) -> Iterator[Checked]:
    """Every partner's publications."""
    path = path.resolve()
    known = set(partners(path.parent))
    entered = {partner for partner, _ in _ledger(path).exported}
    for partner in sorted(known | entered):
        if partner in known:
            yield from check_tree(path / partner, means)
        else:
            checked = Checked("publications", str(path / partner))
            expected = "the publications that the audit log says"
            checked.findings.append(Finding(partner, "missing", expected, _LOST))
            yield checked


def check_tree(path: Path, means: Means) -> Iterator[Checked]:
    """One partner's publications, at the collector's or as the partner pulled them."""
    path = path.resolve()
    checked = Checked("publications", str(path))
    here = path.parent.name == EXPORTS and (path.parent.parent / FOLDER / LOG_NAME).exists()
    ledger = _ledger(path.parent) if here else None
    entered = None
    if ledger is not None:
        mine = ((number, entry) for (name, number), entry in ledger.exported.items() if name == path.name)
        entered = {number: str(entry.facts["manifest_sha256"]) for number, entry in mine}
    gone = _gone(ledger, f"{EXPORTS}/{path.name}/")
    bar = Bar("publications")
    proof = publications.verify_tree(
        path, means.keys, head=means.head, entered=entered, gone=gone, today=_today(), progress=bar
    )
    _take(checked, proof, means)
    if proof.head:
        checked.notes.append(f"to be remembered for --head: {proof.head.sequence}:{proof.head.sha256}")
    yield checked


def check_publication(path: Path, means: Means) -> Iterator[Checked]:
    """One publication; or one file of it, against the manifest beside it."""
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    only = "" if path.is_dir() or path.name in OWN_NAMES else path.name
    checked = Checked("published file" if only else "publication", str(path))
    exports = folder.parent.parent
    here = exports.name == EXPORTS and (exports.parent / FOLDER / LOG_NAME).exists()
    gone = _gone(_ledger(exports) if here else None, f"{EXPORTS}/{folder.parent.name}/{folder.name}/")
    _take(
        checked,
        publications.verify_publication(folder, means.keys, gone=gone, today=_today(), only=only),
        means,
    )
    yield checked


def _take(checked: Checked, proof: publications.Proof, means: Means) -> None:
    checked.counts = {"publications": proof.publications, "files": proof.files, "rows": proof.rows}
    checked.findings, checked.notes = proof.findings, proof.notes
    if not means.keys and proof.signers:
        signers = ", ".join(sorted(proof.signers))
        checked.notes.append(
            f"signed by {signers}; compare it with what the operator gave you, or name it with --key"
        )


def _ledger(exports: Path) -> Ledger:
    return Ledger.of(read_entries(exports.parent / FOLDER))


def _gone(ledger: Ledger | None, start: str) -> dict[str, str] | None:
    """What the log says is deleted below `start`, by name there; None without a log."""
    if ledger is None:
        return None
    return {
        name.removeprefix(start): f"entry {entry.number}"
        for name, entry in ledger.deleted.items()
        if name.startswith(start)
    }


def _today() -> date:
    return datetime.fromtimestamp(now_us() // 1_000_000, UTC).date()


def _check_set(checked: Checked, data_dir: Path, wanted: Callable[[Item], bool]) -> Checked:
    """What of the custody set is wanted, each file read and held against its promise."""
    try:
        ledger = Ledger.of(read_entries(data_dir / FOLDER))
        items = [item for item in inventory(data_dir, ledger) if wanted(item)]
    except CorruptError as error:
        operation, path, place, cause, remedy = error.parts
        checked.findings.append(
            Finding(f"{operation}: {path}: {place}", cause, "a file as it was made", remedy)
        )
        return checked
    if not items and Path(checked.path) != data_dir:
        raise _cannot(
            Path(checked.path), "no file of the custody set", "segments, as their names say", "see the path"
        )
    checked.counts = {"segments": 0, "sealed": 0, "markers": 0, "journals": 0}
    bar = Bar(checked.kind)
    for done, item in enumerate(items, 1):
        _count(checked, item)
        _check_item(checked, data_dir, item)
        bar(done, len(items))
    checked.notes += _named_by_no_marker(items)
    return checked


def _named_by_no_marker(items: Sequence[Item]) -> list[str]:
    """A line a day: a day that is not over has thousands of them."""
    folders: dict[str, list[str]] = {}
    for item in items:
        if item.kind == "segment" and item.state in {"present", "quarantined"} and item.sha256 is None:
            folder, _, name = item.name.rpartition("/")
            folders.setdefault(folder, []).append(name)
    return [
        f"{folder}: {len(names)} named by no marker; they came late, or the day is not sealed yet"
        if len(names) > 1
        else f"{folder}/{names[0]}: named by no marker; it came late, or its day is not sealed yet"
        for folder, names in folders.items()
    ]


def _count(checked: Checked, item: Item) -> None:
    if item.kind == "segment":
        checked.counts["segments"] += 1
        checked.counts["sealed"] += item.sha256 is not None and item.state == "present"
    elif item.kind != "other":
        checked.counts["markers" if item.kind == "marker" else "journals"] += 1


def _check_item(checked: Checked, data_dir: Path, item: Item) -> None:
    if item.state in {"lost", "unexpected"}:
        expected = "the file as it was sealed" if item.state == "lost" else "files of the collector's only"
        found = f"{item.state}: {item.note or 'missing'}"
        checked.findings.append(
            Finding(item.name, found, expected, _LOST if item.state == "lost" else EVIDENCE)
        )
    elif item.state == "deleted":
        checked.notes.append(f"{item.name}: deleted, as entry {item.entry} says")
    elif item.kind == "segment":
        top, _, rest = item.name.partition("/")
        aside = item.state == "quarantined"
        if aside:
            checked.notes.append(f"{item.name}: in quarantine, as entry {item.entry} says")
        if (
            item.sha256 is not None
            and (digest := _digest(data_dir / (QUARANTINE if aside else top) / rest)) != item.sha256
        ):
            checked.findings.append(
                Finding(item.name, f"SHA-256 {digest}", f"SHA-256 {item.sha256}, as it was sealed", _LOST)
            )


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return f"not to be had: {error.strerror}"


def _data_dir(day: Path) -> Path:
    if parse_day(day.name) is None or day.parent.name not in {SEGMENTS, QUARANTINE}:
        expected = f"{SEGMENTS}/date=YYYY-MM-DD of a data directory"
        raise _cannot(
            day, "no day's folder", expected, "leave segments in their folder: their day is in its name"
        )
    return day.parent.parent


def _cannot(path: Path, found: str, expected: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(str(path), "verify", found, expected, remedy)])


KINDS = (
    Kind(
        f"a published file (beside its {MANIFEST})",
        lambda path: path.is_file() and (path.parent / MANIFEST).exists(),
        check_publication,
    ),
    Kind(
        "a publication (exports/<partner>/<number>)",
        lambda path: path.is_dir() and any((path / name).exists() for name in (MANIFEST, SIGNATURE)),
        check_publication,
    ),
    Kind("a partner's publications (exports/<partner>)", lambda path: bool(sequences(path)), check_tree),
    Kind(
        "all publications (data_dir/exports)",
        lambda path: path.is_dir() and path.name == EXPORTS,
        check_exports,
    ),
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
"""Tried in this order: a return holds an audit folder too, and a publication a list that is named as a return's."""
