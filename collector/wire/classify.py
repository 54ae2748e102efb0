"""What the first bytes of a connection are, and whom they name.

Bytes that begin as an HTTP request are read to the end of the head (`http`), bytes that begin as a TLS
handshake to the end of the ClientHello (`tls`), and all others are opaque. The verdict depends on the bytes
alone, never on how they were split; once it has fallen no further byte changes it or is looked at.

This table decides every case. A name is the one distinct valid-looking host that the bytes name, `-` is none.
The tests take verdicts from this text, so that a row which does not hold is a failing test.

    begins as
    O01  opaque -         a first line that ends without an HTTP version: NICK, USER, EHLO, `get key`, POST
                          /x. Many protocols are words in lines; only a version, or GET and a path, says
                          HTTP.
    O02  opaque -         a first word with a byte that no method has (RFC 9110 5.6.2), of over 32 bytes, or
                          alone in its line; a bare CR before it.
    O03  opaque -         HTTP/1.1 200 OK, SIP/2.0, RTSP/1.0: nobody asks us for anything, or not in HTTP.
    O04  opaque -         GET without a path or a scheme, without a version: other protocols have that word,
                          too.
    O05  opaque -         TLS records of other types, an SSLv2 hello (RFC 5246 E.2), DTLS: they cannot carry
                          a name before a handshake record has come, and their first bytes are too common.
    O06  opaque -         8 KiB of empty lines, or of a first line that begins with no known method.
    http
    H01  http name        one Host (RFC 9110 7.2).
    H02  http -           no Host, or an empty one: HTTP/1.0 does not ask for it. It names nobody.
    H03  http name        Hosts that are equal but for case, port and trailing dot: they agree.
    H04  http two-names   two different Hosts (RFC 9112 3.2). Choosing would be a guess at who led the
                          machine here.
    H05  http name        a host beside something that does not look like one: what is no host names nobody.
    H06  http -           NUL, control bytes, non-ASCII, a blank, an empty label, userinfo, a bad port, over
                          253 bytes: not a host. It is not repaired, since every repair is a guess.
    H07  http name        absolute-form target (RFC 9112 3.2.2), alone or in agreement with Host. Only its
                          authority is read.
    H08  http two-names   absolute-form target and a different Host. RFC 9112 3.2.2 lets the target win; who
                          is recorded should not hang on that.
    H09  http -           userinfo in the target's authority: an error (RFC 9110 4.2.4), and content.
    H10  http name        CONNECT and its authority-form target (RFC 9112 3.2.3), with or without a port.
    H11  http two-names   CONNECT and a different Host.
    H12  http name        Host whose value stands on the next, indented line: a fold is a blank (RFC 9112
                          5.2).
    H13  http -           a fold within the name: a blank, so H06.
    H14  http name        blanks between Host and its colon. RFC 9112 5.1 refuses it, because two readers
                          might differ; here is one reader, and a second Host that differs is H04.
    H15  http -           a blank before Host: the line continues the one above (RFC 9112 5.2, 2.2).
    H16  http name        lines that end in bare LF, all or some (RFC 9112 2.2).
    H17  http name        empty lines before the first line (RFC 9112 2.2).
    H18  http name        NUL, blanks, any bytes in the target: it is content and stepped over.
    H19  http name        methods in lower case or never heard of; HTTP/1.10, HTTP/2.0, http/1.1: bots are
                          bad at HTTP, and whatever they mean, Host is Host.
    H20  http name        several blanks, tabs, a blank at the end, no target in the first line (RFC 9112 3).
    H21  http name        GET /path without a version, then fields: the head goes on to the empty line as any
                          does. HTTP/0.9 (RFC 1945 4.1) has no fields, but waiting for them keeps the verdict
                          one and the same however the bytes were split.
    H22  http -           the HTTP/2 preface: it was made to look like a request without Host (RFC 9113 3.4);
                          the names come later, in frames that are not read.
    H23  http name        upper case, a port, an empty port, a trailing dot, underscores in Host.
    H24  http name        address literals are names as text; no schedule lists them.
    H25  http name        whatever stands after the empty line: another request, another Host, a body.
    H26  http -           a Host only after the empty line.
    H27  http too-long    no empty line within 8 KiB, whatever names stand there.
    tls
    T01  tls name         one host_name in server_name (RFC 6066 3).
    T02  tls name         the hello spread over several records (RFC 8446 5.1).
    T03  tls -            no extensions, no server_name, an empty one, or names of another type.
    T04  tls two-names    two different names, in one extension or in two (RFC 6066 3, RFC 8446 4.2 forbid
                          both).
    T05  tls name         the same name twice, or a name beside what is none.
    T06  tls name         GREASE (RFC 8701), unknown extensions; with ECH the outer name, all that can be
                          read.
    T07  tls -            a name with a port, a blank, a control byte, no byte.
    T08  tls -            a length that does not fit, at or before server_name: what follows cannot be
                          trusted.
    T09  tls name         a length that does not fit, after server_name: the name stood in a well-formed
                          place.
    T10  tls -            a record of another type, another major version, no bytes or over 2^14 amid the
                          hello.
    T11  tls name         the same, where a complete server_name came before.
    T12  tls -            a first message that is no ClientHello: a client does not begin so, and it names
                          nobody.
    T13  tls too-long     a hello that is announced to end, or does end, after 8 KiB, whatever names stand
                          there.
    T14  tls name         whatever stands after the hello, in its own record or the next.
    at the end (FIN, deadline, end of a datagram), when no verdict had fallen
    E01  opaque -         no byte, empty lines, 16 alone, a word alone: the beginning of nothing yet.
    E02  http unfinished  a known method and a blank, in a line without its end.
    E03  opaque -         any other word and a blank, in a line without its end.
    E04  http unfinished  a first line, and no complete host.
    E05  http name        a first line and a host, complete with its line's end, and no empty line. What came
                          is unambiguous, and a machine that hangs up early is as infected as others.
    E06  http two-names   two different ones likewise.
    E07  http unfinished  a Host line without its end, or with a fold that has none: the name may go on.
    E08  http -           GET /path without a version, and nothing more: the whole of an HTTP/0.9 request.
    E09  tls unfinished   a hello without a complete server_name.
    E10  tls name         a hello with a complete server_name, for the reason of E05.
"""

