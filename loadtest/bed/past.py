"""The last day of a collector that has just been started, as it would have left it: segments and check-ins by minute.

Made, not captured; written by the collector's own code under its own rules, so that what reads them reads what it always reads.
The same seed makes the same past, but for the hour of the day.
"""

import math
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from made_day import made_addresses

from collector.ground.codes import Application, Fate, Kind, Transport, Trust
from collector.ground.counters import FATE_0, Board
from collector.ground.record import IPV4_PREFIX, VOLUME_NONE
from collector.orders.index import MARKER
from collector.orders.rules import Rules
from collector.segments.table import ROW
from collector.segments.write import write_segments
from collector.service.loader import current
from collector.service.minute_counts import MINUTE_US, MINUTES_KEPT, MinuteCounts

STEP_MINUTES = 10
"""A segment of the past holds so many."""
WORKER = 9
"""Whose streams they are: no worker of the collector that runs."""
COUNTRIES = {
    5: "IN", 24: "IN", 31: "IN", 46: "ID", 62: "ID", 77: "VN", 80: "VN", 91: "BR",
    109: "TR", 178: "RU", 186: "MX", 201: "EG", 127: "DE",
}  # fmt: skip
"""By the first octet of made addresses, and of the fleet's."""


def tide(minute: int) -> float:
    """How busy a minute of the day is, beside the mean: most so in the afternoon."""
    return 1 + 0.35 * math.sin((minute % 1440 - 480) / 1440 * 2 * math.pi)


def write_past(
    data: Path, sensor: str, rate: float, addresses: int, seed: int, *, gap: range = range(0)
) -> None:
    """A day that ends now with `rate` recorded check-ins a minute; in the minutes `gap`, counted back, no collector ran.

    Only while no collector runs on `data`, and after one has: its rules are taken.
    """
    chance = np.random.default_rng(seed)
    rules = Rules.load(data / "rules", current(data / "rules"))
    now = time.time_ns() // 1000 // MINUTE_US
    mean = rate / tide(now)
    counts = chance.poisson([mean * tide(minute) for minute in range(now - MINUTES_KEPT + 1, now + 1)])
    counts[[MINUTES_KEPT - 1 - back for back in gap]] = 0
    counts[-1] = 0
    _segments(data, sensor, rules, counts, made_addresses(chance, addresses), chance)
    board = Board(1)
    minutes = MinuteCounts(data / "minute-counts.json", board)
    board_counts = board.workers[0].counts
    for place, count in enumerate(counts[:-1]):
        if MINUTES_KEPT - 1 - place in gap:
            continue
        board_counts[FATE_0 + Fate.RECORDED] += int(count)
        board_counts[FATE_0 + Fate.SUPPRESSED_SCOPE] += int(chance.poisson(count * 0.13))
        board_counts[FATE_0 + Fate.REJECTED_PARSE] += int(chance.poisson(count * 0.05))
        board_counts[FATE_0 + Fate.REJECTED_SILENT] += int(chance.poisson(count * 0.02))
        board.workers[0].publish()
        minutes.note((now - MINUTES_KEPT + 1 + place) * MINUTE_US, stopping=place == MINUTES_KEPT - 2)
    rules.close()


def _segments(
    data: Path, sensor: str, rules: Rules, counts: np.ndarray, known: np.ndarray, chance: np.random.Generator
) -> None:
    """Each address has one family, and asks for that family's domains."""
    terms = np.asarray(rules.index.terms_of_rows)
    listed = np.flatnonzero(terms != MARKER)
    family_of_row = np.asarray(rules.index.families_of_terms)[terms[listed]]
    listed = listed[np.argsort(family_of_row, kind="stable")]
    sizes = np.bincount(family_of_row)
    begins_of = np.cumsum(sizes) - sizes
    shares = 1 / np.arange(1, len(sizes) + 1) ** 1.4
    family_of = chance.choice(len(sizes), len(known), p=shares / shares.sum())
    now = time.time_ns() // 1000 // MINUTE_US
    order = next(
        number for number, one in enumerate(rules.orders) if one.starts_us <= now * MINUTE_US < one.ends_us
    )
    streams: dict[int, int] = {}
    for first in range(0, MINUTES_KEPT, STEP_MINUTES):
        begins = (now - MINUTES_KEPT + 1 + first) * MINUTE_US
        for day, part in _by_day(begins, counts[first : first + STEP_MINUTES]):
            times = np.concatenate(
                [start + np.sort(chance.integers(0, MINUTE_US, count)) for start, count in part]
            )
            if not len(times):
                continue
            rows = np.zeros(len(times), ROW)
            rows["time_us"] = times
            who = np.minimum(chance.pareto(0.7, len(times)) * len(known) / 40, len(known) - 1).astype(int)
            family = family_of[who]
            rows["src"] = known[who]
            rows["dst"] = np.frombuffer(IPV4_PREFIX + bytes([192, 0, 2, 10]), "V16")[0]
            rows["subject"] = listed[
                begins_of[family] + (chance.random(len(times)) * sizes[family]).astype(int)
            ]
            rows["bytes_in"], rows["order"] = VOLUME_NONE, order
            rows["src_port"], rows["dst_port"] = chance.integers(1024, 65536, len(times)), 80
            rows["transport"], rows["application"] = Transport.TCP, Application.HTTP
            rows["trust"], rows["kind"] = Trust.HANDSHAKE, Kind.DOMAIN
            number = streams.get(day, 0)
            write_segments(
                data, rows.tobytes(), number, f"{sensor}.{WORKER}.{day * 86_400_000_000:016d}", rules
            )
            streams[day] = number + len(times)


def _by_day(begins: int, counts: np.ndarray) -> Iterable[tuple[int, list[tuple[int, int]]]]:
    """(day, [(first microsecond of a minute, count)]): a stream's day ends at midnight."""
    days: dict[int, list[tuple[int, int]]] = {}
    for place, count in enumerate(counts):
        start = begins + place * MINUTE_US
        days.setdefault(start // 86_400_000_000, []).append((start, int(count)))
    return days.items()
