"""The partners' interface in a running collector: when it listens, what it costs, TLS, the order of entry and answer,
tokens by command.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, write_operation
from pull_world import ask_on, raw, until

ANNEX = '[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n'
PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
NAME = "2026-11-21-op-1-events-p001.parquet"


def made(folder, **settings):
    """A collector whose order gives cert-a something."""
    write_operation(folder / "operations", extra=ANNEX)
    (folder / "partners.toml").write_text(PARTNERS)
    return Collector(folder, settings=settings)


def publish(collector, megabytes):
    """One publication of one file, sparse but for its ends; the file's hash."""
    import publication_world as world

    from collector.audit.key import checkpoint_key, read_key
    from collector.audit.log import AuditLog
    from collector.exports.publication import publish, stage

    key_file = collector.folder / "signing.key"
    log = AuditLog(collector.data / "audit", checkpoint_key(key_file, "test-1"))
    with stage(collector.data, "cert-a") as staged, (staged / NAME).open("wb") as out:
        out.write(b"PAR1")
        out.truncate(megabytes << 20)
        out.seek(-4, 2)
        out.write(b"PAR1")
        out.close()
        file = world.written(staged / NAME, 1, "parquet")
        said = world.contents([file], date(2026, 11, 21), "cert-a", "op-1")
        publish(log, collector.data, read_key(key_file), staged, said, "op", time.time_ns() // 1000)
    log.close()
    return file.sha256


def partner(collector, command, *words):
    """`pentrap partner`; what it says as JSON."""
    done = subprocess.run(
        [PENTRAP, "partner", command, "--config", collector.config, "cert-a", "--json", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def clerk(collector):
    """The clerk's process id."""
    return max(pid for role, pid in collector.pids().items() if role != "supervisor")


def ask(collector, path, token, **options):
    connection = http.client.HTTPConnection("127.0.0.1", collector.pull_port, timeout=20)
    with contextlib.closing(connection):
        return ask_on(connection, path, token, **options)


def listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def memory(pid, key):
    (line,) = re.findall(rf"{key}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line) / 1024


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    collector = made(tmp_path_factory.mktemp("served"))
    with collector.start():
        collector.sha256 = publish(collector, 300)
        collector.token = partner(collector, "add")["token"]
        until(lambda: listens(collector.pull_port))
        until(lambda: ask(collector, "/v1/key", collector.token).status == 200)
        yield collector


def test_a_file_of_300_megabytes_costs_no_memory(running):
    """Four downloads at once of a 300 MB file: whole, right, and the clerk's memory grows by less than 40 MB."""
    pid = clerk(running)
    path = f"/v1/publications/1/{NAME}"
    ask(running, path, running.token, headers={"Range": "bytes=0-9"})
    with open(f"/proc/{pid}/clear_refs", "w") as clear:
        clear.write("5")  # the high-water mark begins here
    before = memory(pid, "VmRSS")
    digests = []

    def download():
        connection = http.client.HTTPConnection("127.0.0.1", running.pull_port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {running.token}"})
        answer = connection.getresponse()
        digest = hashlib.sha256()
        while more := answer.read(1 << 20):
            digest.update(more)
        digests.append(digest.hexdigest())
        connection.close()

    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert digests == [running.sha256] * 4
    assert memory(pid, "VmHWM") - before < 40


def test_metrics_count_answers_and_the_last_pull(running):
    """By partner and code, strangers as `none`; and when a file was last given."""
    assert (
        ask(running, f"/v1/publications/1/{NAME}", running.token, headers={"Range": "bytes=0-9"}).status
        == 206
    )
    assert ask(running, "/v1/key", "").status == 401
    assert ask(running, "/nothing", running.token).status == 404
    samples = running.metrics()
    assert samples["pentrap_pull_requests_total{code=206,partner=cert-a}"] >= 1
    assert samples["pentrap_pull_requests_total{code=404,partner=cert-a}"] == 1
    assert samples["pentrap_pull_requests_total{code=401,partner=none}"] >= 1
    assert abs(samples["pentrap_export_last_pulled_timestamp_seconds{partner=cert-a}"] - time.time()) < 60


def test_l21_a_full_disk_costs_the_answer_not_the_entry(running):
    """No file of the clerk's can grow any more: 503 without a body, and no entry; once it can, 200 with one."""
    pid = clerk(running)
    log = running.data / "audit" / "log.jsonl"
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    before = log.read_bytes()
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (len(before), hard))
    try:
        for path in (f"/v1/publications/1/{NAME}", "/v1/publications", "/nothing"):
            said = ask(running, path, running.token)
            assert (said.status, said.body) == (503, b"")
        assert log.read_bytes() == before
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    time.sleep(1.1)
    assert ask(running, "/v1/publications", running.token).status == 200
    assert log.read_bytes()[len(before) :].count(b'"pulled"') == 1


@pytest.mark.skipif(
    not shutil.which("strace") or os.getuid() != 0, reason="needs Debian's strace, and root to attach it"
)
def test_l21_the_entry_is_on_disk_before_the_first_byte_of_the_answer(running):
    """By strace of the clerk: for each of a file, a range, a list and a 404, the entry's write and its fdatasync return
    before anything is sent.
    """
    trace = running.folder / "trace"
    calls = "write,fdatasync,sendto,sendmsg,writev,sendfile"
    tracer = subprocess.Popen(
        ["strace", "-f", "-s", "400", "-y", "-e", f"trace={calls}", "-o", trace, "-p", str(clerk(running))],
        stderr=subprocess.PIPE,
    )
    assert tracer.stderr is not None
    assert b"attached" in tracer.stderr.readline()
    asked = {
        "/v1/publications/1/manifest.json": 200,
        f"/v1/publications/1/{NAME}": 206,
        "/v1/publications": 200,
        "/x": 404,
    }
    for path, status in asked.items():
        assert (
            ask(
                running, path, running.token, headers={"Range": "bytes=0-9"} if "events" in path else {}
            ).status
            == status
        )
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    order = []
    for line in trace.read_text().splitlines():
        if "log.jsonl" in line and '\\"event\\":\\"pulled\\"' in line:
            order.append("entry")
        elif "fdatasync" in line and "log.jsonl" in line:
            order.append("durable")
        elif "HTTP/1.1 " in line:
            order.append("answer")
    assert order == ["entry", "durable", "answer"] * len(asked)


def test_tokens_by_command_count_within_a_second_without_a_restart(running):
    """Added, rotated with overlap, revoked while it runs: each counts within a second."""
    second = partner(running, "add", "--account", "laptop")["token"]
    until(lambda: ask(running, "/v1/key", second).status == 200, 1)
    third = partner(running, "rotate", "--account", "laptop")["token"]
    until(lambda: ask(running, "/v1/key", third).status == 200, 1)
    assert ask(running, "/v1/key", second).status == 200
    partner(running, "revoke", "--account", "laptop")
    until(lambda: {ask(running, "/v1/key", one).status for one in (second, third)} <= {401, 429}, 1)
    assert ask(running, "/v1/key", running.token).status == 200


def test_l30_strangers_learn_nothing_from_the_partners_interface(running):
    """Without a valid token every path and method, malformed requests too, get bytes that name no partner, order, operation,
    court, file or release; and where something stands they are the same as where nothing does.
    """
    said = []
    for path in (
        "/",
        "/v1/publications",
        "/v1/publications/1/" + NAME,
        "/v1/publications/2/x",
        "/v1/key",
        "/v1/openapi.json",
        "/%ff",
    ):
        for method in ("GET", "HEAD", "POST", "TRACE"):
            for credential in ("", "Authorization: Bearer wrong\r\n", "Authorization: Basic eDp5\r\n"):
                head = f"{method} {path} HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n{credential}\r\n"
                said.append(raw(running.pull_port, head.encode(), f"127.0.1.{len(said) + 1}"))
    bare = {re.sub(rb"Date: [^\r]*", b"", one) for one in said}
    assert all(one.startswith(b"HTTP/1.1 401 Unauthorized\r\n") for one in bare)
    assert len(bare) == 2  # with a body, and HEAD's without
    odd = (
        b"\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"canary: x" * 5000,
        b"\x16\x03\x01\0\x05hello",
    )
    said += [raw(running.pull_port, one, timeout=2) for one in odd]
    everything = b"".join(said).lower()
    for word in (
        b"cert-a",
        b"op-1",
        b"sealed",
        b"officer",
        b"evil",
        b"canary",
        b"parquet",
        b"aiohttp",
        b"python",
        b"test-1",
    ):
        assert word not in everything


def test_a_killed_clerk_serves_again_and_the_log_verifies(running):
    """Kill -9 in the middle of a download: the next clerk listens within seconds, the download resumes, no entry is torn."""
    path = f"/v1/publications/1/{NAME}"
    connection = http.client.HTTPConnection("127.0.0.1", running.pull_port, timeout=20)
    connection.request("GET", path, headers={"Authorization": f"Bearer {running.token}"})
    answer = connection.getresponse()
    got = len(answer.read(1 << 20))
    os.kill(clerk(running), signal.SIGKILL)
    connection.close()
    wanted = {"Range": f"bytes={got}-", "If-Range": f'"{running.sha256}"'}
    began = time.monotonic()
    while True:
        try:
            rest = ask(running, path, running.token, headers=wanted)
            break
        except OSError:
            assert time.monotonic() - began < 15
            time.sleep(0.05)
    assert (rest.status, len(rest.body)) == (206, (300 << 20) - got)
    time.sleep(1)
    done = subprocess.run(
        [PENTRAP, "verify", running.data / "audit"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_it_listens_where_partners_are_named_and_follows_a_reload(tmp_path):
    """Without partners.toml nothing listens; with it, after SIGHUP, it does; a partner taken out is let in no longer."""
    collector = made(tmp_path)
    (tmp_path / "partners.toml").unlink()
    with collector.start():
        assert not listens(collector.pull_port)
        (tmp_path / "partners.toml").write_text(PARTNERS)
        token = partner(collector, "add")["token"]
        collector.reload()
        until(lambda: listens(collector.pull_port))
        until(lambda: ask(collector, "/v1/key", token).status == 200, 2)
        (tmp_path / "partners.toml").write_text(PARTNERS.replace("cert-a", "cert-z"))
        collector.reload()
        until(lambda: ask(collector, "/v1/key", token).status == 401, 3)
        assert collector.stop() == 0


def test_an_address_that_cannot_be_had_ends_the_start_with_a_reason(tmp_path):
    """Somebody has the port: exit 2, naming [pull] listen; without partners the same port does not matter."""
    collector = made(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", collector.pull_port))
        taken.listen()
        collector.launch()
        assert collector.process is not None
        assert collector.process.wait(20) == 2
        said = collector.log_file.read_text()
        assert f"[pull] listen\n    found:    127.0.0.1:{collector.pull_port}" in said
        (tmp_path / "partners.toml").unlink()
        with collector.start():
            assert collector.stop() == 0


def certificate(folder, name, issuer=None):
    """A PEM certificate and key; (certificate, key) for issuing others."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    made_of = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made_of.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return made_of, key


def test_tls_and_client_certificates(tmp_path):
    """TLS with the certificate given; with client_ca, whoever has none of its certificates gets no answer, token or not;
    whoever has one still needs the token.
    """
    authority = certificate(tmp_path, "authority")
    for name in ("server", "client"):
        certificate(tmp_path, name, authority)
    certificate(tmp_path, "stranger")
    collector = made(
        tmp_path,
        **{"pull.tls_cert": "server.pem", "pull.tls_key": "server.key", "pull.client_ca": "authority.pem"},
    )
    with collector.start():
        token = partner(collector, "add")["token"]
        until(lambda: listens(collector.pull_port))

        def status(client, secret):
            context = ssl.create_default_context(cafile=tmp_path / "authority.pem")
            if client:
                context.load_cert_chain(tmp_path / f"{client}.pem", tmp_path / f"{client}.key")
            connection = http.client.HTTPSConnection(
                "localhost", collector.pull_port, context=context, timeout=5
            )
            with contextlib.closing(connection):
                return ask_on(connection, "/v1/key", secret).status

        until(lambda: status("client", token) == 200, 2)
        assert status("client", "") == 401
        for other in ("", "stranger"):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                status(other, token)
        assert collector.stop() == 0


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"pull.tls_cert": "a.pem"}, 2, "tls_cert without tls_key"),
        ({"pull.client_ca": "a.pem"}, 2, "no tls_cert"),
        (
            {"pull.tls_cert": "a.pem", "pull.tls_key": "a.key"},
            2,
            "a.pem with a.key: No such file or directory",
        ),
        ({"pull.listen": "0.0.0.0:8444"}, 0, "which others can reach, without TLS"),
        ({}, 0, "good"),
    ],
)
def test_check_tells_what_is_wrong_with_the_interface_s_settings(tmp_path, settings, code, words):
    """Half a TLS setting, files that are not there: exit 2 with the place; an address that others reach without TLS: a note."""
    collector = made(tmp_path, **settings)
    collector.write_config()
    done = subprocess.run(
        [PENTRAP, "check", "--config", collector.config], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert words in done.stdout + done.stderr
