"""Which files were in the return that the court has: the list that was kept when the return was made (law.md L-33).

    audit/texts/<sha256>[.gz]     each file's name below data_dir, one a line, by name

The `returned` entry of a final return with rows names it as `contents`. A file's time says nothing of that: one that was in
quarantine, or that another sensor's copy brought later, is as old as its rows. Earlier releases kept no list.
"""

from collections.abc import Iterable
from pathlib import Path

from collector.audit import texts
from collector.audit.ledger import Ledger
from collector.ground.errors import CorruptError


def keep_list(audit: Path, names: Iterable[str]) -> str:
    """Keep the list of the files that a return holds; its SHA-256."""
    return texts.keep(audit, "".join(f"{name}\n" for name in sorted(names)).encode())


def lists_of_returns(audit: Path, ledger: Ledger) -> dict[str, frozenset[str] | None]:
    """By order, the files in the return of it that the court has: None where the list is lost, no key where none was kept."""
    read: dict[str, frozenset[str] | None] = {}
    found = {}
    for order, delivered in ledger.delivered.items():
        made = ledger.returned.get(delivered.facts["bundle_sha256"])
        digest = made.facts.get("contents") if made else None
        if digest is None:
            continue
        if digest not in read:
            try:
                read[digest] = frozenset(texts.read(audit, digest).decode().splitlines())
            except (FileNotFoundError, CorruptError):
                read[digest] = None
        found[order] = read[digest]
    return found
