"""Who was given an address, when, in which file (law.md L-33a): for whoever asks what became of his data, and for the officer
who must answer.

It is read off the published files themselves. Where a file's time is over and its copy is gone, its manifest still says from
which records it was made: rows of the address among those may have stood in it, which is said as that and not as more. Who
fetched a file stands in the audit log, before its first byte.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from collector.audit.log import Entry
from collector.exports import given, query
from collector.exports.engine import Engine
from collector.exports.given import GivenFile
from collector.exports.manifest import Manifest
from collector.exports.publication import Publication
from collector.orders.instants import ALWAYS_US, DAY_US, NEVER_US, to_text, to_us
from collector.segments.catalogue import segments_of
from collector.segments.table import EVENTS

HTTP_OK, HTTP_PARTIAL = 200, 206


class Asked(NamedTuple):
    """An address as `src_ip` has it, and a time, [from_us, until_us)."""

    address: str
    from_us: int = ALWAYS_US
    until_us: int = NEVER_US

    def days(self, manifest: Manifest) -> bool:
        """Whether the publication's day has something of the time."""
        day = manifest.date
        begins = to_us(datetime(day.year, day.month, day.day, tzinfo=UTC))
        return self.from_us < begins + DAY_US and begins < self.until_us


class Fetch(NamedTuple):
    """A file's bytes were sent: to which account, when; the first of several times, and how many there were."""

    account: str
    first_us: int
    times: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"account": self.account, "first": to_text(self.first_us), "times": self.times}


class Disclosure(NamedTuple):
    """A file that has the address."""

    partner: str
    sequence: int
    file: str
    dataset: str
    day: date
    order: str
    published: str
    rows: int
    """Check-ins, or hosts. Of a file that is gone: check-ins that may have stood in it."""
    first_us: int
    last_us: int
    certain: bool
    """False where the copy is gone and only its manifest tells."""
    fetched: tuple[Fetch, ...]
    withdrawn_by: tuple[int, ...]
    """Later publications of the partner that take rows of this file back, whether this address's or others'."""


def disclosures(
    engine: Engine,
    data_dir: Path,
    publications: Sequence[Publication],
    entries: Iterable[Entry],
    asked: Asked,
) -> list[Disclosure]:
    """All of them, in order of partner, sequence and file. Raises EngineError, OSError."""
    fetched = fetches(entries)
    files = [one for one in given.files_of(publications) if asked.days(one.publication.manifest)]
    there = given.standing(files)
    found = [
        _disclosed(one, fetched, publications, rows, first, last, certain=True)
        for one, rows, first, last in _in_files(engine, there, asked)
    ]
    paths = {one.path for one in there}
    gone = [one for one in files if one.path not in paths]
    found += [
        _disclosed(one, fetched, publications, rows, first, last, certain=False)
        for one, rows, first, last in _in_segments(engine, data_dir, gone, asked)
    ]
    return sorted(found, key=lambda one: (one.partner, one.sequence, one.file))


def fetches(entries: Iterable[Entry]) -> dict[tuple[str, int, str], dict[str, Fetch]]:
    """By partner, sequence and file: who was sent bytes of it, by account."""
    found: dict[tuple[str, int, str], dict[str, Fetch]] = {}
    for entry in entries:
        facts = entry.facts
        if entry.event != "pulled" or facts["status"] not in (HTTP_OK, HTTP_PARTIAL) or not facts["bytes"]:
            continue
        accounts = found.setdefault((facts["partner"], facts["sequence"], facts["file"]), {})
        before = accounts.get(facts["account"])
        first, times = (before.first_us, before.times) if before else (entry.time_us, 0)
        accounts[facts["account"]] = Fetch(facts["account"], first, times + 1)
    return found


def _in_files(
    engine: Engine, files: Sequence[GivenFile], asked: Asked
) -> Iterable[tuple[GivenFile, int, int, int]]:
    by_path = {str(one.path): one for one in files}
    for rows in (given.check_ins(files), given.hosts(files)):
        for path, count, first, last in engine.rows(query.about_address(rows, *asked)):
            yield by_path[path], count, first, last


def _in_segments(
    engine: Engine, data_dir: Path, files: Sequence[GivenFile], asked: Asked
) -> Iterable[tuple[GivenFile, int, int, int]]:
    """What may have stood in files that are gone; each publication's segments are asked once."""
    for publication in dict.fromkeys(one.publication.folder for one in files):
        own = [one for one in files if one.publication.folder == publication]
        manifest = own[0].publication.manifest
        paths = [segment.path(data_dir) for segment in segments_of(data_dir, manifest.date)]
        engine.view("custody", paths, EVENTS)
        [(count, first, last)] = engine.rows(
            query.about_address_in_records("custody", manifest.order, manifest.records, *asked)
        )
        if count:
            yield from ((one, count, first, last) for one in own)


def _disclosed(
    one: GivenFile,
    fetched: Mapping[tuple[str, int, str], Mapping[str, Fetch]],
    publications: Iterable[Publication],
    rows: int,
    first_us: int,
    last_us: int,
    *,
    certain: bool,
) -> Disclosure:
    manifest = one.publication.manifest
    accounts = fetched.get((manifest.partner, manifest.sequence, one.file.name), {})
    return Disclosure(
        manifest.partner,
        manifest.sequence,
        one.file.name,
        one.file.dataset,
        manifest.date,
        manifest.order,
        manifest.published,
        rows,
        first_us,
        last_us,
        certain,
        tuple(accounts.values()),
        tuple(
            later.sequence
            for later in publications
            if later.manifest.partner == manifest.partner and one.file.name in later.manifest.withdraws
        ),
    )
