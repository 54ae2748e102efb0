"""What memory a collector takes: for a connection that is open and idle, and for a million check-ins.

idle        connections that have sent half a head, from hundreds of addresses: PSS of the worker (smaps_rollup in /proc) with
            none, some, many of them, divided by how many; the kernel's part likewise from /proc/slabinfo and sockstat, where
            both ends of a connection are ours, so half of it is the collector's
flat        the open-loop client at a steady rate until a million check-ins are recorded; RSS of worker and clerk twice a second
"""

import random
import socket
import statistics
import threading
import time
from pathlib import Path
from typing import Any

from bed.wrk import compile_c, run_openloop
from clients.targets import source_address
from collectors import Collector

from ordeals.world import DOMAINS, ROOT, make_collector, more_descriptors, roles, rows_of, start_whole

HALF_A_HEAD = (
    b"GET /gate.php?id=0123456789ab HTTP/1.1\r\nHost: evil-one.com\r\nUser-Agent: Mozilla/4.0 (compatible"
)
IDLE_KIB_MAX = 30.0
FLAT_KIB_MAX = 8 * 1024
"""Growth allowed between the second and the last quarter of the load: allocators' noise, far below 16 B a check-in."""


def pss_kib(pid: int) -> float:
    """Proportional set size."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    raise ValueError(pid)


def rss_kib(pid: int) -> int:
    """Resident set size."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def slabs_kib() -> float:
    """What the kernel's slabs of sockets and their files hold."""
    names = ("TCP", "TCPv6", "sock_inode_cache", "filp", "dentry", "tw_sock_TCP", "request_sock_TCP", "skbuff_head_cache",
             "skbuff_small_head", "eventpoll_epi", "eventpoll_pwq", "tcp_bind_bucket", "tcp_bind2_bucket")  # fmt: skip
    total = 0.0
    for line in Path("/proc/slabinfo").read_text().splitlines()[2:]:
        words = line.split()
        if words[0] in names:
            total += int(words[1]) * int(words[3]) / 1024
    return total


def sockstat_kib() -> int:
    """Bytes that TCP's buffers hold (`mem`, in pages)."""
    line = next(
        text for text in Path("/proc/net/sockstat").read_text().splitlines() if text.startswith("TCP:")
    )
    return int(line.split()[-1]) * 4


def open_idle(port: int, count: int, first: int) -> list[socket.socket]:
    """`count` connections that have said half of what they want to."""
    made = []
    for number in range(first, first + count):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind((source_address(number % 500), 0))
        sock.connect(("127.0.0.1", port))
        sock.sendall(HALF_A_HEAD)
        made.append(sock)
    return made


def idle(folder: Path, steps: tuple[int, ...] = (2000, 8000)) -> dict[str, Any]:
    """Memory for each open idle connection, at each step."""
    more_descriptors()
    collector, _ = make_collector(folder, intake__head_deadline_seconds=60)
    with collector:
        start_whole(collector)
        worker = _worker(collector)
        time.sleep(1.5)
        base = (pss_kib(worker), rss_kib(worker), slabs_kib(), sockstat_kib())
        socks: list[socket.socket] = []
        found = []
        for step in steps:
            socks += open_idle(collector.port, step - len(socks), len(socks))
            until = time.monotonic() + 20
            while collector.fates()["open"] < step and time.monotonic() < until:
                time.sleep(0.05)
            time.sleep(1.2)
            now = (pss_kib(worker), rss_kib(worker), slabs_kib(), sockstat_kib())
            user, resident, slabs, buffers = (
                (after - before) / step for after, before in zip(now, base, strict=True)
            )
            found.append(
                {
                    "connections": step,
                    "open": collector.fates()["open"],
                    "pss_kib_each": round(user, 2),
                    "rss_kib_each": round(resident, 2),
                    "kernel_slab_kib_each_half": round(slabs / 2, 2),
                    "kernel_buffer_kib_each": round(buffers, 2),
                }
            )
        for sock in socks:
            sock.close()
        collector.settled_fates(steps[-1])
        holds = all(
            step["open"] == step["connections"]
            and max(step["pss_kib_each"], step["rss_kib_each"])
            + step["kernel_slab_kib_each_half"] + step["kernel_buffer_kib_each"] <= IDLE_KIB_MAX
            for step in found
        )  # fmt: skip
        return {
            "holds": holds,
            "worker_pss_kib_without": base[0],
            "head_bytes": len(HALF_A_HEAD),
            "steps": found,
        }


