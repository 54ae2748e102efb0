"""What the bench concludes from its rounds, the counters it reads, and the truth taken from captures."""

import base64
import json

import pytest
from bed.bench_result import ratios, summarise
from clients.captures import read_streams, schedule_of, wanted
from clients.metrics import accepted, balanced, fate_counts, parse_metrics

PAGE = """\
# HELP pentrap_checkins_total Check-ins by their one fate
# TYPE pentrap_checkins_total counter
pentrap_checkins_total{fate="recorded"} 7.0
pentrap_checkins_total{fate="suppressed_scope"} 2.0
pentrap_checkins_open 1.0
pentrap_checkins_accepted_total{transport="tcp"} 6.0
pentrap_checkins_accepted_total{transport="udp"} 4.0
process_cpu_seconds_total 1.5
"""


def test_counters_are_read_and_the_equation_checked():
    page = parse_metrics(PAGE)
    assert fate_counts(page)["recorded"] == 7
    assert accepted(page) == 10
    assert balanced(page)
    assert not balanced(page | {"checkins_open": 0})
    assert fate_counts(page, {"checkins_total{recorded}": 5.0})["recorded"] == 2


def round_of(**net: float) -> dict[str, object]:
    return {name: {"net": value, "gross": value + 1} for name, value in net.items()}


def test_ratios_are_medians_of_each_rounds_ratio():
    rounds = [
        round_of(floor=20, nginx_parquet=30, pentrap_write=24),
        round_of(floor=10, nginx_parquet=20, pentrap_write=20),
        round_of(floor=20, nginx_parquet=30, pentrap_write=27),
    ]
    found = {(row["ratio"], row["of"]): row for row in ratios(rounds)}
    assert found["pentrap_write / nginx_parquet", "net"]["median"] == pytest.approx(0.9)
    assert found["pentrap_write / nginx_parquet", "net"]["reached"]
    assert found["pentrap_write / floor", "net"]["median"] == pytest.approx(1.35)
    assert ("pentrap_sync / nginx_parquet_512", "net") not in found
    assert summarise(rounds)["cpu_us_per_checkin"]["pentrap_write"] == 24


def test_hosts_of_captures_are_listed_without_their_port_or_not_at_all(tmp_path):
    def line(host: str | None, kind: str = "http", data: bytes = b"GET / HTTP/1.1\r\n\r\n") -> str:
        segment = base64.b64encode(data).decode()
        row = {"id": "1", "source": "s", "kind": kind, "dst_port": 80, "host": host, "segments": [segment]}
        return json.dumps(row)

    hosts = [
        "WWW.Example.com.",
        "a.example.com:443",
        "192.0.2.1:80",
        "[2001:db8::1]",
        "localhost:1",
        None,
        "_x.y.z",
    ]
    path = tmp_path / "streams.jsonl"
    path.write_text("\n".join([line(host) for host in hosts] + [line("t.example", "tls", b"\xde\xad")]))
    streams = read_streams(path)
    reasons = [wanted(stream).reason for stream in streams]
    assert reasons == [
        "listed", "listed", "address literal", "address literal", "single label", "no host", "listed", "listed",
    ]  # fmt: skip
    assert schedule_of(streams) == ["www.example.com", "a.example.com", "_x.y.z", "t.example"]
    assert wanted(streams[-1]).application is None
