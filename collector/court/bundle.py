"""The making of a return as one act: entered, made, entered again, published (18 USC 3123(a)(3)(B); law.md L-23).

    access_opened     before the first collected row is read
    (the bundle is written to a temporary beside its target, and synced)
    returned          its SHA-256, its orders, the number of entries that it covers, the list of the files in it
    (the temporary gets its name)
    access_closed     how long the reading took

The entry comes before the name, so there is never a bundle that the log does not know. Killed anywhere, the act is made
again by the same command: the cut of the log (return_log) and everything else come out the same, byte for byte.
"""

import gzip
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from collector.audit.access import access
from collector.audit.check import check_log
from collector.audit.key import CheckpointKey
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.audit.people import People
from collector.court import verifier
from collector.court.collected import PRESENT, Collected, bytes_to_read, digest, gather
from collector.court.encrypt import SUFFIX, Recipient
from collector.court.log import ReturnLog, checkpoint, log_files, natural_size, return_log
from collector.court.page import summary_page
from collector.court.record import Findings, listing, people_of, record
from collector.court.rows import Windows, write_extract
from collector.court.scope import (
    ReturnRefusedError,
    Scope,
    days_between,
    obstacles,
    recording_spans,
    scope_of,
    unloaded_change,
    waiting_rows,
)
from collector.court.tar import BundleTar, HashingSink
from collector.custody.returned import keep_list
from collector.ground import files
from collector.ground.clock import now_us
from collector.segments.segment import day_directory

_PIECE = 1 << 20
Progress = Callable[[int, int], None]
"""Told how many of how many bytes are worked through."""


@dataclass(frozen=True)
class ReturnRequest:
    """What was asked for."""

    data_dir: Path
    sensor: str
    key: CheckpointKey
    operation_file: Callable[[str], Path | None]
    """Where an operation's file lies now, by the operation's name."""
    order: str
    target: Path
    actor: str
    reason: str
    interim: bool = False
    with_rows: bool = True
    recipient: Recipient | None = None
    entries: int | None = None
    """How many entries of the log to cover, to make an earlier bundle again; no other number is taken."""


@dataclass(frozen=True)
class ReturnMade:
    """What came of it."""

    path: Path
    sha256: str
    encrypted_sha256: str
    bytes: int
    entries: int
    orders: tuple[str, ...]
    rows: int
    files: int


def make_return(request: ReturnRequest, log: AuditLog, progress: Progress) -> ReturnMade:
    """Make the return. Raises ReturnRefusedError with every reason found, CorruptError, OSError; nothing stands then."""
    entries = _verified(request)
    size = natural_size(entries) if request.entries is None else request.entries
    if not 0 < size <= len(entries):
        raise ReturnRefusedError([f"the log has {len(entries)} entries, so a return cannot cover {size}"])
    cut = entries[:size]
    scope = scope_of(cut, request.data_dir / "audit", request.order)
    _refuse_new_cut(request, entries, scope)
    _refuse_early(request, entries, cut, scope)
    target = request.target
    if request.recipient and target.suffix != SUFFIX:
        target = target.with_name(target.name + SUFFIX)
    _guard(target, Ledger.of(entries))
    with access(
        request.data_dir,
        log,
        operation=scope.operation,
        order=request.order,
        actor=request.actor,
        reason=request.reason,
        purpose="return",
    ):
        return _make(request, log, scope, return_log(cut, scope.operation), target, progress)


def _verified(request: ReturnRequest) -> list[Entry]:
    audit = request.data_dir / "audit"
    check = check_log(audit, request.key.verifier)
    if check.findings:
        raise ReturnRefusedError(["the audit log does not verify:", *map(str, check.findings)])
    return read_entries(audit)


def _refuse_new_cut(request: ReturnRequest, entries: Sequence[Entry], scope: Scope) -> None:
    """Rows are read as they are now, so a log that ends earlier would leave out what was done with them since."""
    if request.entries is None:
        return
    made = {
        entry.facts["entries"]
        for entry in entries
        if entry.event == "returned"
        and scope.ids == set(entry.facts["orders"])
        and request.interim == entry.facts.get("interim", False)
        and request.with_rows == entry.facts.get("with_rows", True)
    }
    if request.entries not in made:
        known = ", ".join(map(str, sorted(made))) or "none"
        reason = (
            f"no such return that covers {request.entries} entries was ever made here (made were: {known})"
        )
        remedy = "--entries makes an earlier one again: leave it out to cover the whole log"
        raise ReturnRefusedError([f"{reason}; {remedy}"])


def _refuse_early(
    request: ReturnRequest, entries: Sequence[Entry], cut: Sequence[Entry], scope: Scope
) -> None:
    reasons = []
    if not request.interim:
        reasons += obstacles(request.data_dir, request.sensor, cut, scope, now_us())
        reasons += waiting_rows(request.data_dir, scope)
    if request.entries is None:
        reasons += unloaded_change(entries, scope, request.operation_file(scope.operation))
    if reasons:
        raise ReturnRefusedError(reasons)


