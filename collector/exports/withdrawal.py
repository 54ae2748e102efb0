"""Takes rows back that were found wrong (law.md L-33a): a prober taken for a victim, a domain that was listed by mistake, a
clock that was off.

    select    the rows that the officer describes, which no earlier withdrawal has
    ask       the published files themselves which partner was given how many of them
    list      their record numbers, under the name of their hash (`withdrawn`)
    enter     `withdrawn`, with that hash: from here on nobody is given them
    publish   a withdrawal for each partner that was (`day`): what is owed is read off the log, so a death in between costs
              nothing: the next withdrawal or export publishes it

The rows stay where they are in the custody set: what was collected is the court's to see.
"""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.exports import query
from collector.exports.day import ENGINE_FOLDER, exports_turn, work_folder
from collector.exports.engine import Engine
from collector.exports.equation import flags_of
from collector.exports.given import GivenFile, files_of, had, standing
from collector.exports.kinds import Entitlement
from collector.exports.means import ExportError, Means
from collector.exports.publication import partners, publications
from collector.exports.relations import name_relations
from collector.exports.source import read_source, records_of
from collector.exports.withdrawn import KEYS, folder_of, list_path, withdrawn_of
from collector.ground import files
from collector.orders.instants import ALWAYS_US, NEVER_US
from collector.segments.segment import Segment


class Wanted(NamedTuple):
    """Which rows of an order's day: those for which every list that is not empty has a word for it, within the times."""

    order: str
    networks: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    from_us: int = ALWAYS_US
    until_us: int = NEVER_US


class GivenTo(NamedTuple):
    """What one partner was given of the rows."""

    partner: str
    rows: int
    files: tuple[tuple[GivenFile, int], ...]
    gone: int
    """Files of the day whose copies are gone: what they had is not known any more."""
    entitled: bool
    """Whether an annex still gives it something of the order; otherwise nothing can be published for it."""


class Taken(NamedTuple):
    """What came of it."""

    rows: int
    """Rows found now that no earlier withdrawal has."""
    given: tuple[GivenTo, ...]
    entry: Entry | None
    """None in a dry run, and where there was nothing to enter."""


def withdraw(
    means: Means,
    log: AuditLog,
    entitlements: Sequence[Entitlement],
    day: date,
    wanted: Wanted,
    *,
    operation: str,
    actor: str,
    reason: str,
    now_us: int,
    dry_run: bool = False,
) -> Taken:
    """Find the rows and enter their withdrawal; publishing it is `export_day`'s. Raises ExportError, EngineError, OSError."""
    with exports_turn(means.data_dir):
        ledger = Ledger.of(read_entries(means.data_dir / "audit"))
        source = read_source(means.data_dir, day, means.sensors, ledger)
        if not source.segments:
            raise ExportError(
                f"withdraw {day}: there are no rows of this day\n    expected: a day with segments"
            )
        _sweep(means.data_dir, day, ledger)
        entitled = {one.partner for one in entitlements if one.order == wanted.order}
        flags = flags_of([_as_entitlement(wanted)])
        with work_folder(means.data_dir) as folder:
            engine_folder = folder / ENGINE_FOLDER
            engine_folder.mkdir(mode=files.DIRECTORY_MODE)
            with Engine(engine_folder, means.memory_mb, means.temp_max_gb) as engine:
                name_relations(engine, means.data_dir, source, list(flags), means.enrichment)
                where = _where(wanted, flags)
                leave_out = "withdrawn" if source.withdrawn else ""
                rows = query.of_order(wanted.order, None, len(flags), leave_out=leave_out, where=where)
                engine.stage("wrong", [query.keys_of(rows)])
                [(count,)] = engine.rows(query.count_of("FROM wrong"))
                if not count:
                    return Taken(0, (), None)
                engine.stage("wrong_rows", [query.of_order(wanted.order, None, len(flags), only="wrong")])
                given = [
                    _given_to(
                        engine, means.data_dir, partner, day, wanted.order, entitled=partner in entitled
                    )
                    for partner in partners(means.data_dir)
                ]
                had = tuple(one for one in given if one.rows or one.gone)
                if dry_run:
                    return Taken(count, had, None)
                digest = _keep(engine, means.data_dir, day)
        entry = log.append(
            "withdrawn",
            now_us,
            operation=operation,
            order=wanted.order,
            day=day.isoformat(),
            sha256=digest,
            rows=count,
            given={one.partner: one.rows for one in had if one.rows},
            actor=actor,
            reason=reason,
        )
        return Taken(count, had, entry)


def _as_entitlement(wanted: Wanted) -> Entitlement:
    """For its list of networks, which is looked up as a partner's is."""
    return Entitlement("", wanted.order, "", (), wanted.families, (), wanted.networks, "RED", (), (), 0, "")


def _where(wanted: Wanted, flags: Mapping[tuple[str, ...], int]) -> str:
    conditions = [query.given(_as_entitlement(wanted), flags.get(wanted.networks))]
    if wanted.domains:
        conditions.append(query.one_of("domain", wanted.domains))
    if wanted.segments:
        conditions.append(f"({query.records_in(records_of(wanted.segments))})")
    conditions.append(f"timestamp >= {query.moment(wanted.from_us)}")
    conditions.append(f"timestamp < {query.moment(wanted.until_us)}")
    return " AND ".join(conditions)


def _given_to(
    engine: Engine, data_dir: Path, partner: str, day: date, order: str, *, entitled: bool
) -> GivenTo:
    """What a partner's files say, whatever an annex gives today. Hosts may have what no file of check-ins has: a withdrawal's
    hosts are of the whole day, late rows among them.
    """
    all_files = files_of(publications(data_dir, partner), order, day)
    there = standing(all_files)
    rows = had(all_files, "wrong", "FROM wrong_rows")
    counts = dict(engine.rows(query.by_file(rows)))
    [(count,)] = engine.rows(query.count_of(query.keys_of(rows)))
    return GivenTo(
        partner,
        count,
        tuple((one, counts[str(one.path)]) for one in there if str(one.path) in counts),
        len(all_files) - len(there),
        entitled,
    )


def _keep(engine: Engine, data_dir: Path, day: date) -> str:
    """Write the list where it stays; its hash."""
    made = engine.folder / "list.parquet"
    with pq.ParquetWriter(made, KEYS, compression="zstd") as writer:
        for batch in engine.stream("SELECT stream, record FROM wrong"):
            writer.write_batch(batch)
    with made.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    files.make_directory(folder_of(data_dir, day))
    files.publish(list_path(data_dir, day, digest), lambda path: _copy(made, path))
    return digest


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _sweep(data_dir: Path, day: date, ledger: Ledger) -> None:
    """Delete lists that no entry names: a death came before it."""
    known = {list_path(data_dir, day, one.sha256) for one in withdrawn_of(ledger, day)}
    folder = folder_of(data_dir, day)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path not in known:
            files.remove(path)