def flat(folder: Path, *, count: int, rate: float, seed: int) -> dict[str, Any]:
    """Resident size over `count` check-ins."""
    program = compile_c(ROOT / "loadtest" / "openloop.c", ROOT / "loadtest" / "build")
    folder.mkdir(parents=True, exist_ok=True)
    hosts = folder / "hosts"
    rng = random.Random(seed)
    hosts.write_text("".join(f"b{rng.getrandbits(32):08x}.{rng.choice(DOMAINS)}\n" for _ in range(2000)))
    collector, _ = make_collector(folder, intake__durability="sync", segments__seal_seconds=5)
    samples: list[dict[str, float]] = []
    unbalanced: list[str] = []
    stopping = threading.Event()
    with collector:
        start_whole(collector)
        time.sleep(1)
        who = roles(collector)
        began = time.monotonic()

        def sample() -> None:
            while not stopping.wait(0.5):
                try:
                    done = collector.fates()["accepted"]
                except AssertionError as error:
                    unbalanced.append(str(error)[:300])
                    continue
                sizes = {name: rss_kib(pid) for name, pid in who.items()}
                samples.append({"seconds": round(time.monotonic() - began, 1), "check_ins": done} | sizes)

        thread = threading.Thread(target=sample)
        thread.start()
        counts = run_openloop(program, collector.port, rate, count / rate, hosts, {0, 1})
        stopping.set()
        thread.join()
        fates = collector.settled_fates(count)
        code = collector.stop(90)
        rows = len(rows_of(collector.data)) if count <= 200_000 else _rows(collector)
    growth = {name: _growth(samples, name) for name in ("worker-0", "clerk", "supervisor")}
    holds = (
        all(g["last_quarter_less_second_kib"] <= FLAT_KIB_MAX for g in growth.values())
        and rows == fates["recorded"]
        and code == 0
        and not unbalanced
    )
    return {
        "holds": holds,
        "equation_unbalanced": unbalanced,
        "check_ins": fates["accepted"],
        "rows": rows,
        "rate": rate,
        "seed": seed,
        "client": counts,
        "growth": growth,
        "samples": samples[:: max(1, len(samples) // 60)],
    }


def _rows(collector: Collector) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in collector.data.glob("segments/date=*/*.parquet"))


def _growth(samples: list[dict[str, float]], name: str) -> dict[str, float]:
    """Means of the second and the last quarter, and the slope over what lies between."""
    quarter = len(samples) // 4
    second, last = samples[quarter : 2 * quarter], samples[3 * quarter :]
    means = [statistics.fmean(s[name] for s in part) for part in (second, last)]
    later = samples[quarter:]
    slope, _ = statistics.linear_regression([s["check_ins"] for s in later], [s[name] for s in later])
    return {
        "second_quarter_kib": round(means[0]),
        "last_quarter_kib": round(means[1]),
        "last_quarter_less_second_kib": round(means[1] - means[0]),
        "slope_bytes_a_check_in": round(slope * 1024, 3),
        "largest_kib": max(s[name] for s in samples),
    }


def _worker(collector: Collector) -> int:
    until = time.monotonic() + 10
    while "worker-0" not in (found := roles(collector)) and time.monotonic() < until:
        time.sleep(0.05)
    return found["worker-0"]
