"""L-30: whoever asks without a credential learns nothing of the order: not from any port, not from any error page."""

import contextlib
import os
import socket
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors import Collector, exchange, free_port, get, write_operation

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
from wire_cases import hello, records, server_name

TOKEN = "a-token-of-the-operator-0123456789"
SECRETS = (
    b"quietalias", b"quietoperation", b"quiet-court", b"quiet-docket", b"quiet-agency", b"quiet-officer", b"quietfamily",
    b"quiet-registry", b"quiet-listed.com", b"quiet-partner", b"quiet-extension",
)  # fmt: skip
"""One word for each thing that an operation file holds, in lower case; each is in the file that is served from."""
PAGES = (
    "/",
    "/status.json",
    "/metrics",
    "/healthz",
    "/readyz",
    "/metrics/",
    "/status",
    "/robots.txt",
    "/..%2f..%2fpentrap.toml",
    "/%ff",
)


class Guarded(Collector):
    """A collector whose management address others can reach, behind a token."""

    def write_config(self) -> None:
        """Listen on all addresses."""
        (self.folder / "token").write_text(TOKEN + "\n")
        self.settings |= {"manage.listen": f"0.0.0.0:{self.manage_port}", "manage.token_file": "token"}
        super().write_config()

    def get(self, path: str) -> bytes:
        """A page, with the token."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.manage_port}{path}")
        request.add_header("Authorization", f"Bearer {TOKEN}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read()


def sealed_operation(folder: Path, *, services: str = "", notice: str = "") -> None:
    """An operation every word of which is one of SECRETS; with two orders, the second to come."""
    now = datetime.now(UTC).replace(microsecond=0)
    path = write_operation(
        folder,
        schedule="domain,family,action,registry,valid_from,valid_until\n"
        "quiet-listed.com,quietfamily,redirect,quiet-registry,,\n",
        services=services,
        starts=now - timedelta(days=1),
        ends=now + timedelta(days=30),
        extra=f"""[[order.annex]]
partner = "quiet-partner"
tlp = "AMBER"
[[order]]
id = "quiet-extension"
kind = "pen-trap"
docket = "QUIET-DOCKET"
issued = {now:%Y-%m-%dT%H:%M:%SZ}
starts = {now + timedelta(days=30):%Y-%m-%dT%H:%M:%SZ}
ends = {now + timedelta(days=60):%Y-%m-%dT%H:%M:%SZ}
extends = "quietalias"
officers = ["Quiet-Officer"]
""",
    )
    text = path.read_text()
    for old, new in (
        ('operation = "op"', 'operation = "quietoperation"'),
        ('id = "op-1"', 'id = "quietalias"\nagency = "Quiet-Agency"'),
        ("SEALED-COURT", "Quiet-Court"),
        ("SEALED-DOCKET-0", "Quiet-Docket"),
        ("SEALED-DOCKET-1", "Quiet-Docket"),
        ('"Officer A"', '"Quiet-Officer"'),
    ):
        assert old in text
        text = text.replace(old, new)
    if notice:
        (folder / "notice.html").write_text(notice)
        text = text.replace("[answer]", '[answer]\nnotice_file = "notice.html"\nunsealed = true')
    assert all(word in (text + (folder / "op.csv").read_text()).lower().encode() for word in SECRETS)
    path.write_text(text)


def raw(port: int, request: bytes, host: str = "127.0.0.1", *, finish: bool = True) -> bytes:
    """All that comes back for these bytes, whatever becomes of the connection."""
    said = b""
    with socket.create_connection((host, port), timeout=5) as sock, contextlib.suppress(OSError):
        sock.sendall(request)
        if finish:
            sock.shutdown(socket.SHUT_WR)
        while more := sock.recv(65536):
            said += more
    return said


def strangers_questions(port: int) -> bytes:
    """What the sinkhole's own ports answer to listed, unlisted and malformed check-ins of every kind."""
    questions = (
        get(b"quiet-listed.com"), get(b"a.quiet-listed.com"), get(b"unlisted.example"), get(b"x\0y"), get()[:-2],
        b"GET / HTTP/1.0\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: quiet-listed.com\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a.com\r\nHost: quiet-listed.com\r\n\r\n", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\0\1\2", b"EHLO quiet-listed.com\r\n", b"PROXY UNKNOWN\r\n",
        records(hello(server_name(b"quiet-listed.com"))), records(hello(server_name(b"unlisted.example"))),
        b"\x16\x03\x01\x00\x05hello",
    )  # fmt: skip
    return b"".join(raw(port, question, host) for question in questions for host in ("127.0.0.1", "::1"))


def managements_questions(port: int) -> bytes:
    """What the management address answers to callers without the token, with a wrong one, and to malformed requests."""
    said = b""
    for page in PAGES:
        for method in (b"GET", b"HEAD", b"POST", b"OPTIONS", b"TRACE"):
            for credential in (b"", b"Authorization: Bearer wrong\r\n", b"Authorization: Basic eDp5\r\n"):
                head = method + b" " + page.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                said += raw(port, head + credential + b"\r\n", finish=False)
    for malformed in (
        b"\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nA\r\n\r\n",
        b"x" * 20_000,
    ):
        said += raw(port, malformed)
    return said


