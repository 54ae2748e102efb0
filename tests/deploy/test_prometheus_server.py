"""A running collector, scraped by a real Prometheus server: rules load and evaluate, the dashboard's queries return data."""

import http.client
import json
import math
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from collectors import PENTRAP, Collector, exchange, get, write_operation
from prometheus_server import Prometheus
from rules_file import DASHBOARD, alerts, metrics_in

pytestmark = pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Debian's prometheus")

TOKEN = "a-token-of-the-operator-0123456789"
PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
EMPTY = {"offset 1w": "this server is younger than a week"}
"""Parts of the dashboard's queries that return nothing here, and why."""


class Guarded(Collector):
    """Its management address is one that others can reach, so it wants the token."""

    def write_config(self) -> None:
        (self.folder / "token").write_text(TOKEN + "\n")
        self.settings |= {"manage.listen": f"0.0.0.0:{self.manage_port}", "manage.token_file": "token"}
        super().write_config()

    def get(self, path: str) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.manage_port}{path}")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()


def command(made: Collector, *words: str) -> str:
    done = subprocess.run([PENTRAP, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_in(made: Collector, stopping: threading.Event) -> None:
    """Check-ins of every kind until told to stop."""
    heads = (get(), get(b"unlisted.example"), b"\x16\x03\x01\0\x05hello", b"EHLO evil-one.com\r\n")
    while not stopping.wait(0.01):
        for head in heads:
            exchange(made.port, head, finish=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("127.0.0.1", made.udp_port))


@pytest.fixture(scope="module")
def scraped(tmp_path_factory) -> Iterator[SimpleNamespace]:
    """A collector with a day exported to a partner that fetched it, under load, and its Prometheus, some seconds old."""
    folder = tmp_path_factory.mktemp("scraped")
    made = Guarded(
        folder / "collector", settings={"export.unfinished_days": True, "intake.disk_reserve_mb": 10}
    )
    path = write_operation(
        made.folder / "operations", extra='[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n'
    )
    path.write_text(path.read_text().replace("[answer]", "expires = 2030-01-01T00:00:00Z\n[answer]", 1))
    (made.folder / "partners.toml").write_text(PARTNERS)
    stopping = threading.Event()
    load = threading.Thread(target=check_in, args=(made, stopping))
    with made.start(), Prometheus(folder / "prometheus", f"127.0.0.1:{made.manage_port}", TOKEN) as server:
        load.start()
        try:
            config = ("--config", str(made.config))
            token = json.loads(command(made, "partner", "add", *config, "cert-a", "--json"))["token"]
            command(made, "export", *config, "--date", datetime.now(UTC).date().isoformat())
            wanted = "pentrap_export_last_published_timestamp_seconds > 0"
            server.until(lambda: server.query(wanted), "the export is not seen")
            connection = http.client.HTTPConnection("127.0.0.1", made.pull_port, timeout=10)
            connection.request(
                "GET", "/v1/publications/1/manifest.json", headers={"Authorization": f"Bearer {token}"}
            )
            assert connection.getresponse().status == 200
            server.until(
                lambda: server.query("pentrap_export_last_pulled_timestamp_seconds > 0"),
                "the pull is not seen",
            )
            server.until(lambda: server.query("count_over_time(up[1h]) > 20"), "too few scrapes")
            yield SimpleNamespace(collector=made, server=server)
        finally:
            stopping.set()
            load.join(10)


def test_it_scrapes_with_the_token(scraped) -> None:
    """The committed configuration, its token file included: the target is up, and wants the token."""
    (up,) = scraped.server.query('up{job="pentrap"}')
    assert up["value"][1] == "1"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{scraped.collector.manage_port}/metrics", timeout=5)


def test_every_rule_loads_and_evaluates_and_a_sound_collector_wakes_nobody(scraped) -> None:
    """All of them, without an error; the watchdog fires and nothing else does."""
    server = scraped.server
    server.until(lambda: all(rule["health"] == "ok" for rule in server.rules()), "a rule is not ok")
    rules = {rule["name"]: rule for rule in server.rules()}
    assert set(rules) == set(alerts())
    assert {rule.get("lastError", "") for rule in rules.values()} == {""}
    assert set(server.firing()) == {"PentrapWatchdog"}


def test_every_metric_of_the_rules_is_served(scraped) -> None:
    """By this release, under the name that the rule has."""
    named = {name for rule in alerts().values() for name in metrics_in(rule["expr"])}
    assert named - scraped.server.names() == set()


def test_an_alert_fires_with_its_words_and_ends(scraped) -> None:
    """A refused reload, from the collector's counter to the rendered alert, and back once the file is right again."""
    made, server = scraped.collector, scraped.server
    path = made.folder / "operations" / "op.toml"
    right = path.read_text()
    path.write_text(right.replace("status = 200", "status = 999"))
    made.reload()
    server.until(lambda: "PentrapReloadRefused" in server.firing(), "it does not fire")
    alert = server.firing()["PentrapReloadRefused"]
    assert alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"].startswith(
        f"127.0.0.1:{made.manage_port} refused changed operation"
    )
    path.write_text(right)
    made.reload()
    server.until(lambda: "PentrapReloadRefused" not in server.firing(), "it does not end")


def expressions() -> list[str]:
    """Every query of the dashboard: of panels, variables and annotations."""
    document = json.loads(DASHBOARD.read_text())
    found = [target["expr"] for panel in document["panels"] for target in panel.get("targets", ())]
    assert len(found) > 50
    return found + [one["expr"] for one in document["annotations"]["list"]]


def test_every_query_of_the_dashboard_returns_data(scraped) -> None:
    """Each of them, with its variables filled in as Grafana does, or there is a reason why not."""
    server = scraped.server
    for expression in expressions():
        filled = expression.replace("$instance", ".*").replace("$__rate_interval", "5s")
        assert "$" not in filled, expression
        found = [float(one["value"][1]) for one in server.query(filled)]
        reasons = [reason for part, reason in EMPTY.items() if part in expression]
        if "ALERTS{" in expression and "vector(0)" not in expression:
            continue  # nothing fires, as it should be
        assert bool(reasons) != any(not math.isnan(value) for value in found), (expression, found)
        assert metrics_in(expression) - server.names() == set(), expression


def test_the_dashboard_is_whole() -> None:
    """It has a data source to choose, every panel and query uses it, every panel says what it shows, none covers another."""
    document = json.loads(DASHBOARD.read_text())
    variables = {one["name"]: one for one in document["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    panels = [panel for panel in document["panels"] if panel["type"] != "row"]
    sources = [one["datasource"] for panel in panels for one in (panel, *panel["targets"])]
    sources += [
        variables["instance"]["datasource"],
        *(one["datasource"] for one in document["annotations"]["list"]),
    ]
    assert {json.dumps(one) for one in sources} == {'{"type": "prometheus", "uid": "${datasource}"}'}
    assert all(panel["title"] and panel["description"].endswith(".") for panel in panels)
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])
    cells = [
        (x, y)
        for panel in document["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
