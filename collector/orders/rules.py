"""Everything in force, compiled: each worker loads one `Rules` and asks it once per check-in.

What `decide` does, in words: the longest listed suffix of the host in each operation counts, in its own
window widened by grace, unless it is `block` or the host is at or below an exception of that operation;
then the services on the destination. Among all orders in force of what matched: domain before service, then
the earliest `starts`, then the id. A longer listed name shadows a shorter one of its operation even while
it is out of date or `block`: the court spoke about it in particular. Where something matches but no order
is in force, the operation whose answer is sent is found by the same rule over all its orders, whenever they
are; one without orders comes last, by name.

Where nothing is in effect though a name is listed (`block`, out of date), the decision is MISSED: nothing is recorded, and
`missed` says of which entries, so that they can be counted (ground/unexpected.py). It is told apart at the place where the last
window has failed, so it costs no other check-in anything.

The common case (one operation with domains, no exceptions) runs inline on views of the mapped index and
makes no object but the name read, one window and the result; everything else takes `decide_slowly`, which
is plain. Tests hold the two against each other and against a model.
"""

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from collector.ground.codes import Fate, Kind
from collector.ground.errors import CorruptError
from collector.orders.chains import roots
from collector.orders.entries import entry_at, hint_of, key_of
from collector.orders.index import MARKER, WINDOW, Index
from collector.orders.notices import notice_cells
from collector.orders.timeline import OrderWindow, Rank, rank, timeline

Decision = tuple[int, int, int, int, int, bool]
"""(fate, operation, order, kind, subject, volume). `fate` is Fate.RECORDED, Fate.SUPPRESSED_WINDOW, or -1
for nothing; then all numbers are -1. `order` is -1 where none is in force; `subject` is a row of the index
or the number of a service; of MISSED it is MISSED_SUBJECT."""

FORMATS = (1, 2)
"""Versions of the document that can be read: compile.FORMAT and those before."""

NOTHING: Decision = (-1, -1, -1, -1, -1, False)
MISSED_SUBJECT = -2
MISSED: Decision = (-1, -1, -1, -1, MISSED_SUBJECT, False)
"""Nothing either, but a listed name was asked for that is `block` or out of date in each operation that lists it."""

_RECORDED, _WINDOW = int(Fate.RECORDED), int(Fate.SUPPRESSED_WINDOW)
_DOMAIN, _SERVICE = int(Kind.DOMAIN), int(Kind.SERVICE)


class OrderState(NamedTuple):
    """An order at an instant, for status and metrics."""

    id: str
    operation: str
    kind: str
    starts_us: int
    ends_us: int
    active: bool
    return_due_us: int | None
    chain: str
    """The id of the first order of its chain of extensions."""


class Verdict(NamedTuple):
    """What one operation says at an instant."""

    fate: int
    operation: int
    order: int
    volume: bool


class Plan(NamedTuple):
    """One operation, ready to be asked."""

    edges: list[int]
    verdicts: list[Verdict]
    ranks: list[Rank]
    """Beside each verdict: its order's rank, or where none is in force the first of the operation's
    orders.
    """
    exceptions: frozenset[bytes]


GONE = -1
_NO_PLAN = Plan([], [Verdict(-1, -1, -1, False)], [], frozenset())
"""Of an operation that is gone: its domains match nothing."""

Candidate = tuple[int, tuple[int, bool], Rank, int, int, Verdict]
"""(fate, kind and whether it is general, rank, operation, subject, verdict): the smallest one wins."""


