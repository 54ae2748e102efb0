"""The ledger: one CSV line for each check-in that was made, as its client saw it.

    number,kind,transport,src_ip,src_port,dst_ip,dst_port,begin_us,end_us,fate,domain,application,answered,how

`begin_us` is taken before connect (or send) and `end_us` after the answer's end, both UTC microseconds,
so a row's timestamp lies between them. `fate`, `domain` (empty: none) and `application` are what the
contract expects. `answered` is 1 where the contract's definition holds (answer bytes and FIN without
RST). `how` says how it ended: fin, rst, timeout, refused, sent (a datagram: never answered). Beside the
file stands `<file>.json`: seed, command, counts, lateness, and the collector's counters before and after.

Limit: lines are in memory until 256 KiB are together; a killed client's ledger lacks its last ones.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from clients.plan import CheckIn

COLUMNS = (
    "number,kind,transport,src_ip,src_port,dst_ip,dst_port,begin_us,end_us,"
    "fate,domain,application,answered,how"
)
BUFFER_BYTES = 256 * 1024
ALERT = bytes.fromhex("15030100020228")
"""What TLS gets: fatal alert, handshake_failure."""


class Entry(NamedTuple):
    """One line."""

    number: int
    kind: str
    transport: str
    src_ip: str
    src_port: int
    dst_ip: str
    dst_port: int
    begin_us: int
    end_us: int
    fate: str
    domain: str | None
    application: str
    answered: bool
    how: str


class Ledger:
    """Writes entries."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = path.open("w", buffering=BUFFER_BYTES)
        self._file.write(COLUMNS + "\n")

    def write(self, c: CheckIn, port: int, times_us: tuple[int, int], answered: bool, how: str) -> None:
        fate, domain, application = c.expected
        transport, host, dst_port, _ = c.target
        self._file.write(
            f"{c.number},{c.kind},{transport},{c.source},{port},{host},{dst_port},{times_us[0]},{times_us[1]},"
            f"{fate},{domain or ''},{application},{answered:d},{how}\n"
        )

    def close(self) -> None:
        self._file.close()


def read_ledger(path: Path) -> Iterator[Entry]:
    """The entries of a ledger file."""
    with path.open(newline="") as file:
        lines = csv.reader(file)
        if (found := ",".join(next(lines, []))) != COLUMNS:
            raise ValueError(f"{path}: line 1: found {found!r}, expected {COLUMNS!r}")
        for f in lines:
            yield Entry(
                int(f[0]), f[1], f[2], f[3], int(f[4]), f[5], int(f[6]), int(f[7]), int(f[8]),
                f[9], f[10] or None, f[11], f[12] == "1", f[13],
            )  # fmt: skip


def whole_http(answer: bytes) -> bool:
    """Whether an answer is one whole HTTP response: status line, head, and exactly its Content-Length."""
    first, found, body = answer.partition(b"\r\n\r\n")
    if not found or not first.startswith(b"HTTP/1.1 "):
        return False
    for line in first.split(b"\r\n")[1:]:
        field, _, value = line.partition(b":")
        if field.strip().lower() == b"content-length":
            return value.strip().isdigit() and int(value) == len(body)
    return not body


def answered(application: str, answer: bytes, how: str) -> bool:
    """The contract's definition of *answered*."""
    if how != "fin":
        return False
    if application == "http":
        return whole_http(answer)
    return answer == (ALERT if application == "tls" else b"")
