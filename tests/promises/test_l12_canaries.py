"""L-12: canaries in every zone of content are found nowhere outside memory, however the collector ends."""

import os
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
from canaries import LENGTH, Canaries, encodings
from collectors import PENTRAP, Collector, running
from conversations import PROBE, SETTINGS, Talk, ask_the_operators_side

PLAIN = {"intake.head_deadline_seconds": 0.5}
"""No listed networks: then plain requests take the fast path, which packs its records itself."""
SEED = int(os.environ.get("CANARY_SEED", "20261122"))


def service(port: int) -> str:
    """A listed botnet without domains: any bytes to this UDP port are a check-in."""
    return f'[[services]]\ntransport = "udp"\nport = {port}\nfamily = "zeroaccess"\n'


def talking(folder: Path, **options) -> Collector:
    """A collector at log level debug whose temporary files would be under its own folder; not started."""
    from collectors import write_operation

    (folder / "tmp").mkdir(parents=True)
    settings = options.pop("settings", SETTINGS)
    environment = {"TMPDIR": str(folder / "tmp")} | options.pop("environment", {})
    made = Collector(folder, settings=settings, environment=environment, log_level="debug", **options)
    write_operation(folder / "operations", volume=True, services=service(made.udp_port))
    return made


def test_the_search_finds_what_it_looks_for():
    """The search itself: every encoding of a word, hidden among other bytes, is a hit; other words are none."""
    canaries, others = Canaries(SEED), Canaries(SEED + 1)
    word = canaries.word("zone")
    for form, name in encodings(word[:12]).items():
        assert any(name in hit for hit in canaries.hits(b"before " + form + b" after", "x")), name
        assert others.hits(form, "x") == []
    assert len(word) == LENGTH


@pytest.mark.parametrize(
    ("durability", "networks"), [("write", True), ("sync", True), ("write", False), ("sync", False)]
)
def test_l12_nothing_of_the_content_is_left_after_a_clean_stop(tmp_path, durability, networks):
    """Every zone, every encoding: 0 hits in the data, the Parquet's columns and metadata, logs, metrics, answers."""
    canaries = Canaries(SEED)
    settings = (SETTINGS if networks else PLAIN) | {"intake.durability": durability}
    with talking(tmp_path, settings=settings) as collector:
        collector.start()
        talk = Talk(collector, canaries).everything()
        fates = collector.settled_fates(talk.said)
        said = ask_the_operators_side(collector, canaries)
        assert collector.stop() == 0
        rows = collector.rows()
    assert canaries.hits(talk.answers, "answers") == []
    assert canaries.hits(said, "the operator's side") == []
    assert canaries.search(tmp_path) == []
    # And it was no empty exercise: check-ins of all sorts were recorded, refused and suppressed.
    assert fates["accepted"] == talk.said > 60
    assert len(rows) == fates["recorded"] >= 25
    for fate in (
        "suppressed_scope",
        "rejected_parse",
        *(("suppressed_probe", "rejected_proxy") if networks else ()),
    ):
        assert fates[fate] > 0, fate
    assert {(row["transport"], row["application"]) for row in rows} >= {
        ("tcp", "http"),
        ("tcp", "tls"),
        ("udp", "opaque"),
    }
    trusts = {"handshake", "datagram"} | ({"proxy"} if networks else set())
    assert {row["source_trust"] for row in rows} == trusts
    assert len(canaries.zones) > 150


def test_l12_every_string_in_parquet_comes_from_configuration(tmp_path):
    """No text column holds anything but words of the operator's files, closed enums, and addresses made from numbers."""
    canaries = Canaries(SEED + 2)
    with talking(tmp_path) as collector:
        collector.start()
        Talk(collector, canaries).everything()
        collector.stop()
        table = collector.table()
    known = {
        "source_trust": {"handshake", "proxy", "datagram"},
        "transport": {"tcp", "udp"},
        "application": {"http", "tls", "opaque"},
        "domain": {"evil-one.com", "evil-two.net", None},
        "family": {"andromeda", "urlzone", "zeroaccess"},
        "infection": {"op-andromeda", "op-urlzone", "op-zeroaccess"},
        "order_id": {"op-1"},
        "sensor": {"test-1"},
        "src_ip": {"127.0.0.1", "198.51.100.77", "198.51.100.78"},
        "dst_ip": {"127.0.0.1", "192.0.2.80"},
        "src_geo": {None},
        "mark": {None},
    }
    texts = {field.name for field in table.schema if str(field.type) in ("string", "large_string", "binary")}
    assert texts == {*known, "stream"}
    for name, words in known.items():
        assert set(table.column(name).to_pylist()) <= words, name
    assert all(re.fullmatch(r"test-1\.0\.\d{16}", text) for text in table.column("stream").to_pylist())
    assert PROBE not in table.column("src_ip").to_pylist()