class Rules:
    """The rules of one document, with its index. `decide` is safe to call from one thread at a time per
    call site.
    """

    def __init__(self, document: dict[str, Any], digest: str, index: Index) -> None:
        self.digest = digest
        self.index = index
        self.operations: list[str] = [operation["name"] for operation in document["operations"]]
        self.answers: list[bytes] = [
            operation["answer"].encode("latin-1") for operation in document["operations"]
        ]
        self.orders = [OrderWindow(number=number, **order) for number, order in enumerate(document["orders"])]
        self.injunctions: list[tuple[str, int | None]] = [
            (operation["name"], operation.get("expires_us")) for operation in document["operations"]
        ]
        """Each operation and when its injunction expires; None: it does not say."""
        self._chains = roots(self.orders)
        self.order_ids = [order.id for order in self.orders]
        self.order_operations = [self.operations[order.operation] for order in self.orders]
        self.service_families: list[str] = [service["family"] for service in document["services"]]
        self.service_operations = [self.operations[service["operation"]] for service in document["services"]]
        numbers = {name: number for number, name in enumerate(self.operations)}
        self.index_operations = [numbers.get(name, GONE) for name in index.operations]
        """The rules' number of each operation of the index; GONE where its file was taken away and the index of what is
        left is still being built.
        """
        self.notices = notice_cells(self.operations, self.answers)
        """By operation's number, where its answer has a public notice: the cell that counts how often it is served."""
        self._plans = [
            _plan(
                number, [order for order in self.orders if order.operation == number], operation["exceptions"]
            )
            for number, operation in enumerate(document["operations"])
        ]
        self.ports: dict[int, list[tuple[bytes, int, int]]] = {}
        for number, service in enumerate(document["services"]):
            entry = (bytes.fromhex(service["address"]), number, service["operation"])
            self.ports.setdefault(service["port"] << 8 | service["transport"], []).append(entry)
        self.decide: Callable[[bytes | None, int, bytes, int, int], Decision] = _decider(self)

    @classmethod
    def load(cls, directory: Path, digest: str) -> "Rules":
        """Open what `compile_rules` wrote; CorruptError when the document is not what its name says."""
        path = directory / f"{digest}.json"
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            cause = "the content does not match the SHA-256 in the name"
            raise CorruptError(
                "load rules", str(path), "the document", cause, "Delete it and reload the operation files"
            )
        document = json.loads(content)
        if document["format"] not in FORMATS:
            cause = f"format {document['format']}, and this version reads {FORMATS}"
            raise CorruptError(
                "load rules", str(path), "format", cause, "Use the version of Pentrap that wrote it"
            )
        return cls(document, digest, Index(directory / f"{document['index']}.index"))

    def plan(self, operation: int) -> Plan:
        """One operation's precomputed choices."""
        return self._plans[operation]

    def lists_service(self, transport: int, dst: bytes, dst_port: int) -> bool:
        """Whether a service is listed here: then a silent connection is a check-in too."""
        listed = self.ports.get(dst_port << 8 | transport)
        return listed is not None and any(address in (b"", dst) for address, _, _ in listed)

    def orders_in_force(self, now_us: int) -> list[OrderState]:
        """Every order of the rules, by id; `active` where its window holds `now_us`."""
        return [
            OrderState(
                order.id,
                self.operations[order.operation],
                order.kind,
                order.starts_us,
                order.ends_us,
                order.starts_us <= now_us < order.ends_us,
                order.return_due_us,
                self._chains[order.id],
            )
            for order in self.orders
        ]

    def close(self) -> None:
        """Give the index back."""
        del self.decide
        self.index.close()

    def decide_slowly(
        self, name: bytes | None, transport: int, dst: bytes, dst_port: int, now_us: int
    ) -> Decision:
        """`decide` in full generality: several windows, nested names, several operations, exceptions,
        services.
        """
        found = [] if name is None else self._domains(name, now_us)
        for address, service, operation in self.ports.get(dst_port << 8 | transport, ()):
            if address in (b"", dst):
                verdict, order_rank = self._ask(operation, now_us)
                kind = (_SERVICE, not address)  # one with an address is more particular
                found.append((verdict.fate, kind, order_rank, operation, service, verdict))
        if not found:
            return MISSED if name is not None and self._listing(name) else NOTHING
        fate, (kind_number, _), _, operation, subject, verdict = min(found)
        return fate, operation, verdict.order, kind_number, subject, verdict.volume

    def missed(self, name: bytes) -> list[tuple[int, int]]:
        """Of a name that got MISSED: key and hint (orders/entries.py) of the longest listed name in each operation."""
        index = self.index
        return [
            (key_of(entry_at(index, rows.start)), hint_of(index, rows.start))
            for _, rows in self._listing(name)
        ]

    def _listing(self, name: bytes) -> list[tuple[int, range]]:
        """The operations that list a name or what it ends in, and the rows of the longest; exceptions taken off."""
        found = []
        for index_operation, rows in self.index.find(name).items():
            operation = self.index_operations[index_operation]
            if operation != GONE and not _excepted(name, self._plans[operation].exceptions):
                found.append((operation, rows))
        return found

    def _domains(self, name: bytes, now_us: int) -> list[Candidate]:
        index = self.index
        found: list[Candidate] = []
        for operation, rows in self._listing(name):
            for row in rows:  # their windows do not overlap
                in_us, out_us, _ = WINDOW.unpack_from(
                    index.term_windows, index.terms_of_rows[row] * WINDOW.size
                )
                if in_us <= now_us < out_us:
                    verdict, order_rank = self._ask(operation, now_us)
                    found.append((verdict.fate, (_DOMAIN, False), order_rank, operation, row, verdict))
        return found

    def _ask(self, operation: int, now_us: int) -> tuple[Verdict, Rank]:
        plan = self._plans[operation]
        place = bisect_right(plan.edges, now_us)
        return plan.verdicts[place], plan.ranks[place]


