"""What an infected machine gets, and what stands in Parquet afterwards, over real sockets."""

import socket
import struct
import time
from pathlib import Path

import pytest
from collectors import Collector, exchange, get, running

LISTED = b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
DEFAULT = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ALERT = bytes.fromhex("15030100020228")


def client_hello(name: bytes) -> bytes:
    """The smallest ClientHello with an SNI (RFC 8446 4.1.2, RFC 6066 3)."""
    entry = b"\x00" + struct.pack(">H", len(name)) + name
    sni = struct.pack(">HHH", 0, len(entry) + 2, len(entry)) + entry
    body = (
        b"\x03\x03"
        + bytes(32)
        + b"\x00"
        + b"\x00\x02\x13\x01"
        + b"\x01\x00"
        + struct.pack(">H", len(sni))
        + sni
    )
    message = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"\x16\x03\x01" + struct.pack(">H", len(message)) + message


def proxy_v2(src: str, dst: str, src_port: int, dst_port: int) -> bytes:
    """A PROXY protocol v2 header over IPv4 TCP."""
    addresses = socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack(">HH", src_port, dst_port)
    return b"\r\n\r\n\x00\r\nQUIT\n\x21\x11" + struct.pack(">H", len(addresses)) + addresses


def test_each_application_gets_its_own_fixed_answer(collector: Collector) -> None:
    """HTTP: the operation's answer, or the default; TLS: the fatal alert; opaque bytes: nothing but an orderly end."""
    assert exchange(collector.port, get()) == LISTED
    assert exchange(collector.port, get(b"unlisted.example")) == DEFAULT
    assert exchange(collector.port, client_hello(b"evil-two.net")) == ALERT
    assert exchange(collector.port, b"\x00\x01\x02") == b""
    fates = collector.settled_fates(4)
    assert fates == {"recorded": 2, "suppressed_scope": 2, "accepted": 4, "open": 0}
    collector.stop()
    rows = collector.rows()
    assert [(row["application"], row["domain"], row["infection"]) for row in rows] == [
        ("http", "evil-one.com", "op-andromeda"),
        ("tls", "evil-two.net", "op-urlzone"),
    ]


def test_a_row_says_who_when_and_where_exactly(collector: Collector) -> None:
    """Source address and port, destination and time are those of the connection; volume is null unless the order has it."""
    before = time.time_ns() // 1000
    with socket.create_connection(("127.0.0.1", collector.port)) as sock:
        sock.sendall(get(b"WWW.Evil-One.com.:80"))
        assert sock.recv(1000) == LISTED
        src_port = sock.getsockname()[1]
    after = time.time_ns() // 1000
    assert exchange(collector.port, get(), host="::1") == LISTED
    collector.stop()
    first, second = collector.rows()
    assert (first["src_ip"], first["src_port"], first["dst_ip"]) == ("127.0.0.1", src_port, "127.0.0.1")
    assert (first["dst_port"], first["transport"], first["source_trust"]) == (
        collector.port,
        "tcp",
        "handshake",
    )
    assert before <= first["timestamp"].timestamp() * 1e6 <= after + 1
    assert (first["bytes_in"], first["order_id"], first["sensor"], first["record"]) == (
        None,
        "op-1",
        "test-1",
        0,
    )
    assert (second["src_ip"], second["dst_ip"]) == ("::1", "::1")


def test_volume_is_recorded_where_the_order_says_so(tmp_path: Path) -> None:
    """With fields = ["volume"], bytes_in is what the kernel had handed over when the verdict fell."""
    with running(tmp_path, operation={"volume": True}) as made:
        head = get(more=b"Cookie: 12345\r\n")
        exchange(made.port, head)
        exchange(made.port, head[:20], head[20:])
        made.stop()
        assert [row["bytes_in"] for row in made.rows()] == [len(head), len(head)]


@pytest.mark.parametrize("size", [1, 3, 17])
def test_a_head_in_pieces_is_the_same_check_in(collector: Collector, size: int) -> None:
    """However a head is split, its name is found and the answer is the same."""
    head = get(b"sub.evil-two.net")
    pieces = [head[n : n + size] for n in range(0, len(head), size)]
    assert exchange(collector.port, *pieces, pause=0.002) == LISTED
    assert collector.settled_fates(1)["recorded"] == 1