def _guard(target: Path, ledger: Ledger) -> None:
    """Refuse to write over anything but an earlier return."""
    if not target.parent.is_dir():
        raise ReturnRefusedError([f"{target.parent} is no folder"])
    for leftover in target.parent.glob(f"{files.TEMPORARY_PREFIX}{target.name}-*"):
        leftover.unlink(missing_ok=True)
    if not target.exists():
        return
    ours = {entry.facts["bundle_sha256"] for entry in ledger.returned.values()}
    ours |= {entry.facts.get("encrypted_sha256") for entry in ledger.returned.values()}
    if not target.is_file() or digest(target) not in ours:
        raise ReturnRefusedError([f"{target} exists and is no return of this collector: choose another name"])


def _make(
    request: ReturnRequest, log: AuditLog, scope: Scope, covered: ReturnLog, target: Path, progress: Progress
) -> ReturnMade:
    # Each segment is read for its hash and counts, and again for the bundle.
    total = bytes_to_read(request.data_dir)
    windows = {order.id: (order.starts_us, order.ends_us) for order in scope.chain}
    spans = recording_spans(covered.entries, scope, final=not request.interim)
    touched = [day for span in spans for day in days_between(span.from_us, span.until_us)]
    done = 0

    def step(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total * (1 + request.with_rows))

    collected = gather(request.data_dir, Ledger.of(covered.entries), windows, touched, step)
    people = people_of(covered.own, People(request.data_dir).read())
    found = Findings(scope, covered, people, collected, request.interim, request.with_rows)
    descriptor, name = tempfile.mkstemp(prefix=f"{files.TEMPORARY_PREFIX}{target.name}-", dir=target.parent)
    temporary = Path(name)
    try:
        with open(descriptor, "wb", buffering=_PIECE) as file:
            outer = HashingSink(file)
            with _plain(request.recipient, outer) as sink:
                _write(request, found, windows, sink, step)
            file.flush()
            os.fsync(file.fileno())
        made = ReturnMade(
            target,
            sink.sha256,
            outer.sha256 if request.recipient else "",
            sink.bytes,
            covered.size,
            tuple(order.id for order in scope.chain),
            collected.tally.rows,
            len(collected.files),
        )
        _enter(request, log, scope, made, collected)
        files.rename(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return made


@contextmanager
def _plain(recipient: Recipient | None, outer: HashingSink) -> Iterator[HashingSink]:
    """Where the plain bundle is written to: its end is the file, or the cipher before it."""
    if recipient is None:
        yield outer
    else:
        with recipient.encrypting(outer) as pipe:
            yield HashingSink(pipe)


def _enter(
    request: ReturnRequest, log: AuditLog, scope: Scope, made: ReturnMade, collected: Collected
) -> None:
    facts: dict[str, Any] = {"interim": request.interim, "with_rows": request.with_rows}
    if request.with_rows and not request.interim:  # one that can be delivered: purge asks what was in it
        facts["contents"] = keep_list(request.data_dir / "audit", collected.names_in_return())
    if request.recipient:
        facts |= {"encrypted_sha256": made.encrypted_sha256, "recipient": request.recipient.text}
    log.append(
        "returned",
        now_us(),
        operation=scope.operation,
        orders=list(made.orders),
        actor=request.actor,
        bundle_sha256=made.sha256,
        entries=made.entries,
        encrypted=request.recipient is not None,
        files=made.files,
        rows=made.rows,
        **facts,
    )


def _write(
    request: ReturnRequest, found: Findings, windows: Windows, sink: HashingSink, step: Callable[[int], None]
) -> None:
    """The whole bundle, from its first file to the signature."""
    tar = BundleTar(sink, f"return-{found.scope.first}", found.log.made_s)
    tar.add("README.txt", _readme(found, request.key).encode())
    tar.add("verify.py", Path(verifier.__file__).read_bytes())
    for day in found.collected.days:
        folder = day_directory(request.data_dir, day.day)
        for name in day.markers:
            path = folder / name
            tar.add_path(f"collected/{folder.name}/{name}", path, digest(path))
        for file in day.files:
            if request.with_rows and file.state == PRESENT and file.count and file.count.ours:
                file.included = _add_rows(tar, folder, file, windows)
            step(file.bytes if request.with_rows else 0)
    for digest_of_text in _texts(found):
        _add_text(tar, request.data_dir / "audit" / "texts", digest_of_text)
    for name, content in log_files(found.log, request.key):
        tar.add(name, content)
    document = record(found)
    tar.add("people.json", _json(found.people))
    tar.add("collected.json", _json(listing(found)))
    tar.add("record.json", _json(document))
    tar.add("summary.html", summary_page(document, listing(found)).encode())
    tar.close(lambda sha256: checkpoint(found.log, request.key, f"{verifier.SEAL_LINE}{sha256}\n"))


def _add_rows(tar: BundleTar, folder: Path, file: Any, windows: Windows) -> dict[str, Any]:
    """Put a segment's rows into the bundle; what collected.json says of it."""
    source = folder / file.name
    name = f"collected/{folder.name}/{file.name}"
    if file.count.ours == file.count.rows:
        tar.add_path(name, source, file.sha256)
        return {"path": name, "sha256": file.sha256, "bytes": file.bytes, "rows": file.rows, "extract": False}
    name = f"{name.removesuffix('.parquet')}-extract.parquet"
    with tempfile.TemporaryFile(dir=folder) as extract:  # without a name: it goes with this process
        rows = write_extract(source, windows, extract)
        size = extract.seek(0, io.SEEK_END)
        extract.seek(0)
        sha256 = tar.add_file(name, extract, size)
    return {"path": name, "sha256": sha256, "bytes": size, "rows": rows, "extract": True}


def _texts(found: Findings) -> list[str]:
    """The configuration texts that the shown entries name."""
    named = set()
    for entry in found.log.own:
        facts = entry.facts
        if entry.event == "started":
            named.add(facts["configuration"])
        elif entry.event == "operation_loaded":
            named |= {
                facts["configuration"],
                facts["answer"],
                *(item["sha256"] for item in facts["schedules"]),
            }
    return sorted(named)


def _add_text(tar: BundleTar, folder: Path, sha256: str) -> None:
    """A kept text in its plain form; read twice where it is compressed, since its length comes first."""
    path, packed = folder / sha256, folder / f"{sha256}.gz"
    if not path.exists() and not packed.exists():
        raise ReturnRefusedError([f"the configuration {sha256} is missing: restore audit/texts from a copy"])

    def opened() -> IO[bytes]:
        return path.open("rb") if path.exists() else gzip.open(packed, "rb")  # type: ignore[return-value]

    with opened() as text:
        size = sum(len(piece) for piece in iter(lambda: text.read(_PIECE), b""))
    with opened() as text:
        if tar.add_file(f"configuration/{sha256}", text, size) != sha256:
            raise ReturnRefusedError(
                [f"the configuration {sha256} has another content: restore audit/texts from a copy"]
            )


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=True) + "\n").encode("ascii")