def _plan(number: int, orders: list[OrderWindow], exceptions: list[str]) -> Plan:
    edges, choices = timeline(orders)
    first: Rank = min(map(rank, orders), default=(1 << 63, ""))
    return Plan(
        edges,
        [
            Verdict(_RECORDED, number, order.number, order.volume)
            if order
            else Verdict(_WINDOW, number, -1, False)
            for order in choices
        ],
        [rank(order) if order else first for order in choices],
        frozenset(name.encode("ascii") for name in exceptions),
    )


def _excepted(name: bytes, exceptions: frozenset[bytes]) -> bool:
    """Whether a host is at or below one of these names."""
    if not exceptions:
        return False
    while name not in exceptions:
        _, dot, name = name.partition(b".")
        if not dot:
            return False
    return True


def _decider(rules: Rules) -> Callable[[bytes | None, int, bytes, int, int], Decision]:
    """The hot path, as a closure: its cells are read faster than attributes."""
    index = rules.index
    mask, starts, offsets, names = index.mask, index.buckets, index.name_offsets, index.names
    terms, deeper, windows = index.terms_of_rows, index.deeper, index.term_windows
    plans = [_NO_PLAN if number == GONE else rules.plan(number) for number in rules.index_operations]
    ports = rules.ports
    several = len(index.operations) > 1
    slowly = rules.decide_slowly
    find_order = bisect_right
    checksum = crc32
    window_of, size = WINDOW.unpack_from, WINDOW.size

    def decide(name: bytes | None, transport: int, dst: bytes, dst_port: int, now_us: int) -> Decision:
        if name is not None:
            # The host itself first: where it is listed, nothing longer can be, and its labels need no counting.
            bucket = checksum(name) & mask
            row = starts[bucket]
            beyond = starts[bucket + 1]
            while row != beyond:
                if names[offsets[row] : offsets[row + 1]] == name:
                    break
                row += 1
            if row == beyond or terms[row] == MARKER:
                row, beyond = suffix_row(name)
            if row >= 0 and several:
                return slowly(name, transport, dst, dst_port, now_us)
            while row >= 0:
                in_us, out_us, number = window_of(windows, terms[row] * size)
                if in_us <= now_us < out_us:
                    edges, verdicts, _, exceptions = plans[number]
                    fate, operation, order, volume = verdicts[find_order(edges, now_us)]
                    if exceptions or (fate and ports):
                        return slowly(name, transport, dst, dst_port, now_us)
                    return fate, operation, order, _DOMAIN, row, volume
                # the same name may have another window in the next row
                start, end = offsets[row], offsets[row + 1]
                row += 1
                if row == beyond or names[end : offsets[row + 1]] != names[start:end]:
                    plan = plans[number]
                    if plan is _NO_PLAN or plan.exceptions or (dst_port << 8 | transport) in ports:
                        return slowly(name, transport, dst, dst_port, now_us)
                    return MISSED
        if (dst_port << 8 | transport) in ports:
            return slowly(None, transport, dst, dst_port, now_us)
        return NOTHING

    def suffix_row(name: bytes) -> tuple[int, int]:
        """First row of the longest listed name that a host ends in, and the end of its bucket; -1: none."""
        best = end = -1
        cut = name.rfind(b".", 0, name.rfind(b".")) + 1
        while cut:
            suffix = name[cut:]
            bucket = checksum(suffix) & mask
            row = starts[bucket]
            beyond = starts[bucket + 1]
            while row != beyond:
                if names[offsets[row] : offsets[row + 1]] == suffix:
                    break
                row += 1
            else:
                break  # neither this name is listed nor any that ends in it
            if terms[row] != MARKER:
                best, end = row, beyond
            labels = deeper[row]
            if not labels:
                break
            parts = name.rsplit(b".", labels)
            if len(parts) <= labels:
                break  # the host is not longer than the next listed name, and it is not listed itself
            cut = len(parts[0]) + 1
        return best, end

    return decide