from collector.wire.http import Head, glance
from collector.wire.tls import HANDSHAKE, Hello
from collector.wire.verdict import NOT_OURS, TOO_LONG, UNFINISHED, Verdict

HEAD_MAX = 8192
"""Bytes of a head, and so of memory held for a connection; nginx and Apache allow one line that much."""


def classify(data: bytes, ended: bool) -> Verdict | None:
    """Return the verdict on a connection that began with `data`, or None while more bytes could change it.

    `ended` says that no more will come (FIN, deadline, end of the datagram); then there always is a verdict. A plain
    head of 211 bytes takes 1.2 µs, a ClientHello of 401 bytes 9 µs (loadtest/wire_speed.py).
    """
    verdict = glance(data, HEAD_MAX)
    if verdict is not None:
        return verdict
    conversation = Conversation()
    verdict = conversation.feed(data)
    return conversation.end() if verdict is None and ended else verdict


class Conversation:
    """A connection that arrives in pieces: the verdict of `classify` on the whole, in linear time."""

    __slots__ = ("_bytes", "_reader", "_verdict")

    def __init__(self) -> None:
        """Begin before the first byte."""
        self._bytes = bytearray()
        self._reader: Head | Hello | None = None
        self._verdict: Verdict | None = None

    @property
    def held(self) -> int:
        """Bytes of the connection that are in memory here; 0 once there is a verdict."""
        return len(self._bytes)

    def feed(self, data: bytes) -> Verdict | None:
        """Take the next bytes; return the verdict, or None while more could change it. A verdict is final."""
        if self._verdict is not None:
            return self._verdict
        held = self._bytes
        held += data[: HEAD_MAX - len(held)]
        if self._reader is None:
            if len(held) < len(HANDSHAKE) and HANDSHAKE.startswith(held):
                return None
            self._reader = Hello(HEAD_MAX) if held.startswith(HANDSHAKE) else Head()
        verdict = self._reader.read(held)
        if verdict is None and len(held) == HEAD_MAX:
            verdict = self._reader.close(held, TOO_LONG)
        return verdict if verdict is None else self._decide(verdict)

    def end(self) -> Verdict:
        """Say that no more bytes will come (FIN or deadline); return the verdict."""
        if self._verdict is not None:
            return self._verdict
        if self._reader is None:
            return self._decide(NOT_OURS)
        return self._decide(self._reader.close(self._bytes, UNFINISHED))

    def _decide(self, verdict: Verdict) -> Verdict:
        self._verdict = verdict
        self._bytes = bytearray()
        return verdict