def test_a_body_behind_its_head_does_not_destroy_the_answer(collector: Collector) -> None:
    """20 of 20 answers arrive although a body follows the head by 20 ms and is never read (no RST)."""
    head = b"POST / HTTP/1.1\r\nHost: evil-one.com\r\nContent-Length: 4000\r\n\r\n"
    for _ in range(20):
        assert exchange(collector.port, head, b"x" * 4000, pause=0.02) == LISTED


def test_silence_has_a_fate_too(collector: Collector) -> None:
    """FIN, RST or the deadline before the first byte: rejected_silent, and the connection is closed at the deadline."""
    assert exchange(collector.port, finish=True) == b""
    with socket.create_connection(("127.0.0.1", collector.port)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.1)
    began = time.monotonic()
    assert exchange(collector.port) == b""
    assert 0.9 < time.monotonic() - began < 4.0
    fates = collector.settled_fates(2)
    # The reset connection may never have come out of the kernel's queue (TCP_DEFER_ACCEPT holds a silent one back).
    assert fates["rejected_silent"] == fates["accepted"] >= 2


def test_a_silent_connection_on_a_listed_service_is_a_check_in(tmp_path: Path) -> None:
    """Where the order lists address and port, connecting is the check-in, whatever is sent, or nothing."""
    made = Collector(tmp_path)
    from collectors import write_operation

    service = f'[[services]]\ntransport = "tcp"\nport = {made.port}\nfamily = "zeroaccess"\n'
    write_operation(tmp_path / "operations", services=service)
    with made:
        made.start()
        exchange(made.port)
        exchange(made.port, b"\x01\x02")
        exchange(made.port, get(b"unlisted.example"))
        exchange(made.port, get(b"evil-one.com"))
        assert made.settled_fates(4) == {"recorded": 4, "accepted": 4, "open": 0}
        made.stop()
        rows = made.rows()
    assert [(row["application"], row["domain"], row["family"]) for row in rows] == [
        ("opaque", None, "zeroaccess"),
        ("opaque", None, "zeroaccess"),
        ("http", None, "zeroaccess"),
        ("http", "evil-one.com", "andromeda"),
    ]


def test_unusable_heads_are_refused_and_answered(collector: Collector) -> None:
    """Too long, unfinished at the deadline, two different hosts: rejected_parse, answered as the default says."""
    assert (
        exchange(collector.port, b"GET / HTTP/1.1\r\nHost: evil-one.com\r\n" + b"A: b\r\n" * 2000) == DEFAULT
    )
    assert exchange(collector.port, b"GET / HTTP/1.1\r\nHost: evil-") == DEFAULT
    assert exchange(collector.port, get(more=b"Host: evil-two.net\r\n")) == DEFAULT
    assert collector.settled_fates(3) == {"rejected_parse": 3, "accepted": 3, "open": 0}


def test_a_complete_name_counts_even_if_its_head_never_ends(collector: Collector) -> None:
    """At the deadline a complete, unambiguous Host line is enough."""
    assert exchange(collector.port, b"GET / HTTP/1.1\r\nHost: evil-one.com\r\nX-Unfinished: ") == LISTED
    assert collector.settled_fates(1)["recorded"] == 1


def test_datagrams_are_recorded_and_not_answered(tmp_path: Path) -> None:
    """A datagram to a listed service is a row of trust "datagram"; an empty one too; nothing comes back."""
    made = Collector(tmp_path)
    from collectors import write_operation

    service = f'[[services]]\ntransport = "udp"\nport = {made.udp_port}\nfamily = "zeroaccess"\n'
    write_operation(tmp_path / "operations", services=service, volume=True)
    with made:
        made.start()
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.settimeout(0.3)
                for payload in (b"", b"x" * 1400):
                    sock.sendto(payload, (host, made.udp_port))
                with pytest.raises(TimeoutError):
                    sock.recv(10)
        assert made.settled_fates(4) == {"recorded": 4, "accepted": 4, "open": 0}
        made.stop()
        rows = made.rows()
    assert sorted(
        (row["src_ip"], row["bytes_in"], row["transport"], row["source_trust"]) for row in rows
    ) == [
        ("127.0.0.1", 0, "udp", "datagram"),
        ("127.0.0.1", 1400, "udp", "datagram"),
        ("::1", 0, "udp", "datagram"),
        ("::1", 1400, "udp", "datagram"),
    ]


