"""The log as the court gets it: whole, provable, and silent about other courts' orders.

    audit/log.jsonl     each line an entry's exact bytes, or {"withheld":"<leaf hash>"} where it concerns another operation
    audit/checkpoint    signed over exactly these entries
    audit/vkey          the key's public half
    audit/tile/…        hash tiles (C2SP tlog-tiles); entry bundles only where nothing is withheld

An entry with the fact `operation` concerns that operation only. One that concerns the collector as a whole may list files
that are named after orders, or hold an officer's own words; where those name another operation or its order, the entry is
withheld too. The leaf hash keeps its place in the
Merkle tree, so the signature covers the whole log. It tells of the entry what it tells somebody who already has the entry's
exact bytes, its time to the microsecond included.

The log is cut before the making of returns at its very end (the reading for a return, and the entry that it was made), so
that making the same return again gives the same bytes.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from collector.audit.key import CheckpointKey
from collector.audit.log import Entry
from collector.audit.note import Checkpoint
from collector.audit.tiles import bundles_of, tiles_of
from collector.audit.tree import leaf_hash, root

_OURS = frozenset({"sensor", "version", "revision", "vkey", "why"})
"""Facts that speak of the collector alone, whatever an operation is called."""


class Strangers:
    """Names of other operations and their orders."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        words = "|".join(map(re.escape, sorted(names)))
        # Without any, what matches nowhere: an empty choice would match everything.
        self._words = re.compile(f"(?<![a-z0-9])(?:{words})(?![a-z0-9])" if names else r"(?!)", re.IGNORECASE)

    def in_name(self, name: str) -> bool:
        """Whether a file is named after one of them."""
        return any(f"-{stranger}-" in name for stranger in self._names)

    def in_words(self, text: str) -> bool:
        """Whether somebody's words have one of them as a word."""
        return self._words.search(text) is not None


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
    strangers = Strangers(_strangers(entries, operation))
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


def _withheld(entry: Entry, operation: str, strangers: Strangers) -> bool:
    if entry.facts.get("operation", operation) != operation:
        return True
    named = [file["name"] for file in entry.facts.get("files", ())] if entry.event == "deleted" else []
    if any(strangers.in_name(name) for name in named):
        return True
    if "operation" in entry.facts:
        return False
    spoken = (value for fact, value in entry.facts.items() if fact not in _OURS and fact != "files")
    return any(strangers.in_words(text) for value in spoken for text in _texts(value))


def _texts(value: object) -> Iterator[str]:
    """Every text in a fact, keys too."""
    match value:
        case str():
            yield value
        case list():
            for one in value:
                yield from _texts(one)
        case dict():
            for key, one in value.items():
                yield key
                yield from _texts(one)