def test_l12_nothing_of_the_content_reaches_an_officer_or_the_court(tmp_path):
    """What leaves the house by an officer's reading, a look at the order, a verification or a court's return: 0 hits, and the
    return's own files neither.
    """
    canaries = Canaries(SEED + 5)
    with talking(tmp_path) as collector:
        collector.start()
        talk = Talk(collector, canaries).everything()
        recorded = collector.settled_fates(talk.said)["recorded"]
        assert collector.stop() == 0
    bundle, unpacked = tmp_path / "return.tar", tmp_path / "unpacked"
    said = b""
    for words in (
        ["open", "--order", "op-1", "--reason", "a look", "--json", "-c", "FROM events"],
        ["open", "--order", "op-1", "--reason", "a look", "-c", "FROM events; FROM hosts"],
        ["order", "show"],
        ["order", "return", "--order", "op-1", "--interim", "--to", str(bundle)],
        ["quarantine", "--list"],
        ["purge", "--dry-run"],
        ["check"],
        ["verify"],
    ):
        command = [PENTRAP, *words[:2], *words[2:], "--config", str(collector.config)]
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, (words, done.stderr)
        said += done.stdout + done.stderr
    assert said.count(b"evil-one.com") > recorded / 2
    with tarfile.open(bundle) as tar:
        tar.extractall(unpacked)  # our own bundle; Debian 12 has no filters yet
    assert len(list(unpacked.rglob("*.parquet"))) > 0
    assert canaries.hits(said, "what the commands said") + canaries.search(tmp_path) == []


@pytest.mark.parametrize("durability", ["write", "sync"])
def test_l12_nothing_of_the_content_is_left_after_kill_9(tmp_path, durability):
    """While it runs and after SIGKILL to all, journals open and unsealed, sockets in mid-conversation: 0 hits."""
    canaries = Canaries(SEED + 3)
    settings = PLAIN | {"intake.durability": durability, "segments.seal_seconds": 3600}
    with talking(tmp_path, settings=settings) as collector:
        collector.start()
        talk = Talk(collector, canaries).everything()
        talk.tcp(b"GET /" + canaries.word("open while killed") + b" HTTP/1.1\r\nHost: ", leave_open=True)
        fates = collector.settled_fates(talk.said - 1, wait=2)
        assert canaries.search(tmp_path) == []
        collector.kill()
        journals = list(collector.data.glob("journal/*/*.journal"))
        assert sum(path.stat().st_size for path in journals) > 58 * fates["recorded"] > 0
        assert canaries.search(tmp_path) == []
        collector.start()  # recovery says what it cut and sealed; nothing of the content in that either
        assert collector.stop() == 0
        assert len(collector.rows()) == fates["recorded"]
    assert canaries.search(tmp_path) == []


def test_l12_nothing_is_left_where_no_order_is_in_force(tmp_path):
    """Without an order the same conversations leave no row, and no word either."""
    from datetime import UTC, datetime, timedelta

    canaries = Canaries(SEED + 4)
    past = datetime.now(UTC).replace(microsecond=0) - timedelta(days=40)
    options = {"settings": SETTINGS, "log_level": "debug"}
    operation = {"starts": past, "ends": past + timedelta(days=30)}
    with running(tmp_path, operation=operation, **options) as collector:
        talk = Talk(collector, canaries).everything()
        fates = collector.settled_fates(talk.said)
        collector.stop()
        assert collector.rows() == []
    assert "recorded" not in fates
    assert fates["suppressed_window"] > 10
    assert canaries.hits(talk.answers, "answers") + canaries.search(tmp_path) == []
