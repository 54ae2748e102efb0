"""The disk says no: answers go on, losses are counted to the unit, everything comes back by itself. In short."""

import os
import shutil
import signal
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ordeals import disk
from ordeals.world import audit, checks_in, journals_left, make_collector, roles, rows_of, start_whole

BACK_SECONDS = 10
"""After space has returned until everything must be as it was."""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@needs_root
@pytest.mark.parametrize("durability", ["write", "sync"])
def test_a_full_disk_costs_records_and_no_answers(tmp_path: Path, durability: str) -> None:
    """All are answered while the disk is full; listed = rows + dropped_disk exactly; recording resumes within 10 s."""
    found = disk.full(tmp_path, durability=durability, seed=5, seconds=1.5)
    assert found["holds"], found
    assert found["dropped_disk"] > 0
    assert found["said_not_recording_because"] == ["disk refuses"]


@needs_strace
@pytest.mark.parametrize(
    ("durability", "inject", "drops"),
    [
        ("sync", "fdatasync:error=EIO:when=7", False),
        ("sync", "fdatasync:error=EIO:when=7+", True),
        ("write", "write:error=ENOSPC:when=9+", True),
    ],
)
def test_a_descriptor_that_failed_is_never_trusted_again(
    tmp_path: Path, durability: str, inject: str, drops: bool
) -> None:
    """After a refused write or fdatasync nothing is written to or synced on that descriptor; the records in memory stand in
    the next file exactly once, or are counted as dropped_disk where that is refused too.
    """
    found = disk.refused(tmp_path, durability=durability, inject=inject, seed=6, seconds=1.2)
    assert found["holds"], found
    assert bool(found["dropped_disk"]) is drops


def test_the_check_for_trusted_descriptors_sees_one() -> None:
    """A trace in which a failed fdatasync is tried again on the same descriptor is told from one that closes it first."""
    failed = "fdatasync(22</d/s-0.journal>) = -1 EIO (Input/output error) (INJECTED)"
    again, written = "fdatasync(22</d/s-0.journal>) = 0", "write(22</d/s-0.journal>, ...) = 60"
    assert disk.trusted_again([failed, again]) == [again]
    assert disk.trusted_again([failed, written]) == [written]
    assert disk.trusted_again([failed, "close(22</d/s-0.journal>) = 0", again]) == []


@needs_root
def test_a_full_disk_takes_neither_the_clerk_nor_the_collector_along(tmp_path: Path) -> None:
    """On a full disk, datagrams that the kernel dropped and a reload are survived; an order that was terminated then is ended
    for records too once there is space again; the drops are on file.
    """
    with disk.small_disk(tmp_path / "disk") as place:
        collector, _ = make_collector(tmp_path, place / "data", intake__udp_receive_buffer_kb=64)
        with collector:
            start_whole(collector)
            before = roles(collector)
            disk.fill(place / "ballast")
            _burst_that_overflows(before["worker-0"], collector.udp_port)
            path = tmp_path / "operations" / "op.toml"
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            path.write_text(path.read_text().replace("officers =", f"terminated = {now}\nofficers ="))
            collector.reload()
            time.sleep(2.5)
            assert collector.process is not None
            assert collector.process.poll() is None, collector.log_file.read_text()
            assert roles(collector) == before, "a process was replaced"
            assert checks_in(collector.port)
            drops = collector.metrics()["pentrap_kernel_dropped_total{transport=udp}"]
            assert drops > 0
            (place / "ballast").unlink()
            until = time.monotonic() + BACK_SECONDS
            fates: dict[str, int] = {}
            while "suppressed_window" not in fates:
                assert time.monotonic() < until, fates
                assert checks_in(collector.port, host=b"evil-one.com")
                time.sleep(0.25)
                fates = collector.fates()
            assert len(audit(collector.data, "orders_loaded")) >= 2
            assert f'"udp": {int(drops)}' in (collector.data / "day-counts.json").read_text()
            assert collector.stop() == 0
            assert len(rows_of(collector.data)) == fates.get("recorded", 0)
            assert journals_left(collector.data) == []


def _burst_that_overflows(worker: int, port: int) -> None:
    os.kill(worker, signal.SIGSTOP)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _ in range(3000):
            sock.sendto(bytes(50), ("127.0.0.1", port))
    os.kill(worker, signal.SIGCONT)
