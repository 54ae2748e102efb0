"""What a command of an officer's or operator's needs to act on the data: the log with its key, who is acting, what is known.

Every act is entered before it takes effect (law.md L-21), and may be repeated: what a crash left undone is done by running
it again, since the log says what was meant.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from collector.audit.access import close_orphans
from collector.audit.key import checkpoint_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.audit.people import People
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.docket import read_operations
from collector.orders.operation import Operation
from collector.service.settings import Settings


@dataclass(frozen=True)
class ActsDesk:
    """Where an act is entered and then done."""

    settings: Settings
    log: AuditLog
    actor: str

    def ledger(self) -> Ledger:
        """What the entries add up to now."""
        return Ledger.of(read_entries(self.settings.data_dir / "audit"))

    def operations(self) -> list[Operation]:
        """The operation files as they stand. Raises ConfigurationError."""
        return read_operations(self.settings.operation_files())


@contextmanager
def desk(settings: Settings, actor: str = "") -> Iterator[ActsDesk]:
    """Open the log to act as `actor` (default: who called). Raises ConfigurationError, CorruptError, OSError."""
    if not (settings.data_dir / "audit" / "log.jsonl").exists():
        found = "no audit log: no collector has run on this folder"
        problem = Problem(
            str(settings.data_dir),
            "data_dir",
            found,
            "a collector's data",
            "start pentrap serve, or correct data_dir",
        )
        raise ConfigurationError([problem])
    log = AuditLog(settings.data_dir / "audit", checkpoint_key(settings.signing_key, settings.sensor))
    try:
        close_orphans(settings.data_dir, log)
        yield ActsDesk(settings, log, People(settings.data_dir).actor(actor))
    finally:
        log.close()
