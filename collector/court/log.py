"""The log as the court gets it: whole, provable, and silent about other courts' orders.

    audit/log.jsonl     each line an entry's exact bytes, or {"withheld":"<leaf hash>"} where it concerns another operation
    audit/checkpoint    signed over exactly these entries
    audit/vkey          the key's public half
    audit/tile/…        hash tiles (C2SP tlog-tiles); entry bundles only where nothing is withheld

An entry with the fact `operation` concerns that operation only. A few that concern the collector as a whole list orders or
files; where such a list names another operation's order, the entry is withheld too. The leaf hash keeps its place in the
Merkle tree, so the signature covers the whole log. It tells of the entry what it tells somebody who already has the entry's
exact bytes, its time to the microsecond included.

The log is cut before the making of returns at its very end (the reading for a return, and the entry that it was made), so
that making the same return again gives the same bytes.
"""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collector.audit.key import CheckpointKey
from collector.audit.log import Entry
from collector.audit.note import Checkpoint
from collector.audit.tiles import bundles_of, tiles_of
from collector.audit.tree import leaf_hash, root

LISTS_ORDERS = ("deleted",)
"""Entries about the collector as a whole that list files, which may be named after orders."""

BEGINNING_US = 600_000_000
"""What the beginning of a return may take: a log of a million entries is verified in seconds, ten minutes are ample."""


class ReturnLog(NamedTuple):
    """The entries that a return covers."""

    entries: tuple[Entry, ...]
    own: tuple[Entry, ...]
    """Those that are not withheld."""
    leaves: tuple[bytes, ...]

    @property
    def size(self) -> int:
        """How many entries."""
        return len(self.entries)

    @property
    def made_s(self) -> int:
        """The time of the last entry in whole seconds: the time that every file of the bundle bears."""
        return self.entries[-1].time_us // 1_000_000


def left_out(entries: Sequence[Entry], returned: Entry) -> int:
    """How many entries a return leaves out that were there when it was made; the making of returns is none of them.

    The log goes on while a return is begun, so what came in the last minutes before its reading is not counted.
    """
    for_return = {entry.facts["session"]: entry for entry in entries if _opens_return(entry)}
    orders = returned.facts["orders"]
    begun = [
        entry
        for entry in for_return.values()
        if entry.number < returned.number and entry.facts["order"] in orders
    ]
    before_us = (begun[-1] if begun else returned).time_us - BEGINNING_US
    return sum(
        entry.time_us < before_us
        and entry.event != "returned"
        and entry.facts.get("session") not in for_return
        for entry in entries[returned.facts["entries"] : returned.number - 1]
    )


def natural_size(entries: Sequence[Entry]) -> int:
    """How many entries there are without the making of returns at the end."""
    for_return = {entry.facts["session"] for entry in entries if _opens_return(entry)}
    size = len(entries)
    while size:
        entry = entries[size - 1]
        session = entry.facts.get("session")
        if entry.event != "returned" and (session is None or session not in for_return):
            break
        size -= 1
    return size


def return_log(entries: Sequence[Entry], operation: str) -> ReturnLog:
    """These entries for this operation's court."""
    strangers = _strangers(entries, operation)
    own = tuple(entry for entry in entries if not _withheld(entry, operation, strangers))
    return ReturnLog(tuple(entries), own, tuple(leaf_hash(entry.line) for entry in entries))


def log_files(log: ReturnLog, key: CheckpointKey) -> Iterator[tuple[str, bytes]]:
    """The folder audit/ of a bundle: (path, content)."""
    shown = {entry.number for entry in log.own}
    lines = [
        entry.line if entry.number in shown else b'{"withheld":"%s"}' % leaf.hex().encode()
        for entry, leaf in zip(log.entries, log.leaves, strict=True)
    ]
    yield "audit/log.jsonl", b"".join(line + b"\n" for line in lines)
    yield "audit/checkpoint", checkpoint(log, key)
    yield "audit/vkey", f"{key.verifier.text}\n".encode()
    for name, content in tiles_of(log.leaves):
        yield f"audit/{name}", content
    if len(log.own) == log.size:
        for name, content in bundles_of(lines):
            yield f"audit/{name}", content


def checkpoint(log: ReturnLog, key: CheckpointKey, extension: str = "") -> bytes:
    """The log's state, signed; with a further line of the text (tlog-checkpoint allows some) where one is given."""
    return key.sign(Checkpoint(key.origin, log.size, root(log.leaves)).text + extension)


def _opens_return(entry: Entry) -> bool:
    return entry.event == "access_opened" and entry.facts["purpose"] == "return"


def _strangers(entries: Sequence[Entry], operation: str) -> frozenset[str]:
    """Names that belong to other operations: their own, and their orders'."""
    named = set()
    for entry in entries:
        if entry.facts.get("operation", operation) != operation:
            named |= {
                entry.facts["operation"],
                *(entry.facts[key] for key in ("order",) if key in entry.facts),
            }
    return frozenset(named)


def _withheld(entry: Entry, operation: str, strangers: frozenset[str]) -> bool:
    if entry.facts.get("operation", operation) != operation:
        return True
    if entry.event not in LISTS_ORDERS:
        return False
    words = json.dumps(entry.facts)
    return any(f'"{name}"' in words or f"-{name}-" in words for name in strangers)
