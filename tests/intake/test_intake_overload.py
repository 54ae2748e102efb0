"""What is shed under overload, in which order, and that it is counted."""

import socket
import time
from pathlib import Path

from collectors import exchange, get, running


def half_open(port: int, source: str) -> socket.socket:
    """A connection from `source` that has sent half a head."""
    sock = socket.socket()
    sock.settimeout(10)
    sock.bind((source, 0))
    sock.connect(("127.0.0.1", port))
    sock.sendall(b"GET / HTTP/1.1\r\nHost: evil-")
    return sock


def is_closed(sock: socket.socket) -> bool:
    """Whether the collector has closed it without an answer."""
    try:
        return sock.recv(100) == b""
    except ConnectionResetError:
        return True


def test_one_source_cannot_take_all_places(tmp_path: Path) -> None:
    """Beyond the cap for a source its newest unfinished connection is shed; other sources and whole heads are not."""
    settings = {"intake.unfinished_per_source_max": 3, "intake.head_deadline_seconds": 30}
    with running(tmp_path, settings=settings) as made:
        held = [half_open(made.port, "127.0.0.2") for _ in range(3)]
        time.sleep(0.1)
        assert is_closed(half_open(made.port, "127.0.0.2"))
        other = half_open(made.port, "127.0.0.3")
        assert b"malware" in exchange(made.port, get())
        other.sendall(b"one.com\r\n\r\n")
        assert b"malware" in other.recv(1000)
        held[0].sendall(b"one.com\r\n\r\n")
        assert b"malware" in held[0].recv(1000)
        fates = made.fates()
        assert (fates["dropped_overload"], fates["recorded"], fates["open"]) == (1, 3, 2)


def test_the_longest_unfinished_makes_room(tmp_path: Path) -> None:
    """Beyond the cap on connections the one that has waited longest is shed, and honest machines are answered."""
    settings = {"intake.connections_max": 5, "intake.head_deadline_seconds": 30}
    with running(tmp_path, settings=settings) as made:
        held = [half_open(made.port, f"127.0.0.{n}") for n in range(2, 12)]
        time.sleep(0.2)
        assert all(is_closed(sock) for sock in held[:5])
        assert b"malware" in exchange(made.port, get())
        held[9].sendall(b"one.com\r\n\r\n")
        assert b"malware" in held[9].recv(1000)
        fates = made.fates()
        assert (fates["dropped_overload"], fates["recorded"], fates["open"]) == (5, 2, 4)


def test_held_bytes_are_capped_in_all(tmp_path: Path) -> None:
    """Unfinished heads together hold no more than the cap: the longest unfinished are shed."""
    settings = {"intake.unfinished_bytes_max_mb": 1, "intake.head_deadline_seconds": 30}
    with running(tmp_path, settings=settings) as made:
        socks = []
        for n in range(160):
            sock = half_open(made.port, f"127.0.1.{n + 1}")
            sock.sendall(b"x" * 7900)
            socks.append(sock)
        time.sleep(0.3)
        fates = made.fates()
        assert fates["dropped_overload"] >= 20
        assert fates["open"] * 7900 <= 1 << 20
        assert is_closed(socks[0])
        assert b"malware" in exchange(made.port, get())


def test_a_clean_stop_takes_what_is_queued_and_waits_for_heads(tmp_path: Path) -> None:
    """SIGTERM: an unfinished head may still end in time and is answered and recorded."""
    with running(tmp_path, settings={"intake.head_deadline_seconds": 5}) as made:
        late = half_open(made.port, "127.0.0.2")
        time.sleep(0.1)
        assert made.process is not None
        made.process.terminate()
        time.sleep(0.3)
        late.sendall(b"one.com\r\n\r\n")
        assert b"malware" in late.recv(1000)
        assert made.stop() == 0
        assert len(made.rows()) == 1
        assert not list(made.data.glob("journal/*/*"))
