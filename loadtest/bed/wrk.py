"""The clients of the bench: wrk (closed loop) and openloop.c (open loop), each pinned to a core."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SLACK_SECONDS = 60


class MissingError(RuntimeError):
    """A program of the bench is not installed."""


def need(program: str, package: str) -> str:
    """The program's path."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise MissingError(f"{program} is missing; on Debian: apt-get install {package}")
    return found


def pinned(cpus: set[int]) -> Any:
    """What a child does first: stay on these cores."""
    return lambda: os.sched_setaffinity(0, cpus)


def run_wrk(port: int, connections: int, seconds: float, hosts: Path, cpus: set[int]) -> dict[str, int]:
    """Wrk with one thread and `Connection: close`; its own counts."""
    words = [need("wrk", "wrk"), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s"]
    words += ["-s", str(HERE / "wrk.lua"), f"http://127.0.0.1:{port}/", "--", str(hosts)]
    done = subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=seconds + SLACK_SECONDS,
        check=True,
        preexec_fn=pinned(cpus),
    )
    counts: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    return counts


@contextlib.contextmanager
def profiled(cpus: set[int], report: Path | None) -> Iterator[None]:
    """Sample everything that runs on the server's core with perf, for the time of the block; None: do nothing."""
    if report is None:
        yield
        return
    sheet = report.with_suffix(".perf")
    cores = ",".join(map(str, sorted(cpus)))
    words = [need("perf", "linux-perf"), "record", "-q", "-F", "997", "-C", cores, "-o", str(sheet)]
    recorder = subprocess.Popen(words)
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    told = ""
    for how in (["--sort", "comm,dso"], ["--sort", "comm,dso,symbol", "--percent-limit", "0.4"]):
        words = ["perf", "report", "-i", str(sheet), "--stdio", "--no-children", *how]
        told += subprocess.run(words, capture_output=True, text=True, check=False).stdout
    report.write_text("\n".join(line.rstrip() for line in told.splitlines() if line.strip("# \t")) + "\n")
    sheet.unlink()


def compile_c(source: Path, build: Path) -> Path:
    """`cc -O2`, when the source is newer than what was built."""
    program = build / source.stem
    build.mkdir(parents=True, exist_ok=True)
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        compiler = need("cc", "gcc libc6-dev")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-o", str(program), str(source)], check=True)
    return program


def run_openloop(
    program: Path, port: int, rate: float, seconds: float, hosts: Path, cpus: set[int]
) -> dict[str, float]:
    """The open-loop client; latencies count from the planned start."""
    done = subprocess.run(
        [str(program), str(port), f"{rate:g}", f"{seconds:g}", str(hosts)],
        capture_output=True,
        text=True,
        timeout=seconds + SLACK_SECONDS,
        check=True,
        preexec_fn=pinned(cpus),
    )
    counts: dict[str, float] = json.loads(done.stdout)
    return counts
