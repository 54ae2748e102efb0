"""One export of a day at work: rows sorted once for all of an order's partners, then each one's publication (`day`)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import collector
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.custody.quarantine import held_days
from collector.exports import query
from collector.exports.engine import Engine
from collector.exports.equation import Counted
from collector.exports.given import check_ins, files_of, standing
from collector.exports.kinds import Labels, Made, WrittenFile
from collector.exports.manifest import Contents, File
from collector.exports.means import Means, Progress, is_held
from collector.exports.publication import publications, publish, stage
from collector.exports.relations import name_relations, stage_hosts, stage_in_order
from collector.exports.source import DaySource, Due, records_of
from collector.exports.withdrawn import KEYS, list_path
from collector.exports.writing import readings, readings_back, write_files
from collector.ground.errors import CorruptError
from collector.segments.turn import turn


class DayRun:
    """One export at work: the engine, and what all its publications share."""

    def __init__(
        self,
        means: Means,
        log: AuditLog,
        source: DaySource,
        windows: Mapping[str, query.Window],
        flags: Mapping[tuple[str, ...], int],
        engine: Engine,
        now_us: int,
    ) -> None:
        self._means, self._log, self._source, self._windows = means, log, source, windows
        self.flags, self._engine, self._now_us = flags, engine, now_us
        self._leave_out = "withdrawn" if source.withdrawn else ""
        self._done, self._total = 0, 1
        self._progress: Progress = _silent

    def name_relations(self) -> None:
        """What the statements speak of."""
        means = self._means
        name_relations(self._engine, means.data_dir, self._source, list(self.flags), means.enrichment)

    def follow(self, progress: Progress, owed: Sequence[Due], counted: Counted) -> None:
        """Say how far it is, in rows to be sorted and written."""
        formats = sum(
            counted.of[one.entitlement] * len(one.entitlement.formats) for one in owed if one.kind == "day"
        )
        self._progress, self._total = progress, max(1, self._source.rows + formats)

    def _tell(self, rows: int) -> None:
        self._done = min(self._done + rows, self._total - 1)
        self._progress(self._done, self._total)

    def publish_order(self, order: str, owed: Sequence[Due], counted: Counted) -> list[Made]:
        """Make the publications of one order."""
        self._stage(order, owed)
        self._tell(self._source.rows)
        made = [self._publish(one, counted) for one in owed]
        for name in ("ordered", "hosts", "by_time"):
            self._engine.drop(name)
        return made

    def _stage(self, order: str, owed: Sequence[Due]) -> None:
        """Sort the order's rows once for all its partners, and count its hosts once.

        Joined and sorted one after the other: at once, two million addresses and the sort do not fit into 512 MB (DuckDB 2.0
        gives up after 25 s), and one thread, with which they do, takes 142 s for 20 million rows instead of 83.
        """
        engine, flags = self._engine, len(self.flags)
        engine.stage(
            "joined", [query.of_order(order, self._windows[order], flags, leave_out=self._leave_out)]
        )
        stage_in_order(engine, "ordered", "joined")
        engine.drop("joined")
        if any("hosts" in one.entitlement.datasets for one in owed):
            stage_hosts(engine, "hosts", "ordered", flags)
        if any("ocsf-parquet" in one.entitlement.formats for one in owed):
            stage_in_order(engine, "by_time", "ordered", query.IN_TIME)

    def _publish(self, one: Due, counted: Counted) -> Made:
        means, entitlement = self._means, one.entitlement
        labels = Labels(
            entitlement.order,
            self._source.day,
            entitlement.tlp,
            entitlement.purpose,
            entitlement.partner,
            one.supplement,
        )
        only = records_of(one.segments) if one.kind == "supplement" else None
        withdraws = self._take_back(one) if one.kind == "withdrawal" else ()
        with stage(means.data_dir, entitlement.partner) as folder:
            wanted = (readings_back if one.kind == "withdrawal" else readings)(entitlement, labels, folder)
            written, events = write_files(self._engine, entitlement, wanted, self.flags, only, self._tell)
            if one.kind == "day" and events not in (None, counted.of[entitlement]):
                raise _miscounted(one, counted.of[entitlement], events or 0)
            contents = self._contents(one, written, counted, withdraws)
            # Whoever sets a segment aside waits for this turn, or is seen here.
            with turn(means.data_dir):
                if self._source.day in held_days(Ledger.of(read_entries(means.data_dir / "audit"))):
                    raise is_held(self._source.day)
                return publish(
                    self._log,
                    means.data_dir,
                    means.key,
                    folder,
                    contents,
                    entitlement.operation,
                    self._now_us,
                )

    def _take_back(self, one: Due) -> tuple[str, ...]:
        """Stage the wrong rows that the partner was given; the names of its files that lose rows by that."""
        engine, data_dir, entitlement = self._engine, self._means.data_dir, one.entitlement
        lists = [list_path(data_dir, self._source.day, wrong.sha256) for wrong in one.withdrawn]
        engine.view("wrong", lists, KEYS)
        whole = files_of(publications(data_dir, entitlement.partner), entitlement.order, self._source.day)
        rows = query.among(check_ins(standing(whole)), "wrong")
        losing = {Path(path).name for path, _ in engine.rows(query.by_file(rows))}
        losing |= {given.file.name for given in whole if given.file.dataset == "hosts"}
        for name in ("given_wrong", "taken_back"):
            engine.drop(name)
        engine.stage("given_wrong", [query.keys_of(rows)])
        back = query.of_order(entitlement.order, None, len(self.flags), only="given_wrong")
        engine.stage("taken_back", [query.in_order(f"({back})")])
        return tuple(sorted(losing))

    def _contents(
        self, one: Due, written: Sequence[WrittenFile], counted: Counted, withdraws: tuple[str, ...]
    ) -> Contents:
        source, entitlement = self._source, one.entitlement
        return Contents(
            kind=one.kind,
            date=source.day,
            order=entitlement.order,
            partner=entitlement.partner,
            supplement=one.supplement,
            complete=not source.missing,
            sensors=source.sensors,
            missing_sensors=source.missing,
            files=tuple(map(File.of, written)),
            records=records_of(one.segments),
            checkins=source.checkins,
            rows=counted.rows,
            kernel_dropped={"tcp": source.kernel_dropped["tcp"], "udp": source.kernel_dropped["udp"]},
            clock=source.clock,
            databases=self._means.enrichment.databases,
            version=collector.__version__,
            revision=collector.__revision__,
            tlp=entitlement.tlp,
            purpose=entitlement.purpose,
            retention_days=entitlement.retention_days,
            withdraws=withdraws,
            withdrawals=tuple(wrong.sha256 for wrong in one.withdrawn),
        )


def _silent(_done: int, _total: int) -> None:
    """Nobody asked how far it is."""


def _miscounted(one: Due, given: int, written: int) -> CorruptError:
    return CorruptError(
        "export a day",
        one.entitlement.order,
        f"partner {one.entitlement.partner}",
        f"{written} rows of events were written, and the second equation gave it {given}",
        "Nothing is published for it; export again, and report it if it stays",
    )
