"""Bytes for each row of the decision table of collector.wire.classify; the verdicts stand in the table alone.

In every case whose row says `name`, that name is NAME, unless the case brings its own.
"""

import re
import struct

from collector.wire import classify as table
from collector.wire.verdict import (
    HTTP,
    NONE,
    OPAQUE,
    TLS,
    TOO_LONG,
    TWO_NAMES,
    UNFINISHED,
    Verdict,
)

NAME = b"bot.example.org"
OTHER = b"other.example.net"

_ROW = re.compile(
    r"^    ([OHTE]\d\d)  (http|tls|opaque) (name|-|two-names|too-long|unfinished) ", re.MULTILINE
)
_APPLICATIONS = {"http": HTTP, "tls": TLS, "opaque": OPAQUE}
_FLAWS = {"name": NONE, "-": NONE, "two-names": TWO_NAMES, "too-long": TOO_LONG, "unfinished": UNFINISHED}


def rows() -> dict[str, tuple[str, str]]:
    """Return the table as key: (application, outcome), read from the docstring."""
    assert table.__doc__ is not None
    return {key: (application, outcome) for key, application, outcome in _ROW.findall(table.__doc__)}


def expected(key: str, name: bytes) -> Verdict:
    """Return the verdict that the table gives for the row."""
    application, outcome = rows()[key]
    return Verdict(_APPLICATIONS[application], name if outcome == "name" else None, _FLAWS[outcome])


def vector(size: int, *parts: bytes) -> bytes:
    """Return the parts behind their length in `size` bytes (RFC 8446 3.4)."""
    body = b"".join(parts)
    return len(body).to_bytes(size, "big") + body


def extension(number: int, body: bytes) -> bytes:
    """Return one extension (RFC 8446 4.2)."""
    return struct.pack("!H", number) + vector(2, body)


def server_name(*names: bytes, kind: int = 0) -> bytes:
    """Return a server_name extension with these names (RFC 6066 3)."""
    return extension(0, vector(2, *(bytes([kind]) + vector(2, name) for name in names)))


def hello(*extensions: bytes, tail: bytes | None = None, session: bytes = bytes(32)) -> bytes:
    """Return a ClientHello message (RFC 8446 4.1.2); `tail` stands in place of the extensions' vector."""
    block = vector(2, *extensions) if tail is None else tail
    suites, compression = vector(2, b"\x13\x01\x13\x02\xc0\x2f"), vector(1, b"\0")
    return b"\x01" + vector(3, b"\x03\x03", bytes(range(32)), vector(1, session), suites, compression, block)


