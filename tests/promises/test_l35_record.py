"""L-35: every record can be traced to a subscriber behind a shared address: UTC, microseconds, source port (RFC 6302)."""

import socket
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from collectors import Collector, get, running

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
from wire_cases import hello, records, server_name

from collector.segments.table import EVENTS

SPEAKERS = [
    ("127.0.0.1", "tcp", "http", get()),
    ("::1", "tcp", "http", get()),
    ("127.0.0.1", "tcp", "tls", records(hello(server_name(b"evil-one.com")))),
    ("::1", "tcp", "tls", records(hello(server_name(b"evil-one.com")))),
    ("127.0.0.1", "udp", "opaque", b"\1\2\3"),
    ("::1", "udp", "opaque", b"\1\2\3"),
]
NEEDED = ("timestamp", "src_ip", "src_port", "dst_ip", "dst_port", "transport")


def check_in(made: Collector, host: str, transport: str, said: bytes) -> tuple[int, int, datetime, datetime]:
    """One check-in: the port it came from, the port it went to, and the two instants that it lies between."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_STREAM if transport == "tcp" else socket.SOCK_DGRAM
    port = made.port if transport == "tcp" else made.udp_port
    with socket.socket(family, kind) as sock:
        sock.settimeout(5)
        before = datetime.now(UTC)
        sock.connect((host, port))
        own = sock.getsockname()[1]
        sock.sendall(said)
        while transport == "tcp" and sock.recv(4096):
            pass
        if transport == "udp":
            time.sleep(0.3)
        return own, port, before, datetime.now(UTC)


@pytest.mark.parametrize("durability", ["write", "sync"])
def test_l35_each_record_has_its_instant_ports_and_transport(tmp_path: Path, durability: str) -> None:
    """Over TCP and UDP, IPv4 and IPv6, HTTP, TLS and opaque: the port that the machine's own socket had, ours, the transport,
    and an instant between the machine's own before and after, in UTC.
    """
    services = '[[services]]\ntransport = "udp"\nport = {}\nfamily = "zeroaccess"\n'
    made = Collector(tmp_path, settings={"intake.durability": durability})
    from collectors import write_operation

    write_operation(tmp_path / "operations", services=services.format(made.udp_port))
    with made.start():
        expected = [(host, *check_in(made, host, how, said), how, what) for host, how, what, said in SPEAKERS]
        made.settled_fates(len(SPEAKERS))
        assert made.stop() == 0
    rows = sorted(made.rows(), key=lambda row: row["timestamp"])
    assert len(rows) == len(expected)
    for row, (host, own, port, before, after, how, what) in zip(rows, expected, strict=True):
        assert (row["src_ip"], row["src_port"], row["dst_port"]) == (host, own, port)
        assert (row["transport"], row["application"]) == (how, what)
        assert row["timestamp"].utcoffset() == timedelta(0)
        assert before - timedelta(milliseconds=2) <= row["timestamp"] <= after


def test_l35_instants_are_microseconds_not_rounded(tmp_path: Path) -> None:
    """Of forty check-ins nearly all have an instant that is no whole millisecond, and all are in order of arrival."""
    with running(tmp_path) as made:
        for _ in range(40):
            check_in(made, "127.0.0.1", "tcp", get())
        assert made.stop() == 0
    instants = [row["timestamp"] for row in made.rows()]
    assert instants == sorted(instants)
    assert sum(instant.microsecond % 1000 != 0 for instant in instants) > 30


def test_l35_no_file_can_lack_them(collector: Collector) -> None:
    """The columns may not be null: not by the schema in the code, nor by the one in the file that was written."""
    check_in(collector, "127.0.0.1", "tcp", get())
    assert collector.stop() == 0
    [path] = collector.data.glob("segments/*/*.parquet")
    written = pq.read_schema(path)
    for schema in (EVENTS, written):
        assert schema.field("timestamp").type == pa.timestamp("us", tz="UTC")
        assert [name for name in NEEDED if schema.field(name).nullable] == []
