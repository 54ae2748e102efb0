"""What the bench concludes from its rounds: medians, ratios of each round, the machine they hold for."""

import os
import platform
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMED = ("floor", "nginx_parquet", "pentrap_write", "pentrap_sync")
"""What bench-latest.json must name (contract: `make bench`)."""
RATIOS = (
    ("pentrap_write / nginx_parquet", "pentrap_write", "nginx_parquet", 0.90, 0.80),
    ("pentrap_write / floor", "pentrap_write", "floor", 1.55, 1.30),
    ("pentrap_write / floor_one_segment", "pentrap_write", "floor_one_segment", None, None),
    ("pentrap_sync / nginx_parquet_512", "pentrap_sync", "nginx_parquet_512", 1.00, None),
    ("pentrap_write / before_write", "pentrap_write", "before_write", None, None),
    ("pentrap_sync / before_sync", "pentrap_sync", "before_sync", None, None),
)
"""Name, numerator, denominator, figure to reach, aim; None: told, no figure set."""
Round = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]


def median_of(rounds: list[Round], name: str, what: str) -> float | None:
    values = [row[name][what] for row in rounds if name in row]
    return round(statistics.median(values), 3) if values else None


def summarise(rounds: list[Round]) -> dict[str, object]:
    """Medians by subject."""
    names = list(dict.fromkeys(name for row in rounds for name in row))
    net = {name: median_of(rounds, name, "net") for name in (*NAMED, *names)}
    return {
        "cpu_us_per_checkin": net,
        "cpu_us_per_checkin_gross": {name: median_of(rounds, name, "gross") for name in names},
        "meaning": "CPU time, user and system, of the whole process tree from readiness to its own end after "
        "SIGTERM (nginx: plus DuckDB turning its log into Parquet), divided by the check-ins that the server "
        "itself recorded; net: less the same subject's baseline (one check-in, same wait), gross: nothing less",
    }


def ratios(rounds: list[Round]) -> list[dict[str, object]]:
    """Medians of each round's ratio, with the extremes, and whether the figure is reached."""
    found: list[dict[str, object]] = []
    for name, above, below, figure, aim in RATIOS:
        for what in ("net", "gross"):
            values = [r[above][what] / r[below][what] for r in rounds if above in r and below in r]
            if values:
                middle = statistics.median(values)
                reached = None if figure is None else middle <= figure
                found.append({
                    "ratio": name, "of": what, "median": round(middle, 3), "min": round(min(values), 3),
                    "max": round(max(values), 3), "figure": figure, "aim": aim, "reached": reached,
                })  # fmt: skip
    return found


def first_line(words: list[str]) -> str:
    """What a program says about itself, or that it is not there."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    except OSError:
        return "missing"
    return next(iter((done.stdout + done.stderr).splitlines()), "")


def machine() -> dict[str, object]:
    """Where and with what it was measured."""
    cpu = next((line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor())  # fmt: skip
    return {
        "machine": {
            "cpu": cpu,
            "cores": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
            "kernel": platform.release(),
            "load_average": [round(value, 2) for value in os.getloadavg()],
        },
        "versions": {
            "python": platform.python_version(),
            "nginx": first_line(["nginx", "-v"]),
            "wrk": first_line(["wrk", "-v"]),
        },
        "revision": first_line(["git", "describe", "--always", "--dirty"]),
        "command": sys.argv,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(result: dict[str, Any]) -> None:
    """The table for people."""
    rounds, gross = result["rounds"], result["cpu_us_per_checkin_gross"]
    print(
        f"\n{'CPU a check-in, µs (medians)':<30}{'net':>8}{'gross':>8}{'in load':>9}{'per s':>9}{'p99 ms':>8}{'agree':>7}"
    )
    for name, value in result["cpu_us_per_checkin"].items():
        if value is None:
            continue
        clients = [row[name]["client"] for row in rounds]
        speed = statistics.median(c["requests"] / (c["microseconds"] / 1e6) for c in clients)
        during = statistics.median(row[name]["during_load"] for row in rounds)
        slow = statistics.median(c["p99_us"] for c in clients) / 1000
        agree = sum(row[name]["counts_agree"] for row in rounds)
        print(
            f"{name:<30}{value:>8.2f}{gross[name]:>8.2f}{during:>9.2f}{speed:>9,.0f}{slow:>8.1f}{agree:>5}/{len(rounds)}"
        )
    for row in result["ratios"]:
        state = ""
        if row["figure"] is not None:
            state = f"figure {row['figure']:.2f}: {'reached' if row['reached'] else 'MISSED'}"
        print(
            f"{row['ratio']:<34}{row['of']:<6}{row['median']:>7.3f} ({row['min']:.3f} … {row['max']:.3f})"
            f"  {state}"
        )
    for name, row in result["open_loop"].items():
        client = row["client"]
        print(
            f"open loop {name:<22} net {row['net']:>7.2f} µs  answered {client['answered']:,} of "
            f"{client['planned']:,}  p50 {client['p50_us'] / 1000:.1f} ms  p99 {client['p99_us'] / 1000:.1f} ms"
        )
    print(
        f"{result['domains']:,} domains on the schedule; revision {result['revision']}; {result['machine']}"
    )
