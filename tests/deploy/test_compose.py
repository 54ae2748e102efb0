"""The compose file: the compose specification's schema takes it, and each service has no more than it needs."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from deployment import DEPLOY, documents, seconds, settings, stop_seconds_max

FILE = DEPLOY / "compose.yaml"
SERVICES: dict[str, Any] = documents(FILE)[0]["services"]
OUTSIDE = re.compile(r"\$\{([A-Z_]+):([-?])([^}]*)\}")


def test_the_schema_takes_it(tmp_path: Path) -> None:
    """The compose specification's own, and it would not take a word that it does not know."""
    command = [Path(sys.executable).parent / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*command, FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    broken = tmp_path / "compose.yaml"
    broken.write_text(FILE.read_text().replace("read_only:", "read_onli:"))
    assert subprocess.run([*command, broken], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_shut_in(name: str) -> None:
    """Read-only, not root, no capability, none to be gained; a tag that does not move."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["user"].partition(":")[0]) > 0
    (_, _, image) = OUTSIDE.match(service["image"]).groups()
    assert re.search(r":v?\d+\.\d+\.\d+$", image)


def test_the_collector_keeps_sources_and_has_its_time_to_stop() -> None:
    """The host's network, since a published port would hide addresses; a grace that suffices; the image's own check."""
    collector = SERVICES["collector"]
    assert collector["network_mode"] == "host"
    assert "ports" not in collector
    assert seconds(collector["stop_grace_period"]) >= stop_seconds_max()
    recipe = (DEPLOY / "Containerfile").read_text()
    check = collector["healthcheck"]
    assert json.dumps(check["test"][1:]) in recipe
    assert f"--start-period={int(seconds(check['start_period']))}s --retries={check['retries']}" in recipe
    assert collector["user"] in recipe


def test_what_the_production_settings_name_is_mounted() -> None:
    """data_dir is the volume; /etc/pentrap, which holds all else, is read-only."""
    targets = dict(volume.rsplit(":", 2)[-2:] if volume.endswith(":ro") else (volume.partition(":")[2], "rw")
                   for volume in (re.sub(OUTSIDE, "x", text) for text in SERVICES["collector"]["volumes"]))  # fmt: skip
    assert targets == {"/etc/pentrap": "ro", settings("pentrap.production.toml")["data_dir"]: "rw"}


def test_metrics_and_dashboards_are_shown_to_this_host_only() -> None:
    """Both listen on loopback, and Grafana has no password that everybody knows."""
    assert "--web.listen-address=127.0.0.1:9090" in SERVICES["prometheus"]["command"]
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert OUTSIDE.match(environment["GF_SECURITY_ADMIN_PASSWORD"])[2] == "?"


def test_grafana_finds_its_source_and_its_dashboards() -> None:
    """What is provisioned is where compose mounts it, and the data source is the Prometheus beside it."""
    (source,) = documents(DEPLOY / "grafana/provisioning/datasources/prometheus.yaml")[0]["datasources"]
    assert (source["uid"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    (provider,) = documents(DEPLOY / "grafana/provisioning/dashboards/pentrap.yaml")[0]["providers"]
    mounted = {
        text.split(":")[1]: text.split(":")[0]
        for text in SERVICES["grafana"]["volumes"]
        if text.endswith(":ro")
    }
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"


def test_prometheus_reaches_the_collector_by_the_name_that_its_own_file_uses() -> None:
    """Each target is a name that compose maps to loopback, at the production settings' port; its token is mounted."""
    job = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"][0]
    names = dict(text.split(":") for text in SERVICES["prometheus"]["extra_hosts"])
    port = settings("pentrap.production.toml")["manage"]["listen"].rpartition(":")[2]
    for target in (target for part in job["static_configs"] for target in part["targets"]):
        host, _, at = target.rpartition(":")
        assert (names.get(host, host), at) == ("127.0.0.1", port)
    token = f"/etc/prometheus/{job['authorization']['credentials_file']}"
    assert [text for text in SERVICES["prometheus"]["volumes"] if text.endswith(f":{token}:ro")]
