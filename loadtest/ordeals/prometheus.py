"""A real Prometheus (Debian's) within a container's network: it scrapes, and is asked what it saw."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

ADDRESS = "127.0.0.1:9090"
CONFIG = """global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: pentrap
    static_configs: [{targets: ["127.0.0.1:9464"]}]
"""
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


class Prometheus:
    """One that runs in the network namespace `network`."""

    def __init__(self, network: str) -> None:
        self._within = ["nsenter", f"--net={network}"]

    @contextlib.contextmanager
    def running(self, folder: Path) -> Iterator[None]:
        """While it scrapes once a second; what it keeps goes below `folder`."""
        folder.mkdir()
        (folder / "prometheus.yml").write_text(CONFIG)
        command = [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/metrics",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*self._within, *command, f"--web.listen-address={ADDRESS}"], stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    def value(self, expression: str) -> float | None:
        """What an expression that gives one number gives now; None while there is none."""
        address = f"http://{ADDRESS}/api/v1/query?query={quote(expression)}"
        done = subprocess.run(
            [*self._within, sys.executable, "-c", ASK, address], capture_output=True, text=True, check=False
        )
        found = json.loads(done.stdout)["data"]["result"] if done.returncode == 0 else []
        return float(found[0]["value"][1]) if found else None

    def wait(self, expression: str, wanted: float, seconds: float = 20.0) -> float | None:
        """Its value, once it is as wanted, or the last one seen."""
        until = time.monotonic() + seconds
        while (value := self.value(expression)) != wanted and time.monotonic() < until:
            time.sleep(0.5)
        return value