def _readme(found: Findings, key: CheckpointKey) -> str:
    orders = ", ".join(order.id for order in found.scope.chain)
    interim = (
        "\nINTERIM: made while the order was in force, or before every day was sealed. The final return follows.\n"
        if found.interim
        else ""
    )
    return README.format(orders=orders, entries=found.log.size, interim=interim, key=key.verifier.text)


README = """\
RETURN TO THE COURT

Order(s): {orders}
Made by the collector's own program from its records, up to entry {entries} of its audit log.
UNDER SEAL (18 USC 3123(d)) until the court orders otherwise.
{interim}
WHAT IS HERE

  summary.html          Start here: one page in plain words. Any browser opens it; it needs no network.
  record.json           The record of 18 USC 3123(a)(3)(A): (i) officers, (ii) times, (iii) configuration, (iv) what
                        was collected.
  collected.json        Every file that was collected: name, SHA-256, size, rows, day, and what became of it.
  collected/            The files themselves (Apache Parquet), by day. "-extract" files hold this order's rows of a
                        file that others' rows share; both hashes are in collected.json. Each day's "sealed-" file
                        was made when the day was over and names its files.
  configuration/        The settings, operation files and schedules that were in force, each named by its SHA-256.
  audit/                The audit log as it stood, with the proof that nothing in it was changed. Entries about other
                        courts' orders are shown as their hashes only.
  people.json           Who stands behind the actor ids in the log.
  verify.py             Checks all of this.
  SHA256SUMS            The SHA-256 of every file; SHA256SUMS.checkpoint is the signature over it.

HOW TO CHECK IT

On any computer with Python 3.8 or newer, in this folder:

    python3 -I -S verify.py

It needs no network and installs nothing. It ends with HOLDS, or says what does not hold. It also takes the .tar:
python3 -I -S verify.py return.tar

The signature was made with this key. Compare the line with the one that the operator gives by another way (on paper, by
telephone), or give that one to the program:

    {key}
    python3 -I -S verify.py --key 'THE LINE THAT YOU WERE GIVEN'

WHAT THE ROWS SAY, AND WHAT NOT

Each row is one contact by a machine, somewhere behind the address that it names, with a listed name or service. An
address is not a machine and not a person: one address may hide many machines (a household, a company, a carrier's
NAT), and one machine may have many addresses in a day. Times are UTC, to the microsecond. Sources of datagrams
(source_trust "datagram") can be forged. No row holds any content of a communication.
"""
