"""L-36: whose address is recorded: the socket's own, or that which a listed proxy vouches for; never what the machine says."""

import socket
from pathlib import Path

import pytest
from collectors import Collector, get, running, write_operation

CLAIMS = (
    b"X-Forwarded-For: 198.51.100.99\r\n",
    b"X-Forwarded-For: 198.51.100.99, 10.0.0.1\r\nX-Forwarded-Port: 4444\r\n",
    b"Forwarded: for=198.51.100.99;proto=http;by=203.0.113.43\r\n",
    b'Forwarded: for="[2001:db8::99]:4711"\r\n',
    b"X-Real-IP: 198.51.100.99\r\n",
    b"True-Client-IP: 198.51.100.99\r\n",
    b"CF-Connecting-IP: 198.51.100.99\r\n",
    b"X-Client-IP: 198.51.100.99\r\nVia: 1.1 proxy\r\nClient-IP: 198.51.100.99\r\n",
)
PROXY = "127.0.0.9"
SETTINGS = {"intake.proxy_protocol_from": [f"{PROXY}/32"]}


def say(made: Collector, source: str, *pieces: bytes) -> int:
    """One connection from `source`; the port it had."""
    with socket.socket() as sock:
        sock.bind((source, 0))
        sock.settimeout(5)
        sock.connect(("127.0.0.1", made.port))
        own = sock.getsockname()[1]
        for piece in pieces:
            sock.sendall(piece)
        while sock.recv(4096):
            pass
        return own


@pytest.mark.parametrize("proxied", [False, True])
def test_l36_no_header_changes_the_source(tmp_path: Path, proxied: bool) -> None:
    """X-Forwarded-For, Forwarded, X-Real-IP and their like, in one piece and in two, with or without a listed proxy before
    them: the recorded address and port are the socket's, or the proxy header's.
    """
    vouched = b"PROXY TCP4 203.0.113.7 192.0.2.80 4747 80\r\n"
    with running(tmp_path, settings=SETTINGS) as made:
        expected = []
        for claim in CLAIMS:
            head = get(more=claim)
            for pieces in ((head,), (head[:40], head[40:])):
                if proxied:
                    say(made, PROXY, vouched + pieces[0], *pieces[1:])
                    expected.append(("203.0.113.7", 4747, "192.0.2.80", 80, "proxy"))
                else:
                    expected.append(
                        ("127.0.0.5", say(made, "127.0.0.5", *pieces), "127.0.0.1", made.port, "handshake")
                    )
        made.settled_fates(len(expected))
        assert made.stop() == 0
        rows = sorted(made.rows(), key=lambda row: row["timestamp"])
    found = [(r["src_ip"], r["src_port"], r["dst_ip"], r["dst_port"], r["source_trust"]) for r in rows]
    assert found == expected


def test_l36_a_proxy_header_from_anybody_else_is_their_own_bytes(tmp_path: Path) -> None:
    """On a listed TCP service, whatever its bytes: recorded with the stranger's own address, as opaque; on an ordinary
    port it is nobody's, and not recorded.
    """
    header = b"PROXY TCP4 198.51.100.99 192.0.2.80 4747 80\r\n"
    binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("198.51.100.99") * 2 + b"\x12\x34\0\x50"
    made = Collector(tmp_path / "service", settings=SETTINGS)
    service = f'[[services]]\ntransport = "tcp"\nport = {made.port}\nfamily = "kelihos"\n'
    write_operation(tmp_path / "service/operations", services=service)
    with made.start():
        ports = [say(made, "127.0.0.5", start + get()) for start in (header, binary)]
        made.settled_fates(2)
        assert made.stop() == 0
    rows = sorted(made.rows(), key=lambda row: row["timestamp"])
    assert [(r["src_ip"], r["src_port"], r["application"], r["source_trust"]) for r in rows] == [
        ("127.0.0.5", port, "opaque", "handshake") for port in ports
    ]
    with running(tmp_path / "plain", settings=SETTINGS) as made:
        for start in (header, binary):
            say(made, "127.0.0.5", start + get())
        assert made.settled_fates(2) == {"suppressed_scope": 2, "accepted": 2, "open": 0}
        made.stop()
    assert made.rows() == []
