"""Microseconds that one verdict takes: `python loadtest/wire_speed.py`, the least of nine rounds, on one core.

The first two lines are what nearly every check-in costs; the others are the general reader, whole and byte by byte.
"""

import os
import sys
import timeit
from collections.abc import Callable

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))

from collector.wire.classify import Conversation, classify
from collector.wire.proxy import read_proxy

AGENT = b"User-Agent: Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0)\r\n"
FIELDS = b"Accept: */*\r\n" + AGENT + b"Connection: close\r\nCache-Control: no-cache\r\n"
FIRST = b"GET /gate.php?id=8A7F3C21&os=6.1&v=2.3 HTTP/1.1\r\n"
HOST = b"Host: xk3fjq.example.com\r\n"
ROUNDS = 9
CALLS = 20_000


def hello() -> bytes:
    """Return a ClientHello of 14 extensions, the name among them."""
    name = b"xk3fjq.example.com"
    entry = b"\0" + len(name).to_bytes(2, "big") + name
    named = len(entry).to_bytes(2, "big") + entry
    block = (
        b"\0\0"
        + len(named).to_bytes(2, "big")
        + named
        + b"".join(b"\x7a%c\0\x10" % n + bytes(16) for n in range(13))
    )
    body = b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + b"\0\x20" + bytes(32) + b"\x01\0"
    body += len(block).to_bytes(2, "big") + block
    return (
        b"\x16\x03\x01" + (len(body) + 4).to_bytes(2, "big") + b"\x01" + len(body).to_bytes(3, "big") + body
    )


def microseconds(call: Callable[[], object], calls: int = CALLS) -> float:
    """Return the least time of one call over the rounds."""
    return min(timeit.repeat(call, number=calls, repeat=ROUNDS)) / calls * 1e6


def byte_by_byte(data: bytes) -> None:
    """Read a connection whose bytes come one by one."""
    conversation = Conversation()
    for at in range(len(data)):
        conversation.feed(data[at : at + 1])


def main() -> None:
    """Print a line for each kind of input."""
    plain = FIRST + FIELDS + HOST + b"\r\n"
    inputs = {
        "plain GET": plain,
        "plain GET, long cookie": FIRST + FIELDS + b"Cookie: " + b"x" * 300 + b"\r\n" + HOST + b"\r\n",
        "GET without Host": FIRST + FIELDS + b"\r\n",
        "GET in bare LF": plain.replace(b"\r\n", b"\n"),
        "two Hosts": FIRST + HOST + FIELDS + b"Host: other.example\r\n\r\n",
        "unfinished head": plain[:-2],
        "ClientHello": hello(),
        "opaque": bytes(range(128, 256)),
        "text protocol": b"NICK bot\r\nUSER a b c d\r\n",
    }
    for name, data in inputs.items():
        print(
            f"{name:24} {len(data):5} bytes {microseconds(lambda d=data: classify(d, ended=False)):8.2f} µs"
        )
    long = FIRST + b"X: " + b"x" * 8000
    print(
        f"{'byte by byte':24} {len(long):5} bytes {microseconds(lambda: byte_by_byte(long), 5) / len(long):8.2f} µs a byte"
    )
    proxied = b"PROXY TCP4 192.0.2.1 198.51.100.7 40000 80\r\n"
    print(f"{'PROXY v1':24} {len(proxied):5} bytes {microseconds(lambda: read_proxy(proxied)):8.2f} µs")


if __name__ == "__main__":
    main()
