"""A day of segments, made: what a collector leaves in `segments/` after a day, with as many events and addresses as asked for.

    python loadtest/made_day.py FOLDER [--events N] [--addresses N] [--seed N]

Every address checks in at a moment of its own, at a rate of its own (a long tail: some machines ask every minute, most a few
times a day), for the domains of one week of one family. Three addresses in a hundred are IPv6. Two workers, one segment a
minute each, as `[segments] seal_seconds = 60` gives. Nothing is captured. The same seed makes the same rows.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "loadtest")]

import numpy as np  # noqa: E402
from segment_size import made_rules  # noqa: E402

from collector.ground.codes import Application, Transport, Trust  # noqa: E402
from collector.ground.record import IPV4_PREFIX, VOLUME_NONE  # noqa: E402
from collector.segments.catalogue import seal_day  # noqa: E402
from collector.segments.table import ROW  # noqa: E402
from collector.segments.write import write_segments  # noqa: E402

DAY = date(2026, 11, 21)
SENSOR = "sinkhole-1"
DOMAINS = 16_800
WORKERS = 2
MINUTES = 1440
US = 1_000_000


def day_start_us(day: date = DAY) -> int:
    """The first microsecond of a day."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * US


def made_addresses(chance: np.random.Generator, count: int) -> np.ndarray:
    """`count` different addresses as 16 bytes each."""
    octets = np.zeros((count, 16), np.uint8)
    six = np.arange(count) % 33 == 0
    octets[:, :12] = np.frombuffer(IPV4_PREFIX, np.uint8)
    octets[:, 12:] = (
        chance.choice(1 << 24, count, replace=False).astype(">u4").view(np.uint8).reshape(-1, 4)
        if count <= 1 << 24
        else 0
    )
    octets[:, 12] = chance.choice(
        np.array([5, 24, 31, 46, 62, 77, 80, 91, 109, 178, 186, 201], np.uint8), count
    )
    octets[six, :4] = (0x20, 0x01, 0x0D, 0xB8)
    octets[six, 4:12] = chance.integers(0, 256, (int(six.sum()), 8), np.uint8)
    return octets.view("V16").ravel()


def make(
    folder: Path,
    events: int,
    addresses: int,
    seed: int,
    day: date = DAY,
    schedule: tuple[Any, np.ndarray] | None = None,
    taken: Callable[[np.ndarray, np.ndarray, np.ndarray], None] = lambda _subjects, _who, _at: None,
) -> Any:
    """Write the day's segments and its marker below `folder`; the rules that they were made with.

    `schedule`: rules, and the rows of their index that are asked for; left out, some are made. `taken` is told each segment's
    subjects, number of the address and time, microseconds.
    """
    chance = np.random.default_rng(seed)
    made = made_rules(chance, DOMAINS) if schedule is None else None
    rules, subjects = schedule or (made, np.arange(DOMAINS))
    known = made_addresses(chance, addresses)
    rates = chance.pareto(1.5, addresses) + 0.2
    weights = np.cumsum(rates / rates.sum())
    start = day_start_us(day)
    streams = [f"{SENSOR}.{worker}.{start - 3600 * US}" for worker in range(WORKERS)]
    first = [0] * WORKERS
    per_piece = np.diff(np.linspace(0, events, MINUTES * WORKERS + 1).astype(np.int64))
    for piece, count in enumerate(per_piece):
        minute, worker = divmod(piece, WORKERS)
        rows = np.zeros(int(count), ROW)
        at = np.sort(chance.integers(0, 60 * US, int(count)))
        rows["time_us"] = start + minute * 60 * US + at
        who = np.minimum(np.searchsorted(weights, chance.random(int(count))), addresses - 1)
        rows["src"] = known[who]
        dst = np.zeros((int(count), 16), np.uint8)
        dst[:, :12] = np.frombuffer(IPV4_PREFIX, np.uint8)
        dst[:, 12:] = (192, 0, 2, 10)
        rows["dst"] = dst.view("V16").ravel()
        asked = (who.astype(np.int64) * 7919 + chance.integers(0, 50, int(count))) % len(subjects)
        rows["subject"] = subjects[asked]
        rows["src_port"] = chance.integers(1024, 65536, int(count))
        kinds = chance.random(int(count))
        rows["dst_port"] = np.where(kinds < 0.9, 80, 443)
        rows["application"] = np.where(kinds < 0.9, Application.HTTP, Application.TLS)
        rows["transport"] = Transport.TCP
        rows["trust"] = Trust.HANDSHAKE
        rows["bytes_in"] = np.where(kinds < 0.5, chance.integers(60, 800, int(count)), VOLUME_NONE)
        taken(rows["subject"], who, rows["time_us"])
        write_segments(folder, rows.tobytes(), first[worker], streams[worker], rules)
        first[worker] += int(count)
    seal_day(folder, SENSOR, day, sealed_at=datetime.now(UTC), kernel_dropped={"tcp": 0, "udp": 0})
    return rules


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--addresses", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    make(chosen.folder, chosen.events, chosen.addresses, chosen.seed)


if __name__ == "__main__":
    main()
