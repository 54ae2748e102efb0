"""An officer's reading of collected records: who, why, when, how long (18 USC 3123(a)(3)(A)(i), (ii); law.md L-20a).

`access_opened` is durable before the first row is shown, `access_closed` has the duration. While a reading lasts, its process
holds a lock on a file of the session's name; whoever next opens the log finds sessions without a holder and closes them as of
unknown end, with no duration.

    access/sessions/<session>     empty, locked by its process
"""

import fcntl
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.ground import files
from collector.ground.clock import now_us

_FOLDER = Path("access") / "sessions"


class Session:
    """A reading that is going on; set `statements` to how many were run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.statements = 0


@contextmanager
def access(
    data_dir: Path, log: AuditLog, *, operation: str, order: str, actor: str, reason: str, purpose: str
) -> Iterator[Session]:
    """Enter the reading, hold it open, enter its end. `purpose` is "open", "return", "disclosed" or "coverage"."""
    folder = data_dir / _FOLDER
    files.make_directory(folder)
    session = Session(f"s-{secrets.token_hex(6)}")
    path = folder / session.name
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, files.FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        facts: dict[str, Any] = {"session": session.name, "operation": operation, "order": order}
        log.append("access_opened", now_us(), **facts, actor=actor, reason=reason, purpose=purpose)
        began = time.monotonic_ns()
        try:
            yield session
        finally:
            duration_us = (time.monotonic_ns() - began) // 1000
            log.append(
                "access_closed",
                now_us(),
                **facts,
                end="closed",
                duration_us=duration_us,
                statements=session.statements,
            )
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def close_orphans(data_dir: Path, log: AuditLog, sessions: Iterable[str] | None = None) -> int:
    """Enter the unknown end of readings whose process is gone; how many there were.

    `sessions` are those that may be open, where the caller knows them: then the log is read only where one has no holder.
    """
    closed = 0
    if sessions is None:
        sessions = Ledger.of(read_entries(data_dir / "audit")).open_sessions
    for name in sessions:
        descriptor = _claim(data_dir / _FOLDER / name)
        if descriptor is None:
            continue
        try:
            # Read again: another process may have closed it while this one came here.
            entry = Ledger.of(read_entries(data_dir / "audit")).open_sessions.get(name)
            if entry is not None:
                facts = {key: entry.facts[key] for key in ("session", "operation", "order")}
                log.append("access_closed", now_us(), **facts, end="unknown", duration_us=None)
                closed += 1
            (data_dir / _FOLDER / name).unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    return closed


def _claim(path: Path) -> int | None:
    """The locked session file of a process that is gone; None while it lives."""
    files.make_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
