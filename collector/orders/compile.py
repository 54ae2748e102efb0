"""Operation files become two files that workers can load at once.

    <directory>/<digest>.json      the rules: canonical JSON, named by its own SHA-256
    <directory>/<digest>.index     the domains (index.py), named by the SHA-256 of what it was made from

The index is named by its sources (names of operations, grace, content of schedules, versions of the format
and of the list of public suffixes), so a changed order, exception, service or answer makes a new JSON
document and keeps the index. The rules hold no docket, court, agency or officer: what is under seal stays
in the operation files. Files are never changed and never deleted here: a journal may still need an old one
to say what its numbers mean.
"""

import gc
import hashlib
import ipaddress
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from collector.ground import files
from collector.ground.codes import Transport
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.ground.record import IPV4_PREFIX
from collector.orders.chains import chains, end_of
from collector.orders.docket import read_operations
from collector.orders.index import MAGIC, Index
from collector.orders.index_build import build_index
from collector.orders.instants import DAY_US, to_us
from collector.orders.kinds import KINDS
from collector.orders.names import canonical
from collector.orders.operation import Operation, Order, Service
from collector.orders.schedule import Schedule
from collector.orders.suffixes import suffix_rules

FORMAT = 2
"""Version of the JSON document. 2 added to each order `extends` and `return_due_us`, to each operation `expires_us`; `rules`
reads 1 as well, since journals of that time name such documents.
"""

ORDERS_MAX = 65_535
SERVICES_MAX = 65_535


def compile_rules(operation_paths: Iterable[Path], directory: Path) -> str:
    """Check and compile all operation files; the digest that `Rules.load(directory, digest)` takes.

    Nothing is written unless everything is right: ConfigurationError holds every problem.
    """
    return compile_operations(read_operations(operation_paths), directory)


def compile_operations(operations: Sequence[Operation], directory: Path) -> str:
    """`compile_rules` for operations already read."""
    _check_limits(operations)
    files.make_directory(directory)
    index_digest = _index_digest(operations)
    index_path = directory / f"{index_digest}.index"
    if _opens(index_path):
        os.utime(index_path, follow_symlinks=False)
    else:
        names = [operation.name for operation in _listing(operations)]
        with _without_cycle_search():
            build_index(read_schedules(operations, index_digest), names, index_path)
    return _publish_rules(rules_document(operations, index_digest), directory)


def compile_with_index_of(operations: Sequence[Operation], directory: Path, in_force: str) -> str:
    """Rules of these operations over the index of the rules in force: an order's change must not wait for a schedule's.

    Its digest; empty where the rules in force cannot be read, so that only the whole will do.
    """
    _check_limits(operations)
    try:
        document = json.loads((directory / f"{in_force}.json").read_bytes())
        if document["format"] != FORMAT or not _opens(directory / f"{document['index']}.index"):
            return ""
    except (OSError, ValueError, KeyError):
        return ""
    return _publish_rules(rules_document(operations, document["index"]), directory)


def digest_of(operations: Sequence[Operation]) -> str:
    """The digest that these operations would compile to, without making anything: schedules are hashed, not read."""
    return hashlib.sha256(rules_document(operations, _index_digest(operations))).hexdigest()


def read_schedules(operations: Sequence[Operation], index_digest: str = "") -> Schedule:
    """All schedules of all operations; ConfigurationError when a row is wrong, or a file changed since its
    digest.
    """
    schedule = Schedule()
    digest = _DigestOfSources()
    for number, operation in enumerate(_listing(operations)):
        for table in operation.domains:
            path = operation.folder / table.file
            content = path.read_bytes()
            digest.add(operation.name, table.grace_days, hashlib.sha256(content).hexdigest())
            schedule.read(content, str(path), number, table.grace_days * DAY_US)
    if schedule.problems:
        raise ConfigurationError(schedule.problems)
    if index_digest and digest.text() != index_digest:
        changed = "a schedule that changed while it was read"
        raise ConfigurationError(
            [
                Problem(
                    "the schedules",
                    "all",
                    changed,
                    "files that stand still",
                    "put new files in place by renaming, reload",
                )
            ]
        )
    return schedule


