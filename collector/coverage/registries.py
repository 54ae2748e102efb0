"""Whether a registry fell silent, as the clerk knows it while the day goes on: for the metrics.

    data_dir/coverage/registries.json    {"<operation>": {"<registry>": <microseconds since 1970>, …}, …}

When a check-in for one of a registry's domains last came and was recorded. A journal is noted, and the file written, before
the journal is removed, so a death at any moment loses nothing: what was not noted is converted, and noted, again. A file that
is lost or cannot be read begins anew with what is recorded from then on.
"""

import json
from pathlib import Path

import numpy as np

from collector.coverage import FOLDER
from collector.ground import files
from collector.ground.codes import Action, Kind
from collector.orders.index import MARKER
from collector.orders.rules import Rules
from collector.segments.table import ROW

NAME = "registries.json"
Registry = tuple[str, str]
"""Operation and registry, both as configuration has them."""


class Registries:
    """One thread at a time."""

    def __init__(self, data_dir: Path) -> None:
        """Raises OSError."""
        files.make_directory(data_dir / FOLDER)
        self._path = data_dir / FOLDER / NAME
        self.last_reached = last_reached(data_dir)
        """Microseconds since 1970; those that never were are not there."""
        self._changed = False

    def note(self, records: bytes, rules: Rules) -> None:
        """Take in records that were written to a segment under these rules."""
        rows = np.frombuffer(records, ROW)
        rows = rows[rows["kind"] == Kind.DOMAIN]
        index = rules.index
        terms = np.asarray(index.terms_of_rows)[rows["subject"]]
        named = np.asarray(index.operations_of_terms)[terms].astype(np.int64) * len(index.registries)
        pairs, place = np.unique(named + np.asarray(index.registries_of_terms)[terms], return_inverse=True)
        latest = np.zeros(len(pairs), np.int64)
        np.maximum.at(latest, place, rows["time_us"])
        for pair, moment in zip(pairs.tolist(), latest.tolist(), strict=True):
            operation, registry = divmod(pair, len(index.registries))
            which = index.operations[operation], index.registries[registry]
            if self.last_reached.get(which, 0) < moment:
                self.last_reached[which] = moment
                self._changed = True

    def save(self) -> None:
        """Make it durable, where anything changed. Raises OSError."""
        if self._changed:
            told: dict[str, dict[str, int]] = {}
            for (operation, registry), moment in self.last_reached.items():
                told.setdefault(operation, {})[registry] = moment
            files.publish_bytes(self._path, json.dumps(told, sort_keys=True).encode())
            self._changed = False


def last_reached(data_dir: Path) -> dict[Registry, int]:
    """What the file says; nothing where there is none that can be read. Raises OSError."""
    try:
        told = json.loads((data_dir / FOLDER / NAME).read_bytes())
        return {
            (operation, registry): int(moment)
            for operation, of in told.items()
            for registry, moment in of.items()
        }
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def due(rules: Rules, now_us: int) -> dict[Registry, int]:
    """How many of each registry's domains should be reached now: in their dates, not blocked, under an order in force.

    Dates are the schedule's own, without grace. Registries that have no other domains than blocked ones are not there.
    Exceptions are not looked at.
    """
    index = rules.index
    in_force = {order.operation for order in rules.orders_in_force(now_us) if order.active}
    rows = np.bincount(np.asarray(index.terms_of_rows), minlength=index.header.terms)
    operations = np.asarray(index.operations_of_terms)
    listed = np.asarray(index.actions_of_terms) != Action.BLOCK
    listed[MARKER] = False
    now = listed & (np.asarray(index.term_from) <= now_us) & (now_us < np.asarray(index.term_until))
    now &= np.isin(operations, [n for n, name in enumerate(index.operations) if name in in_force])
    pairs = operations.astype(np.int64) * max(1, len(index.registries)) + np.asarray(
        index.registries_of_terms
    )
    known = np.unique(pairs[listed])
    counts = np.zeros(len(known), np.int64)
    np.add.at(counts, np.searchsorted(known, pairs[now]), rows[now])
    names = (divmod(pair, len(index.registries)) for pair in known.tolist())
    return {
        (index.operations[operation], index.registries[registry]): count
        for (operation, registry), count in zip(names, counts.tolist(), strict=True)
        if index.operations[operation] in rules.operations
    }
