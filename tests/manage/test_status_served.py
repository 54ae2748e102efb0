"""The status page of a real collector: the right numbers, no address, the same words as the command, for whom it is meant."""

import base64
import http.client
import json
import re
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "promises"))

from collectors import PENTRAP, Collector, exchange, get, running
from databases import database
from status_world import FATES, Structure
from test_l30_sealed import TOKEN, Guarded, sealed_operation

from collector.manage.app import _is_own_name
from collector.manage.status.look import GROUPS

NETWORKS = {
    "127.64.0.0/16": {"country": {"iso_code": "DE"}},
    "127.65.0.0/16": {"country": {"iso_code": "LI"}},
}
PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn victims"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
ANNEX = '[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n'


def check_in(port: int, source: str, host: bytes) -> None:
    """From an address of its own."""
    with socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0)) as sock:
        sock.sendall(get(host))
        while sock.recv(65536):
            pass


def until(true, wait: float = 30.0):
    """The value, once it is one."""
    end = time.monotonic() + wait
    while True:
        value = true()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.1)


def ask(
    collector: Collector, method: str, path: str, **headers: str
) -> tuple[int, dict[str, list[str]], bytes]:
    """Status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", collector.manage_port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found: dict[str, list[str]] = {}
    for name, value in answer.getheaders():
        found.setdefault(name, []).append(value)
    said = answer.status, found, answer.read()
    connection.close()
    return said


def cell(page: str, name: str) -> str:
    """The figure beside a name in a ranking."""
    row = re.search(rf'<th scope="row">{name}</th>.*?<td class="number">(.*?)</td>', page)
    assert row, name
    return row[1]


def test_the_page_of_a_collector_with_traffic(tmp_path: Path) -> None:
    """Fates, families and countries are those of what was played; the page, its JSON, /metrics and `pentrap status` agree; no
    address, no domain and nothing of a request is in any of them; a clerk's death takes nothing away.
    """
    database(tmp_path / "geo.mmdb", NETWORKS, version=4)
    (tmp_path / "partners.toml").write_text(PARTNERS)
    with running(tmp_path, settings={"export.geo_db": "geo.mmdb"}, operation={"extra": ANNEX}) as made:
        for number in range(12):
            check_in(made.port, f"127.64.0.{number + 1}", b"evil-one.com")
            check_in(made.port, f"127.64.0.{number + 1}", b"evil-one.com")
        for number in range(3):
            check_in(made.port, f"127.65.0.{number + 1}", b"evil-two.net")
        exchange(made.port, get(b"unlisted.example"))
        exchange(made.port, b"\x16\x03\x01\x00\x05hello")
        fates = made.settled_fates(29)
        assert (fates["recorded"], fates["accepted"]) == (27, 29)

        def counted():
            values = json.loads(made.get("/status.json"))
            return (
                values
                if values["victims"]["families"]["rows"] == [["andromeda", 12], ["urlzone", None]]
                else None
            )

        values = until(counted)
        page = made.get("/?<script>alert(1)</script>").decode()
        metrics = made.fates()
        told = subprocess.run(
            [PENTRAP, "status", "--config", made.config],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        assert values, made.get("/status.json")
        assert values["counts"]["fates"] == {name: metrics.get(name, 0) for name in values["counts"]["fates"]}
        assert values["accepted"] == metrics["accepted"] == 29
        groups = [sum(metrics.get(fate, 0) for fate in FATES if fate.startswith(group)) for group in GROUPS]
        terms = re.findall(r"<dd>([\d,]+)</dd>", page.partition('class="terms"')[2].partition("</dl>")[0])
        assert list(map(int, terms)) == [29, *groups, 0]
        assert groups[0] == 27
        assert (cell(page, "andromeda"), cell(page, "urlzone")) == ("12", "&lt;10")
        assert (cell(page, "DE"), cell(page, "LI")) == ("12", "&lt;10")
        assert re.search(r"<b>29</b> check-ins", page)
        assert "cert-a" in page
        assert "in force" in page
        words = Structure(page).text
        for line in ("All is well", "under op-1", "1 of 1 workers", "to the unit"):
            assert line in told
            assert line in words
        for said in (page, told, json.dumps(values)):
            for secret in (
                "127.6",
                "evil-one",
                "evil-two",
                "SEALED",
                "Officer",
                "unlisted.example",
                "alert(1)",
            ):
                assert secret not in said
        assert not re.search(r"\b\d{1,3}(\.\d{1,3}){3}\b", page)

        made.kill_child("clerk")
        check_in(made.port, "127.64.0.200", b"evil-one.com")

        def again():
            try:
                values = json.loads(made.get("/status.json"))
                return (
                    made.get("/").decode()
                    if values["accepted"] == 30 and values["victims"]["families"]["rows"]
                    else None
                )
            except (OSError, ValueError):
                return None

        page = until(again)
        assert re.search(r"<b>30</b> check-ins", page)
        assert cell(page, "andromeda") in ("12", "13")  # the thirteenth is in Parquet a moment later


def test_a_page_that_is_polled_is_made_once_a_second(collector: Collector) -> None:
    """A hundred requests within a second or two are answered with two or three looks, each as of its own microsecond."""
    began = time.monotonic()
    moments = {json.loads(collector.get("/status.json"))["now"] for _ in range(100)}
    assert len(moments) <= 2 + time.monotonic() - began


def test_head_and_what_is_not_there(collector: Collector) -> None:
    """HEAD has the headers of GET and no body; other methods and unknown paths stay 404; the page comes with its policy."""
    status, headers, body = ask(collector, "GET", "/")
    assert (status, headers["Content-Type"]) == (200, ["text/html; charset=utf-8"])
    assert "default-src 'none'" in headers["Content-Security-Policy"][0]
    assert headers["Cache-Control"] == ["no-store"]
    of_head = ask(collector, "HEAD", "/")
    assert (of_head[0], of_head[2], of_head[1].keys()) == (200, b"", headers.keys())
    assert int(of_head[1]["Content-Length"][0]) == pytest.approx(len(body), abs=200)
    for method, path in (
        ("POST", "/"),
        ("GET", "/status"),
        ("GET", "//"),
        ("GET", "/index.html"),
        ("GET", "/favicon.ico"),
    ):
        assert ask(collector, method, path)[0] == 404, (method, path)


def basic(password: str, name: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_off_loopback_a_browser_shows_the_token_as_its_password(tmp_path: Path) -> None:
    """401 asks for Bearer and Basic; Basic with any name and the token opens every route, as Bearer does; nothing else does."""
    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations")
    with made.start():
        for path in ("/", "/status.json", "/metrics", "/readyz"):
            status, headers, body = ask(made, "GET", path)
            assert status == 401
            assert headers["WWW-Authenticate"] == ["Bearer", 'Basic realm="management", charset="UTF-8"']
            assert TOKEN.encode() not in body
            for right in (
                f"Bearer {TOKEN}",
                f"bearer {TOKEN}",
                basic(TOKEN),
                basic(TOKEN, ""),
                basic(TOKEN).replace("B", "b", 1),
            ):
                assert ask(made, "GET", path, Authorization=right)[0] == 200, (path, right)
            for wrong in (
                "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Token {TOKEN}", "Basic",
                "Basic !",
                "Basic " + base64.b64encode(TOKEN.encode()).decode(), basic(""), basic(TOKEN + "x"), basic("x:" + TOKEN),
                basic(TOKEN, "x:"), f"Bearer {base64.b64encode(TOKEN.encode()).decode()}", "Basic " + "A" * 5000,
            ):  # fmt: skip
                assert ask(made, "GET", path, Authorization=wrong)[0] == 401, (path, wrong)


def test_the_command_shows_the_token_too(tmp_path: Path) -> None:
    """`pentrap status` off loopback reads the token's file."""
    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations")
    with made.start():
        told = subprocess.run(
            [PENTRAP, "status", "--config", made.config],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert told.returncode == 0, told.stderr
    assert "All is well" in told.stdout


def test_another_name_is_refused_on_loopback(collector: Collector) -> None:
    """A page of a stranger's that points its own name at us (DNS rebinding) gets 421 on every route; localhost and addresses do
    not.
    """
    for path in ("/", "/status.json", "/metrics", "/readyz", "/healthz"):
        for host, status in (("evil.example", 421), ("localhost:9464", 200), ("127.0.0.1", 200)):
            said = ask(collector, "GET", path, Host=host)
            assert said[0] == status, (path, host)
            assert b"evil" not in said[2]


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("", True), ("localhost", True), ("LOCALHOST:1", True), ("localhost.", True), ("127.0.0.1:9464", True),
        ("[::1]:9464", True),
        ("[::1]", True), ("192.0.2.1", True), ("evil.example:9464", False), ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False), ("127.0.0.1.", False), ("[::1].evil.example", False), ("a:b:c", False), (":", False),
        ("localhost:", False), ("0x7f.1", False),
    ],
)  # fmt: skip
def test_names_that_are_ours(host, own) -> None:
    """None, localhost and addresses; whatever a name server can hand out is not."""
    assert _is_own_name(host) is own


def test_the_page_while_nothing_is_recorded(tmp_path: Path) -> None:
    """With its only order over, page, JSON and command say so in the same words, and the machine is still answered."""
    from datetime import UTC, datetime, timedelta

    now = datetime.now(UTC).replace(microsecond=0)
    operation = {"starts": now - timedelta(days=20), "ends": now - timedelta(days=2)}
    with running(tmp_path, operation=operation) as made:
        exchange(made.port, get())
        made.settled_fates(1)
        page = Structure(made.get("/").decode()).text
        told = subprocess.run(
            [PENTRAP, "status", "--config", made.config],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        ).stdout
        for said in (page, told):
            assert "Needs attention" in said
            assert "Nothing is recorded: no order is in force" in said
        request = urllib.request.Request(f"http://127.0.0.1:{made.manage_port}/status.json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            values = json.loads(answer.read())
        assert (values["recording"], values["not_recording_because"]) == (False, ["no order in force"])
        assert values["counts"]["fates"]["suppressed_window"] == 1
