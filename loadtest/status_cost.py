"""What the status page costs: a render, a request, a polled second, and what the clerk does for it in each sealed minute.

    python loadtest/status_cost.py [--addresses 2000000] [--rows 51000] [--polls 20]

CPU time of this process for the parts; of the whole clerk, from /proc, while a running collector's page is asked for `polls`
times a second for ten seconds, beside ten seconds without. Writes loadtest/results/status-cost.json.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "manage")]

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from bed.bench_result import machine  # noqa: E402
from bed.process import tree_cpu_us  # noqa: E402
from collectors import exchange, get, running  # noqa: E402
from made_day import made_addresses  # noqa: E402
from ordeals.world import write_result  # noqa: E402
from status_world import WELL  # noqa: E402

from collector.exports.presence import Presence  # noqa: E402
from collector.ground.counters import Board  # noqa: E402
from collector.manage.status.concerns import document  # noqa: E402
from collector.manage.status.page import status_page  # noqa: E402
from collector.segments.text import address_texts  # noqa: E402
from collector.service.minute_counts import MINUTE_US, MinuteCounts  # noqa: E402

NOON_US = 1_795_348_800_000_000
POLL_SECONDS = 10


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--addresses", type=int, default=2_000_000, help="known to the head count")
    parser.add_argument("--rows", type=int, default=51_000, help="in a segment: 60 s at 850/s")
    parser.add_argument("--polls", type=int, default=20, help="requests a second")
    chosen = parser.parse_args()
    page = status_page(WELL)
    found = {
        "command": sys.argv,
        "machine": machine(),
        "page_bytes": len(page.encode()),
        "render_ms": median_ms(lambda: status_page(WELL), 200),
        "json_ms": median_ms(lambda: json.dumps(document(WELL)), 200),
    }
    with tempfile.TemporaryDirectory(prefix="pentrap-cost-") as folder:
        found |= minutes_cost(Path(folder)) | presence_cost(Path(folder), chosen.addresses, chosen.rows)
        found |= polled_cost(Path(folder) / "collector", chosen.polls)
    print(write_result("status-cost.json", found), file=sys.stderr)
    print(json.dumps(found, indent=1))
    return 0


def median_ms(act: Callable[[], object], times: int) -> float:
    """CPU milliseconds of one act."""
    spent = []
    for _ in range(times):
        began = time.process_time()
        act()
        spent.append(time.process_time() - began)
    return round(sorted(spent)[times // 2] * 1000, 3)


def minutes_cost(folder: Path) -> dict[str, float]:
    """A look at the board, and a full day's file."""
    minutes = MinuteCounts(folder / "minutes.json", Board(2))
    for minute in range(1440):
        minutes.note(NOON_US + minute * MINUTE_US, stopping=minute == 1439)
    now = NOON_US + 1439 * MINUTE_US
    return {
        "minutes_look_ms": median_ms(lambda: minutes.note(now), 500),
        "minutes_save_ms": median_ms(lambda: minutes.note(now, stopping=True), 50),
        "minutes_file_bytes": (folder / "minutes.json").stat().st_size,
    }


def presence_cost(folder: Path, addresses: int, rows: int) -> dict[str, float]:
    """Segments of a minute into a head count that knows so many addresses; and the count."""
    chance = np.random.default_rng(1)
    known = made_addresses(chance, addresses)
    presence = Presence(None)
    for part in np.array_split(np.arange(addresses), max(1, addresses // 200_000)):
        presence.take(segment(folder / "all.parquet", known[part], chance))
    one = segment(folder / "one.parquet", known[chance.integers(0, addresses, rows)], chance)
    return {
        "head_count_addresses": addresses,
        "segment_rows": rows,
        "segment_ms": median_ms(lambda: presence.take(one), 15),
        "count_ms": median_ms(lambda: presence.victims(NOON_US), 15),
        "head_count_bytes": int(presence._keys.nbytes + presence._seen.nbytes),  # noqa: SLF001
    }


def segment(path: Path, who: np.ndarray, chance: np.random.Generator) -> Path:
    """Encoded as segments are: few distinct addresses as a dictionary, else by their lengths."""
    families = np.array(["andromeda", "citadel", "tinba", "urlzone", "bolek"])
    texts = address_texts(np.ascontiguousarray(who).view(np.uint8).reshape(-1, 16))
    table = pa.table(
        {
            "timestamp": pa.array(np.full(len(who), NOON_US - MINUTE_US), pa.timestamp("us", "UTC")),
            "src_ip": texts,
            "family": families[chance.integers(0, len(families), len(who)) // 4],
        }
    )
    pq.write_table(
        table, path, compression="zstd", use_dictionary=["family"],
        column_encoding={"src_ip": "DELTA_LENGTH_BYTE_ARRAY"},
    )  # fmt: skip
    return path


def polled_cost(folder: Path, polls: int) -> dict[str, float]:
    """The clerk's CPU time, as a share of a core, with and without somebody who asks."""
    with running(folder) as made:
        for _ in range(50):
            exchange(made.port, get())
        time.sleep(3)
        clerk = max(pid for name, pid in made.pids().items() if name != "supervisor")
        before = tree_cpu_us(clerk)
        time.sleep(POLL_SECONDS)
        idle = tree_cpu_us(clerk) - before
        before = tree_cpu_us(clerk)
        for number in range(POLL_SECONDS * polls):
            until = time.monotonic() + 1 / polls
            made.get("/" if number % 2 else "/status.json")
            time.sleep(max(0.0, until - time.monotonic()))
        asked = tree_cpu_us(clerk) - before
    return {
        "polls_a_second": polls,
        "clerk_core_idle": round(idle / POLL_SECONDS / 1e6, 4),
        "clerk_core_polled": round(asked / POLL_SECONDS / 1e6, 4),
    }


if __name__ == "__main__":
    sys.exit(main())
