"""What the entries add up to. The log is the state: what was delivered, held, set aside or deleted is asked of it, so that
no second file can say otherwise.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from collector.audit.log import Entry


@dataclass
class Run:
    """One run of the collector, from `started` to `stopped`; `stopped` is None while it lasts or where it was cut off."""

    started: Entry
    stopped: Entry | None = None


@dataclass
class Ledger:
    """The state after all entries given. Keys of `orders`, `delivered` and `holds` are order ids."""

    installed: Entry | None = None
    uninstalled: Entry | None = None
    runs: list[Run] = field(default_factory=list)
    operations: dict[str, Entry] = field(default_factory=dict)
    """The last `operation_loaded` of each operation that has not been removed."""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What is entered of each order: the facts of its `order_loaded`, changed as its later entries say."""
    former_orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The same of orders that are in no file any more, with `removed_us`; what was recorded under them is kept on."""
    rules: Entry | None = None
    """The last `orders_loaded`."""
    open_sessions: dict[str, Entry] = field(default_factory=dict)
    returned: dict[str, Entry] = field(default_factory=dict)
    """The last `returned` by the bundle's SHA-256."""
    delivered: dict[str, Entry] = field(default_factory=dict)
    holds: dict[str, Entry] = field(default_factory=dict)
    quarantined: dict[str, Entry] = field(default_factory=dict)
    """By segment's name."""
    released: dict[str, Entry] = field(default_factory=dict)
    """The last `released` by segment's name."""
    deleted: dict[str, Entry] = field(default_factory=dict)
    """By path below data_dir."""
    exported: dict[tuple[str, int], Entry] = field(default_factory=dict)
    """The last `exported` by partner and sequence."""
    withdrawn: list[Entry] = field(default_factory=list)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Ledger":
        """Add up entries."""
        ledger = cls()
        for entry in entries:
            ledger.take(entry)
        return ledger

    def take(self, entry: Entry) -> None:
        """Add one entry."""
        facts = entry.facts
        match entry.event:
            case "installed":
                self.installed, self.uninstalled = self.installed or entry, None
            case "uninstalled":
                self.uninstalled = entry
            case "started":
                self.runs.append(Run(entry))
            case "stopped":
                if self.runs:
                    self.runs[-1].stopped = entry
            case "operation_loaded":
                self.operations[facts["operation"]] = entry
            case "operation_removed":
                self.operations.pop(facts["operation"], None)
            case "order_loaded":
                self.orders[facts["order"]] = dict(facts)
                self.former_orders.pop(facts["order"], None)
            case "order_changed":
                self.orders[facts["order"]] = dict(facts["after"])
            case "order_ended":
                known = {"operation": facts["operation"], "order": facts["order"]}
                self.orders.setdefault(facts["order"], known)[facts["by"]] = facts["at"]
            case "order_removed":
                former = self.orders.pop(facts["order"], None)
                if former is not None:
                    self.former_orders[facts["order"]] = former | {"removed_us": entry.time_us}
            case "orders_loaded":
                self.rules = entry
            case "access_opened":
                self.open_sessions[facts["session"]] = entry
            case "access_closed":
                self.open_sessions.pop(facts["session"], None)
            case "returned":
                self.returned[facts["bundle_sha256"]] = entry
            case "delivered":
                self.delivered.update(dict.fromkeys(facts["orders"], entry))
            case "hold_set":
                self.holds[facts["order"]] = entry
            case "hold_lifted":
                self.holds.pop(facts["order"], None)
            case "quarantined":
                self.quarantined[facts["segment"]] = entry
            case "released":
                self.quarantined.pop(facts["segment"], None)
                self.released[facts["segment"]] = entry
            case "deleted":
                self.deleted.update({file["name"]: entry for file in facts["files"]})
            case "withdrawn":
                self.withdrawn.append(entry)
            case "exported":
                self.exported[facts["partner"], facts["sequence"]] = entry
            case _:
                pass  # what happened, and left nothing to remember