def records(message: bytes, size: int = 1 << 14) -> bytes:
    """Return the message cut into records of at most `size` bytes (RFC 8446 5.1)."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + vector(2, piece) for piece in pieces)


GREASE = extension(0x0A0A, b"\0")  # RFC 8701
VERSIONS = extension(43, b"\x04\x7a\x7a\x03\x04")
PADDING = extension(21, bytes(200))
ECH = extension(0xFE0D, b"\0" + OTHER)
SNI = server_name(NAME)
SNI_OTHER = server_name(OTHER)
HELLO = records(hello(GREASE, SNI, VERSIONS, PADDING))

FIRST = b"GET /gate.php?id=77 HTTP/1.1\r\n"
HOST = b"Host: " + NAME + b"\r\n"
HOST_OTHER = b"Host: " + OTHER + b"\r\n"
AGENT = b"User-Agent: Mozilla/4.0\r\n"
LONG = b"X: " + b"x" * 8192 + b"\r\n"


def _head(*fields: bytes) -> bytes:
    return FIRST + b"".join(fields) + b"\r\n"


def _hosts(*values: bytes) -> list[bytes]:
    return [_head(AGENT, b"Host: " + value + b"\r\n") for value in values]


def _firsts(*lines: bytes) -> list[bytes]:
    return [line + b"\r\n" + HOST + b"\r\n" for line in lines]


CASES: dict[str, list[bytes | tuple[bytes, bytes]]] = {
    "O01": [
        b"NICK bot\r\nUSER a b c d\r\n",
        b"USER anonymous\r\n",
        b"EHLO " + NAME + b"\r\n" + HOST + b"\r\n",
        b"get key\r\n",
        b"get /x\r\n",
        b"POST /x\r\n" + HOST + b"\r\n",
        b"GET-ALL now\n",
        b"GET / HTTP/1.1 now\r\n"[1:],
        b"OPTIONS * HTTP/x\r\n" + HOST + b"\r\n",
        b"M HTTP/1.1" + b"\r" + HOST[:-2] + b"\r\n\r\n",
    ],
    "O02": [
        b"\x00",
        b"\x80\x81",
        b"GE\x00T / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"\xc7ET / HTTP/1.1\r\n",
        b" GET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"M" * 33,
        b"GET\r\n",
        b"QUIT\n",
        b"\rGET / HTTP/1.1\r\n" + HOST + b"\r\n",
        b"{}",
        b"PROXY(TCP4)",
    ],
    "O03": [
        b"HTTP/1.1 200 OK\r\n" + HOST + b"\r\n",
        b"INVITE sip:a@b SIP/2.0\r\n",
        b"DESCRIBE rtsp://x RTSP/1.0\r\n",
    ],
    "O04": [b"GET key\r\n", b"GET  \r\n", b"GET 1://x\r\n"],
    "O05": [
        b"\x15\x03\x01\x00\x02\x02\x28",
        b"\x17\x03\x03",
        b"\x14\x03\x03",
        b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10",
        b"\x16\xfe\xfd\x00\x00",
        b"\x16\x02",
        b"\x16\x16\x03",
    ],
    "O06": [b"\r\n" * 4096, b"\n" * 8192, b"NICK " + b"x" * 8192, b"get " + b"/" * 8192],
    "H01": [
        _head(HOST),
        _head(AGENT, HOST, AGENT),
        _head(b"HOST:" + NAME + b"\r\n"),
        _head(b"hOsT:\t " + NAME + b" \t\r\n", AGENT),
        _head(b"X-Host: " + OTHER + b"\r\n", b"Hosts: " + OTHER + b"\r\n", HOST, b"Hos: a\r\nHost\r\n"),
        _head(b"X-Forwarded-Host: " + OTHER + b"\r\n", HOST),
        _head(b"no colon here\r\n", b": no name\r\n", b"\xff\x00\x01: x\r\n", b"\x0b\r\n", b"\r\r\n", HOST),
        b"GET //" + OTHER + b"/x HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET /http://" + OTHER + b"/x HTTP/1.1\r\n" + HOST + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
        b"GET " + OTHER + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
    "H02": [
        _head(),
        _head(AGENT),
        *_hosts(b"", b" \t ", b":80", b"."),
        b"GET / HTTP/1.0\n\n",
        b"GET http:///x HTTP/1.1\r\n\r\n",
        b"CONNECT HTTP/1.1\r\n\r\n",
        b"GET " + NAME + b" HTTP/1.1\r\n\r\n",
    ],
    "H03": [
        _head(HOST, HOST),
        _head(HOST, b"Host: " + NAME.upper() + b".:8080\r\n"),
        _head(HOST, AGENT, b"host:" + NAME + b":\r\n", HOST),
    ],
    "H04": [
        _head(HOST, HOST_OTHER),
        _head(HOST, AGENT, b"host :" + OTHER + b"\r\n", HOST),
        _head(HOST, b"Host: 192.0.2.1\r\n"),
        _head(HOST, b"Host: [2001:db8::1]:80\r\n"),
        _head(HOST, b"Host: www." + NAME + b"\r\n"),
    ],
    "H05": [
        _head(HOST, b"Host:\r\n"),
        _head(b"Host: a b\r\n", HOST),
        _head(b"Host: \x00" + OTHER + b"\r\n", HOST, b"Host: \xff\r\n"),
        _head(b"Host: " + OTHER + b"/\r\n", HOST),
        b"GET http://a@b/ HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
    "H06": _hosts(
        NAME + b"\0",
        b"\0" + NAME,
        NAME + b"\x7f",
        NAME + b"\x0b",
        NAME + b"\r",
        b"b\xc3\xb6t.example.org",
        b"bot example.org",
        b"bot..example.org",
        b".example.org",
        NAME + b"..",
        b"user@" + NAME,
        b"user:pass@" + NAME,
        NAME + b":80a",
        NAME + b":80:80",
        NAME + b": 80",
        NAME + b":-1",
        NAME + b"/",
        NAME + b",",
        b"http://" + NAME,
        b"a" * 254,
        b"a." * 126 + b"aa",
        b"[2001:db8::1",
        b"[2001:db8::1]x",
        b"[2001:db8::1%25eth0]",
        b"[" + NAME + b"]",
        b"%62ot.example.org",
    ),
    "H07": [
        b"GET http://" + NAME + b"/x?y HTTP/1.1\r\n\r\n",
        b"GET http://" + NAME + b" HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET HTTPS://" + NAME.upper() + b".:443?q HTTP/1.1\r\n" + HOST + b"\r\n",
        b"POST ftp://" + NAME + b"#x HTTP/1.0\r\n" + AGENT + b"\r\n",
        b"GET http://" + NAME + b"/http://" + OTHER + b"/ HTTP/1.0\r\n\r\n",
        b"GET http://" + NAME + b"/\r\n\r\n",
    ],
    "H08": [
        b"GET http://" + NAME + b"/ HTTP/1.1\r\n" + HOST_OTHER + b"\r\n",
        b"GET http://" + NAME + b"/\r\n" + HOST_OTHER + b"\r\n",
    ],
    "H09": [
        b"GET http://user:pass@" + NAME + b"/ HTTP/1.1\r\n\r\n",
        b"GET http://" + OTHER + b"@" + NAME + b"/ HTTP/1.1\r\n\r\n",
        b"GET http://" + OTHER + b"\\@" + NAME + b"/ HTTP/1.1\r\n\r\n",
    ],
    "H10": [
        b"CONNECT " + NAME + b":443 HTTP/1.1\r\n\r\n",
        b"CONNECT " + NAME + b":443 HTTP/1.1\r\n" + HOST + b"\r\n",
        b"connect " + NAME + b" HTTP/1.0\r\n\r\n",
        b"CONNECT  http://" + NAME + b"/ HTTP/1.1\r\n\r\n",
        b"CONNECT /x HTTP/1.1\r\n" + HOST + b"\r\n",
    ],
    "H11": [b"CONNECT " + NAME + b":443 HTTP/1.1\r\n" + HOST_OTHER + b"\r\n"],
    "H12": [
        _head(b"Host:\r\n " + NAME + b"\r\n"),
        _head(b"Host:\n\t" + NAME + b"\r\n \r\n", AGENT),
        _head(b"Host: " + NAME + b"\r\n  \t\n", AGENT),
    ],
    "H13": [_head(b"Host: bot.exa\r\n mple.org\r\n"), _head(HOST, b"\t" + OTHER + b"\r\n")],
    "H14": [_head(b"Host : " + NAME + b"\r\n"), _head(AGENT, b"Host\t \t:" + NAME + b"\r\n")],
    "H15": [_head(b" " + HOST), _head(AGENT, b"\t" + HOST)],
    "H16": [
        _head(HOST).replace(b"\r\n", b"\n"),
        FIRST + HOST[:-2] + b"\n\r\n",
        b"GET / HTTP/1.0\n" + AGENT + HOST + b"\n",
    ],
    "H17": [b"\r\n" + _head(HOST), b"\n\r\n\n\n" + _head(AGENT, HOST)],
    "H18": _firsts(
        b"GET /\0 HTTP/1.1",
        b"GET \0 HTTP/1.1",
        b"GET /a b c HTTP/1.1",
        b"GET /\xff\xfe\r\x01 HTTP/1.1",
        b"GET ?" + b"x" * 4000 + b" HTTP/1.1",
        b"GET / HTTP/1.1 HTTP/1.0",
    ),
    "H19": _firsts(
        b"get / HTTP/1.1",
        b"PoSt / HTTP/1.0",
        b"XYZZY / HTTP/1.1",
        b"!#$%&'*+.^_`|~09 / HTTP/1.1",
        b"M" * 32 + b" / HTTP/1.1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/2.0",
        b"GET / http/1.1",
        b"GET / HTTP/9",
        b"GET / HTTP/1.1\0",
    ),
    "H20": _firsts(
        b"POST  /  HTTP/1.0",
        b"GET\t/\tHTTP/1.1",
        b"GET / HTTP/1.1 \t ",
        b"GET / HTTP/1.1 ",
        b"GET HTTP/1.1",
        b"GET   HTTP/1.1",
    ),
    "H21": [*_firsts(b"GET /x", b"GET  /x y"), b"GET /x\n" + AGENT + HOST + b"\n"],
    "H22": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)],
    "H23": [
        *_hosts(NAME.upper(), NAME + b":8080", NAME + b":", NAME + b".", NAME + b".:80"),
        (_head(b"Host: _x-1.Bot_.Example.ORG\r\n"), b"_x-1.bot_.example.org"),
        (_head(b"Host: " + b"a" * 253 + b".\r\n"), b"a" * 253),
    ],
    "H24": [
        (_hosts(b"192.0.2.1:80")[0], b"192.0.2.1"),
        (_hosts(b"[2001:DB8::1]:80")[0], b"[2001:db8::1]"),
        (_hosts(b"[::ffff:192.0.2.1]")[0], b"[::ffff:192.0.2.1]"),
        (b"GET http://[::1]/ HTTP/1.1\r\n\r\n", b"[::1]"),
        (b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", b"[::1]"),
        (_hosts(b"localhost")[0], b"localhost"),
    ],
    "H25": [
        _head(HOST) + _head(HOST_OTHER),
        _head(HOST) + b"\0" * 9000,
        _head(HOST) + HOST_OTHER,
        FIRST + HOST + b"\n" + HOST_OTHER + b"\r\n",
        FIRST + b"X: " + b"x" * (8192 - len(FIRST + HOST) - 7) + b"\r\n" + HOST + b"\r\n" + b"z",
    ],
    "H26": [
        _head() + HOST + b"\r\n",
        FIRST + b"\n" + HOST + b"\r\n",
        FIRST.rstrip() + b"\n\r\n" + HOST + b"\r\n",
    ],
    "H27": [
        FIRST + HOST + LONG + b"\r\n",
        FIRST + LONG + HOST + b"\r\n",
        FIRST + HOST + HOST_OTHER + LONG,
        FIRST + HOST + AGENT * 400 + b"\r\n",
        b"POST /" + b"x" * 8192 + b" HTTP/1.1\r\n",
        b"GET /\r\n" + LONG,
        b"GET " + b"/" * 8188,
        b"\n" * 8000 + b"GET /" + b"x" * 187,
        FIRST + b"X: " + b"x" * (8192 - len(FIRST + HOST) - 6) + b"\r\n" + HOST + b"\r\n",
    ],
    "T01": [
        HELLO,
        records(hello(SNI)),
        HELLO.replace(b"\x16\x03\x01", b"\x16\x03\xff"),
        records(hello(SNI, session=b"")),
    ],
    "T02": [records(hello(GREASE, SNI, PADDING), size) for size in (1, 2, 3, 4, 5, 7, 64, 150)],
    "T03": [
        records(hello(tail=b"")),
        records(hello()),
        records(hello(GREASE, VERSIONS)),
        records(hello(extension(0, b"\0\0"))),
        records(hello(server_name(NAME, kind=1))),
        records(hello(tail=b"\0")),
        records(b"\x01\0\0\0"),
        records(b"\x01" + vector(3, b"\x03\x03", bytes(32))),
        records(b"\x01" + vector(3, b"\x03\x03", bytes(32), b"\0\0\0")),
    ],
    "T04": [records(hello(server_name(NAME, OTHER))), records(hello(SNI, GREASE, SNI_OTHER))],
    "T05": [
        records(hello(server_name(NAME, NAME.upper()))),
        records(hello(SNI, SNI)),
        records(hello(server_name(b"", NAME, b"a b"))),
        records(hello(server_name(OTHER, kind=7), SNI)),
    ],
    "T06": [
        records(hello(GREASE, ECH, SNI)),
        records(hello(SNI, ECH, PADDING)),
        records(hello(extension(0xABCD, SNI_OTHER), extension(0x0100, SNI_OTHER), SNI)),
        records(hello(server_name(NAME + b"."))),
    ],
    "T07": [
        records(hello(server_name(name)))
        for name in (NAME + b":443", b"a b", NAME + b"\0", b"", b"\xff", b"a" * 254)
    ],
    "T08": [
        records(hello(tail=b"\xff\xff" + SNI)),
        records(hello(tail=vector(2, SNI)[:-1])),
        records(hello(tail=(len(SNI) - 1).to_bytes(2, "big") + SNI)),
        records(hello(tail=vector(2, GREASE) + SNI)),
        records(hello(tail=vector(2, b"\x00\x17\xff\xff" + SNI))),
        records(hello(extension(0, b"\xff\xff\0\0\x01a"), SNI)),
        records(hello(extension(0, vector(2, b"\0\0\xffa")))),
        records(hello(extension(0, vector(2, b"\0\0")))),
        records(hello(extension(0, b"\0"), SNI)),
        records(hello(extension(0, b""), SNI)),
        records(b"\x01" + vector(3, b"\x03\x03", bytes(32), b"\xff", vector(2, SNI))),
        records(b"\x01" + vector(3, b"\x03\x03", bytes(32), b"\0", b"\xff\xff", vector(2, SNI))),
        records(b"\x01" + vector(3, b"\x03\x03", bytes(32), b"\0\0\0", b"\xff", vector(2, SNI))),
    ],
    "T09": [
        records(hello(tail=vector(2, SNI, b"\x00\x17\xff\xff"))),
        records(hello(tail=vector(2, SNI, b"\x00"))),
        records(hello(tail=vector(2, SNI) + b"junk")),
        records(hello(SNI, extension(0, b"\xff\xff"))),
    ],
    "T10": [
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x40\x01\x01",
        b"\x16\x03\x01\x00\x02\x01\x00\x17\x03\x03\x00\x10",
        b"\x16\x03\x01\x00\x02\x01\x00\x16\x02\x03\x00\x10",
        records(hello(SNI), 40)[:45] + b"\x15\x03\x01\x00\x02",
        b"\x16\x03\x41\x42\x43" + bytes(5),
    ],
    "T11": [records(hello(SNI, PADDING), 150)[:155] + b"\x15\x03\x01\x00\x02\x02\x28"],
    "T12": [
        b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        b"\x16\x03\x01\x00\x30\x00",
        b"\x16\x03\x01\x00\x30\xff" + SNI,
    ],
    "T13": [
        records(b"\x01" + (8188).to_bytes(3, "big")),
        records(hello(SNI, extension(21, bytes(8100)))),
        records(hello(SNI, extension(21, bytes(2000))), 1)[:8192],
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    ],
    "T14": [
        HELLO + b"\x14\x03\x03\x00\x01\x01",
        records(hello(SNI) + hello(SNI_OTHER)),
        HELLO + HELLO,
        HELLO + b"\xff" * 9000,
        records(hello(SNI, extension(21, bytes(8192 - 5 - len(hello(SNI)) - 4)))) + b"z",
    ],
    "E01": [b"", b"\r\n\r\n", b"\r", b"\x16", b"G", b"GET", b"M" * 32, b"\r\nGET"],
    "E02": [b"GET ", b"POST /gate", b"GET / HTTP/1.1\r", b"\r\n\r\nDELETE\t", b"CONNECT " + NAME + b":443"],
    "E03": [b"NICK bot", b"get /x", b"XYZZY / HTTP/1.1"],
    "E04": [
        FIRST,
        FIRST + AGENT,
        FIRST + AGENT + b"\r",
        FIRST + b"Host: \0\r\n",
        b"GET /x\r\nA: b\r\n",
        b"GET /x\n\r",
    ],
    "E05": [
        FIRST + HOST,
        FIRST + HOST + AGENT,
        FIRST + HOST + b"\r",
        FIRST + HOST + HOST + b"X: unfini",
        FIRST + HOST + b"Host: other.exam",
        b"GET http://" + NAME + b"/ HTTP/1.0\r\n",
        b"GET http://" + NAME + b"/\r\n",
        b"CONNECT " + NAME + b":443 HTTP/1.1\r\nX",
        b"GET /x\r\n" + HOST,
        FIRST + b"Host:\r\n " + NAME + b"\r\n",
    ],
    "E06": [FIRST + HOST + HOST_OTHER, b"GET http://" + OTHER + b"/ HTTP/1.1\r\n" + HOST],
    "E07": [
        FIRST + HOST[:-2],
        FIRST + HOST[:-1],
        FIRST + AGENT + b"Host: bot.exam",
        FIRST + HOST + b" ",
        FIRST + b"Host:\r\n " + NAME,
        b"GET /x\r\n" + HOST[:-1],
    ],
    "E08": [b"GET /x\r\n", b"GET /\n", b"GET http:///x\r\n"],
    "E09": [
        b"\x16\x03",
        b"\x16\x03\x01\x02",
        HELLO[:6],
        HELLO[:60],
        records(hello(PADDING, SNI))[:200],
        HELLO[:-203][:-20],
    ],
    "E10": [HELLO[:-1], HELLO[:-150], records(hello(SNI, PADDING), 8)[:-50], HELLO[:-206]],
}
