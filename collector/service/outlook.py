"""What the status page shows, put together: counts, the last day by minute, who was recorded, orders, exports, disk and clock.

`work` does what costs something, in the clerk's rounds; `look` is asked for each page and only reads.
"""

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import collector
from collector.audit.ledger import Ledger
from collector.ground.clock import kernel_clock, now_us
from collector.ground.codes import Fate, Transport
from collector.ground.counters import CELL, FATE_0, Board
from collector.manage.status.look import Counts, Look, Machine, Order
from collector.orders.rules import OrderState
from collector.service.head_count import HeadCount
from collector.service.minute_counts import MinuteCounts
from collector.service.published import Published
from collector.service.settings import Settings

MB = 1_000_000


class Known(NamedTuple):
    """What the clerk knows at the moment of a look."""

    readiness: Mapping[str, Any]
    """As /readyz tells it."""
    orders: Sequence[OrderState]
    delivered: Mapping[str, Any]
    """Orders whose return the court has."""
    injunctions: Sequence[tuple[str, int | None]]
    """Operation and expiry in microseconds."""
    entries: int
    checkpoint_us: int
    pulled: Mapping[str, float]
    """When each partner last had a file."""


class Outlook:
    """One clerk's."""

    def __init__(self, settings: Settings, board: Board, installed_us: int, log: Any) -> None:
        self._settings, self._board = settings, board
        _, geo_db, _ = settings.databases
        self._minutes = MinuteCounts(settings.data_dir / "minute-counts.json", board)
        self._heads = HeadCount(settings.data_dir, geo_db, log)
        self._published = Published(settings, installed_us, log)

    def reload(self) -> None:
        """Operation files and partners may say something else now."""
        self._published.reload()

    def work(self, now_us: int, ledger: Ledger, *, stopping: bool) -> None:
        """One of the clerk's rounds. Raises OSError."""
        self._minutes.note(now_us, stopping=stopping)
        if not stopping:
            self._heads.look(now_us)
            self._published.look(now_us, ledger)

    def look(self, known: Known) -> Look:
        """Now."""
        moment = now_us()
        counts = self._board.total()
        ready = known.readiness
        return Look(
            now=moment / 1e6,
            sensor=self._settings.sensor,
            version=collector.__version__,
            started=self._board.run / 1e6,
            workers=ready["workers"]["expected"],
            workers_answering=ready["workers"]["answering"],
            not_recording_because=tuple(ready["not_recording_because"]),
            files_refused=ready["changed_files_refused"],
            counts=counts_of(counts),
            minutes=self._minutes.last(moment),
            victims=self._heads.victims,
            orders=orders_of(known),
            injunctions=tuple(
                (name, expires / 1e6) for name, expires in known.injunctions if expires is not None
            ),
            partners=self._published.partners(known.pulled),
            machine=self._machine(counts, known),
        )

    def _machine(self, counts: list[int], known: Known) -> Machine:
        synchronised: bool | None = None
        offset_us: int | None = None
        with contextlib.suppress(OSError):
            synchronised, offset_us = kernel_clock()
        free, total = _disk(self._settings.data_dir)
        return Machine(
            disk_free=free,
            disk_total=total,
            disk_reserve=self._settings.intake.disk_reserve_mb * MB,
            disk_refuses=bool(counts[CELL["disk_refused"]]),
            clock_unsure=counts[CELL["clock_unsure"]],
            kernel_synchronised=synchronised,
            clock_offset_us=offset_us,
            loop_lag=max(
                page.read()[CELL["loop_lag_us"]] for page in (*self._board.workers, self._board.clerk)
            )
            / 1e6,
            entries=known.entries,
            checkpoint=known.checkpoint_us / 1e6,
        )


def counts_of(counts: Sequence[int]) -> Counts:
    """One reading of the board by name."""
    names = [transport.name.lower() for transport in Transport]
    return Counts(
        accepted={name: counts[CELL[f"accepted_{name}"]] for name in names},
        fates={fate.name.lower(): counts[FATE_0 + fate] for fate in Fate},
        open=counts[CELL["open"]],
        kernel_dropped={name: counts[CELL[f"kernel_dropped_{name}"]] for name in names},
        rows=counts[CELL["segments_rows"]],
        journal_bytes=counts[CELL["journal_bytes"]],
        fsync_errors=counts[CELL["fsync_errors"]],
        corrupt_blocks=counts[CELL["corrupt_blocks"]],
    )


def _disk(path: Path) -> tuple[int, int]:
    """Bytes that may still be written, and bytes in all."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize


def orders_of(known: Known) -> tuple[Order, ...]:
    """The orders' clocks; an order that ended before it began prolongs no chain."""
    chains: dict[str, int] = {}
    for order in known.orders:
        chains[order.chain] = max(order.ends_us, chains.get(order.chain, 0))
    return tuple(
        Order(
            order.id,
            order.operation,
            order.active,
            order.starts_us / 1e6,
            order.ends_us / 1e6,
            None if order.return_due_us is None or order.id in known.delivered else order.return_due_us / 1e6,
            chains[order.chain] / 1e6,
        )
        for order in known.orders
    )