def test_l30_strangers_learn_nothing_of_the_order(tmp_path: Path) -> None:
    """Every byte that any port gives to whoever has no token, and every port's silence, is free of each word of the
    operation file: alias, operation, court, docket, agency, officer, family, registry, domain, partner.
    """
    made = Guarded(tmp_path)
    service = f'[[services]]\ntransport = "udp"\nport = {made.udp_port}\nfamily = "quietfamily"\n'
    sealed_operation(tmp_path / "operations", services=service)
    with made.start():
        said = strangers_questions(made.port) + managements_questions(made.manage_port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            sock.sendto(b"quiet-listed.com", ("127.0.0.1", made.udp_port))
            with contextlib.suppress(TimeoutError):
                said += sock.recv(65536)
        assert said.count(b"HTTP/1.1 401 Unauthorized") >= len(PAGES)
        assert b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware" in said
        assert b"\x15\x03\x01\x00\x02\x02\x28" in said
        assert [word for word in SECRETS if word in said.lower()] == []
        assert made.fates()["recorded"] >= 4  # the words were in force while they were not said


def test_l30_metrics_hold_no_word_under_seal_even_for_the_operator(tmp_path: Path) -> None:
    """With the token too: metrics and readiness name orders and operations by alias and registries, which are no part of what
    is under seal, by name; nothing else of the file, and of the schedule no domain and no family.
    """
    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations")
    with made.start():
        exchange(made.port, get(b"quiet-listed.com"))
        said = (made.get("/metrics") + made.get("/readyz") + made.get("/healthz")).lower()
    aliases = (b"quietalias", b"quiet-extension", b"quietoperation", b"quiet-registry")
    assert [word for word in SECRETS if word in said and word not in aliases] == []
    assert b'pentrap_order_active{order="quietalias"} 1' in said


def test_l30_the_status_page_holds_no_docket_court_agency_officer_registry_or_domain(tmp_path: Path) -> None:
    """With the token, the page and its JSON show what an operator has to know: aliases of orders and operations, families,
    partners; nothing else of the file.
    """
    made = Guarded(tmp_path)
    (tmp_path / "partners.toml").write_text(
        '[[partner]]\nname = "quiet-partner"\ncontact = "Quiet-Officer"\npurpose = "Quiet-Court"\ndatasets = ["events"]\n'
        'formats = ["parquet"]\nretention_days = 30\n'
    )
    sealed_operation(tmp_path / "operations")
    shown = (b"quietalias", b"quiet-extension", b"quietoperation", b"quietfamily", b"quiet-partner")
    with made.start():
        exchange(made.port, get(b"quiet-listed.com"))
        until = time.monotonic() + 30
        said = b""
        while not all(word in said for word in shown):
            assert time.monotonic() < until, [word for word in shown if word not in said]
            time.sleep(0.2)
            said = (made.get("/") + made.get("/status.json")).lower()
    assert [word for word in SECRETS if word in said and word not in shown] == []


def test_l30_what_stands_in_the_process_list_and_the_running_log_is_free_of_it(tmp_path: Path) -> None:
    """Process names, command lines and the collector's own log (which may be shipped elsewhere) name no court, docket,
    agency, officer or domain.
    """
    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations")
    with made.start():
        exchange(made.port, get(b"quiet-listed.com"))
        made.reload()
        shown = b"".join(
            Path(f"/proc/{pid}/{name}").read_bytes()
            for pid in made.pids().values()
            for name in ("cmdline", "comm")
        )
        assert made.stop() == 0
    said = (shown + made.log_file.read_bytes()).lower()
    assert [
        word
        for word in SECRETS
        if word in said and not word.startswith((b"quietalias", b"quietop", b"quiet-ext"))
    ] == []


def test_l30_a_public_notice_is_said_because_the_file_asks_for_it_and_nothing_more(tmp_path: Path) -> None:
    """With `notice_file` and `unsealed = true` the notice is in the answer to listed names, word for word, and nowhere else;
    the file's other words stay unsaid.
    """
    notice = "<p>Seized by order of the Quiet-Court.</p>"
    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations", notice=notice)
    with made.start():
        listed = exchange(made.port, get(b"quiet-listed.com"))
        others = exchange(made.port, get(b"unlisted.example")) + managements_questions(made.manage_port)
    assert listed.endswith(notice.encode())
    assert [word for word in SECRETS if word in listed.lower()] == [b"quiet-court"]
    assert [word for word in SECRETS if word in others.lower()] == []


def test_l30_a_notice_without_unsealed_is_refused(tmp_path: Path) -> None:
    """A notice file alone does not unseal anything: the operation file has to say that counsel did."""
    import subprocess

    from collectors import PENTRAP

    made = Guarded(tmp_path)
    sealed_operation(tmp_path / "operations", notice="<p>Notice</p>")
    path = tmp_path / "operations" / "op.toml"
    path.write_text(path.read_text().replace("unsealed = true", ""))
    made.write_config()
    done = subprocess.run(
        [PENTRAP, "check", "--config", made.config],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 2
    assert "unsealed" in done.stderr


def test_l30_off_loopback_without_a_token_is_refused(tmp_path: Path) -> None:
    """A management address that others can reach wants a token, or the operator's explicit word that it needs none."""
    import pytest

    from collector.ground.errors import ConfigurationError
    from collector.service.settings import load

    path = tmp_path / "pentrap.toml"
    path.write_text(f'[manage]\nlisten = "0.0.0.0:{free_port()}"\n')
    with pytest.raises(ConfigurationError, match="a token off loopback"):
        load(path, {})
