"""What infected machines say, with a canary in every zone of content: sent to a running collector, answers kept."""

import contextlib
import socket
import struct
import sys
from pathlib import Path

from canaries import Canaries, every_form
from collectors import Collector

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
from wire_cases import extension, hello, records, server_name, vector

LISTED = b"evil-one.com"
PROXY = "127.0.0.9"
PROBE = "127.0.0.8"
SETTINGS = {
    "intake.proxy_protocol_from": [f"{PROXY}/32"],
    "intake.ignore_from": [f"{PROBE}/32"],
    "intake.head_deadline_seconds": 0.5,
}


class Talk:
    """One round of conversations: `answers` is what came back, `said` how many check-ins were made."""

    def __init__(self, collector: Collector, canaries: Canaries) -> None:
        self.answers = b""
        self.said = 0
        self._collector = collector
        self._canaries = canaries
        self._unfinished: list[socket.socket] = []

    def word(self, zone: str) -> bytes:
        """A canary."""
        return self._canaries.word(zone)

    def value(self, zone: str, value: bytes) -> bytes:
        """A value whose hashes must not be found."""
        return self._canaries.value(zone, value)

    def tcp(
        self, *pieces: bytes, source: str = "127.0.0.1", leave_open: bool = False, wait: float = 8
    ) -> None:
        """One connection; the pieces go out in segments of their own."""
        sock = socket.socket()
        sock.settimeout(wait)
        sock.bind((source, 0))
        sock.connect(("127.0.0.1", self._collector.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.said += 1
        with contextlib.suppress(ConnectionError):
            for number, piece in enumerate(pieces):
                if number:
                    with contextlib.suppress(TimeoutError):
                        sock.settimeout(0.03)
                        self.answers += sock.recv(65536)
                    sock.settimeout(wait)
                sock.sendall(piece)
        if leave_open:
            self._unfinished.append(sock)
        else:
            self._read(sock)

    def udp(self, payload: bytes) -> None:
        """One datagram."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(payload, ("127.0.0.1", self._collector.udp_port))
        self.said += 1

    def finish(self) -> None:
        """Wait for what was left unfinished."""
        for sock in self._unfinished:
            self._read(sock)
        self._unfinished.clear()

    def _read(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(ConnectionError, TimeoutError):
            while more := sock.recv(65536):
                self.answers += more

    def request(self, zone: str, host: bytes, *, more: bytes = b"") -> bytes:
        """A request with canaries in all its parts."""
        word = self.word
        path = self.value(f"{zone} path", b"/" + word(f"{zone} path") + b"/gate.php")
        query = b"?" + word(f"{zone} query key") + b"=" + word(f"{zone} query value")
        target = self.value(f"{zone} target", path + query + b"#" + word(f"{zone} fragment"))
        agent = self.value(f"{zone} user agent", b"Mozilla/4.0 (" + word(f"{zone} user agent") + b")")
        cookie = self.value(f"{zone} cookie", b"sid=" + word(f"{zone} cookie"))
        lines = [
            self.value(f"{zone} first line", b"GET " + target + b" HTTP/1.1"),
            b"Host: " + self.value(f"{zone} host", host),
            b"User-Agent: " + agent,
            b"Cookie: " + cookie,
            b"Authorization: Bearer " + word(f"{zone} authorization"),
            b"Referer: http://" + word(f"{zone} referer") + b".example/",
            b"X-" + word(f"{zone} header name") + b": " + word(f"{zone} header value"),
            b"X-Forwarded-For: " + word(f"{zone} forwarded for"),
        ]
        head = b"\r\n".join([*lines, more]) + b"\r\n\r\n" if more else b"\r\n".join(lines) + b"\r\n\r\n"
        return self.value(f"{zone} whole head", head)

    def tls(self, zone: str, name: bytes) -> bytes:
        """A ClientHello with canaries in all its parts."""
        session = (self.word(f"{zone} session id") + bytes(8))[:32]
        message = bytearray(
            hello(
                extension(0x0A0A, self.word(f"{zone} grease")),
                server_name(self.value(f"{zone} server name", name)),
                extension(16, vector(2, vector(1, self.word(f"{zone} alpn")))),
                extension(51, self.word(f"{zone} key share") * 2),
                session=session,
            )
        )
        message[6 : 6 + 24] = self.word(f"{zone} random")
        return bytes(message)

    def everything(self) -> "Talk":
        """Each zone of content once at least."""
        self._http()
        self._odd_heads()
        self._hellos()
        self._others()
        self._proxied()
        self.finish()
        return self

    def some_of_everything(self) -> "Talk":
        """A short round: what is needed to see a leak on any path."""
        self.tcp(
            self.request(
                "unlisted", self.word("unlisted label") + b"." + self.word("unlisted domain") + b".com"
            )
        )
        self.tcp(self.request("listed", LISTED))
        self.tcp(self.request("subdomain", self.word("subdomain label") + b"." + LISTED))
        later = self.word("body in a later segment")
        self.tcp(self.request("posted", LISTED, more=b"Content-Length: 99") + self.word("body"), later)
        self.tcp(records(self.tls("tls", LISTED)))
        self.tcp(b"\0\1" + self.word("opaque"))
        self.udp(self.word("datagram"))
        return self

    def _http(self) -> None:
        word = self.word
        self.tcp(self.request("listed", LISTED))
        self.tcp(self.request("subdomain", word("subdomain label") + b"." + LISTED))
        self.tcp(self.request("unlisted", word("unlisted label") + b"." + word("unlisted domain") + b".com"))
        self.tcp(self.request("bystander", b"www." + word("bystander") + b".org:8080"))
        self.tcp(self.request("blocked", word("blocked label") + b".blocked.org"))
        body = self.value("body", b"id=" + word("body in the same segment"))
        self.tcp(self.request("posted", LISTED, more=b"Content-Length: 99") + body)
        later = self.value("later body", b"id=" + word("body in a later segment"))
        self.tcp(self.request("posted later", LISTED, more=b"Content-Length: 99"), later)
        whole = self.request("split", word("split label") + b"." + LISTED)
        self.tcp(whole[:40], whole[40:90], whole[90:] + word("body after a split head"))
        for number, form in enumerate(every_form(word("encoded body"))):
            self.tcp(
                b"POST /gate HTTP/1.1\r\nHost: evil-two.net\r\nContent-Length: 9\r\n\r\n"
                + form
                + b"%d" % number
            )
        for form in every_form(word("encoded path"))[:4]:
            self.tcp(b"GET /" + form + b" HTTP/1.0\r\nHost: " + LISTED + b"\r\n\r\n")
        self.tcp(self.request("probe", LISTED), source=PROBE)

    def _odd_heads(self) -> None:
        word = self.word
        end = b" HTTP/1.1\r\nHost: " + LISTED + b"\r\n\r\n"
        self.tcp(word("method").upper() + b" /" + end)
        self.tcp(b"GET http://" + word("absolute target") + b".example/x HTTP/1.1\r\n\r\n")
        self.tcp(b"GET http://u:" + word("userinfo") + b"@evil-one.com/ HTTP/1.1\r\n\r\n")
        self.tcp(b"CONNECT " + word("connect target") + b".example:443 HTTP/1.1\r\n\r\n")
        self.tcp(
            b"GET / HTTP/1.1\r\nHost: "
            + word("first of two hosts")
            + b".com\r\nHost: "
            + LISTED
            + b"\r\n\r\n"
        )
        self.tcp(b"GET / HTTP/1.1\r\nHost: " + word("host with a NUL") + b"\0.com\r\n\r\n")
        self.tcp(b"GET / HTTP/1.1\r\nHost: \xff\xfe" + word("host that is no UTF-8") + b"\r\n\r\n")
        self.tcp(b"GET / HTTP/1.1\r\nHost: a\r\n " + word("folded host") + b".com\r\n\r\n")
        self.tcp(b"GET / HTTP/1.1\nHost: evil-one.com:" + word("port") + b"\n\n")
        self.tcp(b"GET / HTTP/9." + word("version") + b"\r\nHost: " + LISTED + b"\r\n\r\n")
        self.tcp(b"GET /" + word("no host at all") + b" HTTP/1.0\r\n\r\n")
        self.tcp(b"GET /" + word("http 0.9") + b"\r\n\r\n")
        long = b"GET /" + word("endless head") + b" HTTP/1.1\r\nX: " + word("endless value") * 400
        self.tcp(long)
        self.tcp(b"GET /" + word("unfinished first line"), leave_open=True)
        self.tcp(b"GET / HTTP/1.1\r\nHost: " + word("unfinished host"), leave_open=True)
        self.tcp(
            b"GET / HTTP/1.1\r\nHost: evil-one.com\r\nCookie: " + word("unfinished cookie"), leave_open=True
        )

    def _hellos(self) -> None:
        word = self.word
        self.tcp(records(self.tls("tls", LISTED)))
        self.tcp(records(self.tls("tls below", word("listed server name's label") + b"." + LISTED)))
        self.tcp(records(self.tls("tls unlisted", word("unlisted server name") + b".net")))
        self.tcp(records(self.tls("tls odd", b"\xff\0" + word("server name that is none"))))
        early = b"\x17\x03\x03" + vector(2, word("tls payload"))
        self.tcp(records(self.tls("tls early", LISTED)) + early, early + word("later tls payload"))
        cut = records(self.tls("tls in pieces", LISTED), 40)
        self.tcp(cut[:60], cut[60:])
        self.tcp(records(self.tls("tls unfinished", LISTED))[:120], leave_open=True)
        self.tcp(b"\x16\x03\x01\x00\x30" + word("malformed hello") * 2)

    def _others(self) -> None:
        word = self.word
        self.tcp(b"NICK " + word("nick") + b"\r\nUSER " + word("user") + b" 0 * :x\r\n")
        self.tcp(b"\0\1\2\xff" + word("opaque") + b"\n\x80")
        self.tcp(b"\0\0\0", b"\x99" + word("opaque, later"))
        for form in every_form(word("opaque, encoded")):
            self.tcp(b"\x01" + form)
        self.udp(word("datagram"))
        self.udp(
            b"GET / HTTP/1.1\r\nHost: " + word("datagram that looks like http") + b"." + LISTED + b"\r\n\r\n"
        )
        self.udp(word("large datagram") * 300)

    def _proxied(self) -> None:
        word = self.word
        # TLV types: ALPN, AUTHORITY, NOOP, UNIQUE_ID, SSL, a private one.
        tlvs = b"".join(
            bytes([kind]) + vector(2, word(f"proxy TLV {kind:02x}")) for kind in (1, 2, 4, 5, 0x20, 0xE5)
        )
        addresses = (
            socket.inet_aton("198.51.100.77") + socket.inet_aton("192.0.2.80") + struct.pack("!HH", 40001, 80)
        )
        version2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + vector(2, addresses, tlvs)
        self.tcp(version2 + self.request("proxied", LISTED), source=PROXY)
        self.tcp(version2, self.request("proxied later", word("proxied label") + b"." + LISTED), source=PROXY)
        self.tcp(
            b"PROXY TCP4 198.51.100.78 192.0.2.80 40002 80\r\n" + self.request("proxied v1", LISTED),
            source=PROXY,
        )
        self.tcp(
            b"PROXY UNKNOWN " + word("unknown proxy") + b"\r\n" + self.request("unknown", LISTED),
            source=PROXY,
        )
        self.tcp(b"PROXY TCP4 " + word("proxy address") + b" 192.0.2.80 1 80\r\n", source=PROXY)
        self.tcp(b"\r\n\r\n\0\r\nQUIT\n\x20\x00" + vector(2, word("local proxy")), source=PROXY)
        self.tcp(self.request("proxy without a header", LISTED), source=PROXY)


def ask_the_operators_side(collector: Collector, canaries: Canaries) -> bytes:
    """Canaries to the management address too, in every place of a request, malformed ones included; and all that it answers."""
    word = canaries.word
    end = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    requests = (
        b"GET /" + word("manage path") + b"?q=" + word("manage query") + end + b"\r\n",
        b"GET /metrics?name[]=" + word("metrics query") + end + b"\r\n",
        b"GET /metrics"
        + end
        + b"Accept: application/openmetrics-text; escaping="
        + word("escaping")
        + b"\r\n\r\n",
        b"GET /readyz" + end + b"X-" + word("header name") + b": " + word("header value") + b"\r\n\r\n",
        b"GET /?" + word("page query") + end + b"Authorization: Basic " + word("basic") + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nConnection: close\r\nHost: " + word("manage host") + b"\r\n\r\n",
        b"GET /status.json" + end + b"Cookie: " + word("page cookie") + b"\r\n\r\n",
        b"GET /healthz" + end + b"Expect: " + word("expect") + b"\r\n\r\n",
        b"GET /" + word("expect path") + end + b"Expect: " + word("expect there") + b"\r\n\r\n",
        b"GET /metrics" + end + b"Authorization: Bearer " + word("bearer") + b"\r\n\r\n",
        word("manage method").upper() + b" /readyz" + end + b"\r\n",
        b"POST /metrics" + end + b"Content-Length: 24\r\n\r\n" + word("manage body"),
        b"POST /readyz" + end + b"Transfer-Encoding: chunked\r\n\r\n" + word("chunk size") + b"\r\n",
        b"POST /readyz" + end + b"Transfer-Encoding: " + word("transfer encoding") + b"\r\n\r\n",
        b"POST /readyz" + end + b"Content-Length: " + word("length") + b"\r\n\r\n",
        b"GET /readyz HTTP/" + word("manage version") + b"\r\n\r\n",
        b"GET /readyz" + end + word("header without a colon") + b"\r\n\r\n",
        b"GET /readyz" + end + b"X\0" + word("header with a NUL") + b": 1\r\n\r\n",
        b"\x16\x03\x01" + word("no http at all") + b"\r\n\r\n",
        b"GET http://[" + word("target that is no URL") + end + b"\r\n",
    )
    said = b""
    for request in requests:
        with socket.create_connection(("127.0.0.1", collector.manage_port), 2) as sock:
            sock.sendall(request)
            with contextlib.suppress(ConnectionError, TimeoutError):
                while more := sock.recv(65536):
                    said += more
    pages = ("/", "/status.json", "/metrics", "/readyz", "/healthz")
    return said + b"".join(map(collector.get, pages))