def rules_document(operations: Sequence[Operation], index_digest: str) -> bytes:
    """The canonical JSON of the rules: sorted keys, no spaces, ASCII."""
    orders = sorted(
        ((order, number) for number, operation in enumerate(operations) for order in operation.orders),
        key=lambda entry: entry[0].id,
    )
    due = {key: moment for operation in operations for key, moment in returns_due(operation.orders).items()}
    document = {
        "format": FORMAT,
        "index": index_digest,
        "operations": [
            {
                "name": operation.name,
                "answer": operation.answer.decode("latin-1"),
                "exceptions": sorted(
                    {canonical(exclusion.domain) or "" for exclusion in operation.exceptions}
                ),
                "grace_days": [table.grace_days for table in operation.domains],
                "expires_us": to_us(operation.injunction.expires) if operation.injunction.expires else None,
            }
            for operation in operations
        ],
        "orders": [
            {
                "id": order.id,
                "operation": number,
                "kind": order.kind,
                "starts_us": order.starts_us,
                "ends_us": order.ends_us,
                "volume": "volume" in order.fields,
                "extends": order.extends,
                "return_due_us": due[order.id],
            }
            for order, number in orders
        ],
        "services": [
            {
                "operation": number,
                "family": service.family,
                "transport": int(Transport[service.transport.upper()]),
                "address": packed_address(service).hex(),
                "port": service.port,
            }
            for number, operation in enumerate(operations)
            for service in operation.services
        ],
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def returns_due(orders: Sequence[Order]) -> dict[str, int | None]:
    """When each order's return is due, by id, in microseconds: its kind's time after the end of its whole chain of
    extensions, terminations counted as ends. None where its law knows no return.
    """
    due: dict[str, int | None] = {}
    for chain in chains(orders).values():
        end_us = end_of(chain)
        for order in chain:
            after = KINDS[order.kind].return_due
            due[order.id] = None if after is None else end_us + after // timedelta(microseconds=1)
    return due


def packed_address(service: Service) -> bytes:
    """Its address in 16 bytes, IPv4 mapped; empty for any."""
    if not service.address:
        return b""
    packed = ipaddress.ip_address(service.address).packed
    return packed if len(packed) == 16 else IPV4_PREFIX + packed


def _publish_rules(content: bytes, directory: Path) -> str:
    digest = hashlib.sha256(content).hexdigest()
    path = directory / f"{digest}.json"
    if path.exists() and path.read_bytes() == content:
        os.utime(path)  # needed again: retention lets go of rules by their age (custody/rules_kept.py)
    else:
        files.publish_bytes(path, content)
    return digest


class _DigestOfSources:
    def __init__(self) -> None:
        self._sources: list[object] = [MAGIC.hex(), suffix_rules().version]

    def add(self, operation: str, grace_days: int, sha256: str) -> None:
        self._sources.append([operation, grace_days, sha256])

    def text(self) -> str:
        return hashlib.sha256(json.dumps(self._sources).encode("ascii")).hexdigest()


def _index_digest(operations: Sequence[Operation]) -> str:
    digest = _DigestOfSources()
    for operation in operations:
        for table in operation.domains:
            with (operation.folder / table.file).open("rb") as file:
                digest.add(operation.name, table.grace_days, hashlib.file_digest(file, "sha256").hexdigest())
    return digest.text()


@contextmanager
def _without_cycle_search() -> Iterator[None]:
    """Millions of rows hold no cycles, and looking for some among them is a quarter of the making."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _listing(operations: Sequence[Operation]) -> list[Operation]:
    """Those with domains: the index numbers only them, so that it stands still when others come and go."""
    return [operation for operation in operations if operation.domains]


def _opens(path: Path) -> bool:
    """Whether an index is there and its header holds; a damaged one is made anew."""
    try:
        Index(path).close()
    except (OSError, CorruptError):
        return False
    return True


def _check_limits(operations: Sequence[Operation]) -> None:
    for what, found, most in (
        ("[[order]]", sum(len(operation.orders) for operation in operations), ORDERS_MAX),
        ("[[services]]", sum(len(operation.services) for operation in operations), SERVICES_MAX),
    ):
        if found > most:
            problem = Problem(
                "all operation files", what, f"{found} together", f"at most {most}", "retire old ones"
            )
            raise ConfigurationError([problem])
