"""A real Prometheus server, run on the configuration and rules as they are deployed, but faster."""

import json
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self

import yaml
from collectors import free_port
from rules_file import FOLDER, RULES


class Prometheus:
    """One server with one collector to scrape."""

    def __init__(
        self, folder: Path, target: str, token: str, *, rules: Path = RULES, every: str = "250ms"
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True)
        (folder / "secrets").mkdir()
        (folder / "secrets" / "pentrap-token").write_text(token + "\n")
        (folder / "rules").mkdir()
        (folder / "rules" / rules.name).write_text(rules.read_text())
        configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
        configuration["global"] = {
            "scrape_interval": every,
            "scrape_timeout": every,
            "evaluation_interval": every,
        }
        configuration["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))

    def __enter__(self) -> Self:
        with (self.folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self.folder}/prometheus.yml",
                    f"--storage.tsdb.path={self.folder}/tsdb",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                    "--log.level=warn",
                ],
                stdout=log,
                stderr=log,
            )
        self.until(lambda: self._get("/-/ready"), "it is not ready")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector that an expression gives now."""
        found = self._api("/api/v1/query", query=expression)
        if found["resultType"] == "scalar":
            return [{"metric": {}, "value": found["result"]}]
        return found["result"]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule as the server holds it."""
        return [rule for group in self._api("/api/v1/rules")["groups"] for rule in group["rules"]]

    def firing(self) -> dict[str, dict[str, Any]]:
        """Alerts that fire now, by name."""
        alerts = self._api("/api/v1/alerts")["alerts"]
        return {one["labels"]["alertname"]: one for one in alerts if one["state"] == "firing"}

    def names(self) -> set[str]:
        """Every metric that it has seen."""
        return set(self._api("/api/v1/label/__name__/values"))

    def until(self, condition: Any, what: str, seconds: float = 20.0) -> None:
        """Wait for something to be so."""
        end = time.monotonic() + seconds
        while True:
            try:
                if condition():
                    return
            except OSError:
                pass
            log = self.folder / "prometheus.log"
            assert time.monotonic() < end, (what, log.read_text()[-2000:])
            time.sleep(0.1)

    def _api(self, path: str, **words: str) -> Any:
        return json.loads(self._get(f"{path}?{urllib.parse.urlencode(words)}"))["data"]

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return answer.read()
