"""What tests of the audit room share: a key, a log with some of each kind of entry, and a program to run aside."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.audit import texts
from collector.audit.key import CheckpointKey
from collector.audit.log import AuditLog
from collector.audit.note import Verifier

ROOT = Path(__file__).resolve().parents[2]
NOON_US = 1_795_348_800_000_000
"""2026-11-22T12:00:00Z"""
PETER = Verifier.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
"""The published example key of golang.org/x/mod/sumdb/note."""
PETER_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
PETER_LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"


def key_of(seed: int = 1, sensor: str = "sinkhole-1") -> CheckpointKey:
    """A key that is always the same for the same seed."""
    return CheckpointKey(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32), sensor)


def fill(log: AuditLog, count: int, first: int = 0) -> None:
    """Append `count` small entries that all differ."""
    for number in range(first, first + count):
        log.append("configuration_refused", NOON_US + number, problems=number)


def story(directory: Path, key: CheckpointKey | None, count: int) -> AuditLog:
    """A log of `count` entries: an installation, a start, an operation with texts, then officers at work."""
    log = AuditLog(directory, key)
    who = {"sensor": "sinkhole-1", "version": "0.1.0", "actor": "p-00000001"}
    log.append("installed", NOON_US, **who)
    settings = texts.keep(directory, b"data_dir = '../data'\n")
    vkey = key.verifier.text if key else ""
    log.append(
        "started", NOON_US + 1, **who, configuration=settings, overrides={}, previous="none", vkey=vkey
    )
    log.append(
        "operation_loaded",
        NOON_US + 2,
        operation="avalanche",
        configuration=texts.keep(directory, b"operation = 'avalanche'\n"),
        schedules=[{"file": "a.csv", "sha256": texts.keep(directory, b"domain,family\n" * 6000)}],
        answer=texts.keep(directory, b"HTTP/1.1 200 OK\r\n\r\n"),
    )
    for number in range(log.size, count):
        moment = NOON_US + number * 1_000_000
        if number % 3:
            log.append("configuration_refused", moment, problems=number)
        else:
            reason = f"review {number}, M\u00fcnchen"
            facts = {"operation": "avalanche", "order": "avalanche-1", "actor": "p-00000001"}
            log.append("hold_set", moment, **facts, reason=reason)
    return log


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def python(program: str, *arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """A program of its own, with this checkout's collector."""
    return subprocess.Popen(
        [*before, sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def let_go(running: list[subprocess.Popen[str]]) -> list[tuple[str, str]]:
    """Programs that said they are ready and wait for a line go on all at once; what each then said, and its complaints."""
    for one in running:
        assert one.stdout.readline() == "ready\n"
    for one in running:
        one.stdin.write("\n")
        one.stdin.flush()
    return [one.communicate(timeout=60) for one in running]


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes (EFBIG, from the kernel)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
