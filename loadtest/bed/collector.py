"""The collector under test: started on a site, ready and recording, stopped cleanly."""

import sys
import time
from pathlib import Path

from clients.metrics import scrape

from bed.process import Process, StartError, wait_for
from bed.site import Site

READY_SECONDS = 180.0
"""The index of 2.4 million domains may take 30 s to build, on a busy machine more."""


def command() -> list[str]:
    """`pentrap`, as this Python's environment has it."""
    installed = Path(sys.executable).parent / "pentrap"
    if installed.exists():
        return [str(installed)]
    return [sys.executable, "-c", "import sys; from collector.cli import main; sys.exit(main())"]


def start(site: Site, cpus: set[int] | None = None, program: Path | None = None) -> Process:
    """`pentrap serve`, returned once it answers and records; `program`: another checkout's."""
    process = Process(
        [*([str(program)] if program else command()), "serve", "--config", str(site.config)],
        site.config.parent / "serve.log",
        cpus,
    )
    try:
        _wait_until_recording(process, site)
    except BaseException:  # Ctrl-C included: nobody else knows of the process yet
        process.kill()
        raise
    return process


def _wait_until_recording(process: Process, site: Site) -> None:
    wait_for(process, f"http://{site.manage}/readyz", READY_SECONDS)
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.alive():
        if scrape(site.metrics).get("recording") == 1:
            return
        time.sleep(0.05)
    raise StartError(f"ready but never recording:\n{process.tail()}")