def test_wildcard_listeners_record_the_address_that_was_called(tmp_path: Path) -> None:
    """On 0.0.0.0 the destination is asked of each connection and each datagram."""
    made = Collector(tmp_path)
    from collectors import write_operation

    made.settings["intake.listen"] = [
        f"tcp://0.0.0.0:{made.port}",
        f"udp://0.0.0.0:{made.udp_port}",
        f"tcp://[::]:{made.port}",
    ]
    write_operation(
        tmp_path / "operations",
        services=f'[[services]]\ntransport = "udp"\nport = {made.udp_port}\nfamily = "zeroaccess"\n',
    )
    with made:
        made.start()
        exchange(made.port, get(), host="127.0.0.3")
        exchange(made.port, get(), host="::1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("127.0.0.9", made.udp_port))
        made.settled_fates(3)
        made.stop()
        assert sorted(row["dst_ip"] for row in made.rows()) == ["127.0.0.3", "127.0.0.9", "::1"]


def test_l36_listed_proxies_must_speak_and_others_are_never_believed(tmp_path: Path) -> None:
    """From a listed network the header's addresses are recorded, and its absence is refused; elsewhere it is content."""
    settings = {"intake.proxy_protocol_from": ["127.0.0.0/30"]}
    with running(tmp_path, settings=settings) as made:
        header = proxy_v2("198.51.100.7", "192.0.2.1", 4444, 80)
        assert exchange(made.port, header + get()) == LISTED
        assert exchange(made.port, header[:9], header[9:] + get()[:11], get()[11:]) == LISTED
        assert exchange(made.port, b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 443\r\n" + get()) == LISTED
        for bad in (
            get(),
            b"PROXY UNKNOWN\r\n" + get(),
            b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n",
            header[:12] + b"\x20\x00\x00\x00",
        ):
            assert exchange(made.port, bad) == b""
        assert exchange(made.port, header[:5]) == b""  # unfinished at the deadline
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.9", 0))
            stranger.connect(("127.0.0.1", made.port))
            stranger.sendall(b"PROXY TCP4 198.51.100.9 192.0.2.1 1 2\r\n" + get())
            stranger.settimeout(5)
            stranger.recv(1000)
        fates = made.settled_fates(9)
        assert {key: fates[key] for key in ("recorded", "rejected_proxy", "suppressed_scope")} == {
            "recorded": 3,
            "rejected_proxy": 5,
            "suppressed_scope": 1,
        }
        made.stop()
        rows = made.rows()
    assert [(r["src_ip"], r["src_port"], r["dst_ip"], r["dst_port"], r["source_trust"]) for r in rows] == [
        ("198.51.100.7", 4444, "192.0.2.1", 80, "proxy"),
        ("198.51.100.7", 4444, "192.0.2.1", 80, "proxy"),
        ("2001:db8::7", 5555, "2001:db8::1", 443, "proxy"),
    ]


def test_our_own_probes_are_answered_and_never_recorded(tmp_path: Path) -> None:
    """Whatever a source in ignore_from asks for: answered, suppressed_probe, no row."""
    with running(tmp_path, settings={"intake.ignore_from": ["127.0.0.1/32"]}) as made:
        assert exchange(made.port, get()) == DEFAULT
        assert exchange(made.port, get()[:9], get()[9:]) == DEFAULT
        assert made.settled_fates(2) == {"suppressed_probe": 2, "accepted": 2, "open": 0}
        made.stop()
        assert made.rows() == []


def test_sync_answers_after_the_commit_like_write_does(tmp_path: Path) -> None:
    """Durability "sync" gives the same answers and rows, grouped into commits."""
    with running(tmp_path, settings={"intake.durability": "sync"}) as made:
        for _ in range(5):
            assert exchange(made.port, get()) == LISTED
        assert exchange(made.port, get(b"unlisted.example")) == DEFAULT
        assert made.settled_fates(6) == {"recorded": 5, "suppressed_scope": 1, "accepted": 6, "open": 0}
        samples = made.metrics()
        assert samples["pentrap_commit_duration_seconds_count"] >= 1
        assert samples["pentrap_checkin_to_durable_seconds_count"] == 5
        made.stop()
        assert len(made.rows()) == 5
