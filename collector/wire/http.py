"""The head of an HTTP/1.x request, read for its host and nothing else (RFC 9110, RFC 9112, RFC 1945).

A head is a first line, then field lines, then an empty line; a line ends at LF, and one CR before it
belongs to the end (RFC 9112 2.2). The host may stand in the target's authority and in Host fields. Targets,
other fields and bodies are stepped over, never taken apart. What each oddity leads to stands in the table
of `classify`.

Two readers give the same verdict, and a property test holds them together:

`glance` is one regular expression for the plain head that nearly every bot sends; it may say "I do not
know". `Head` reads anything, in as many pieces as it likes to come: it remembers how far it searched, so
each byte is searched once for the end of a line and once for the empty line, and the fields are gone
through once.
"""

import re

from collector.wire.name import LABELS, NAME_MAX, canonical_authority
from collector.wire.verdict import HTTP, NONE, NOT_OURS, TOO_LONG, Verdict, judge

METHOD_MAX = 32
"""Bytes of a first word that may be a method; the longest in IANA's registry, UPDATEREDIRECTREF, has 17."""

KNOWN_METHODS = frozenset(b"GET HEAD POST PUT DELETE CONNECT OPTIONS TRACE PATCH".split())
"""Methods that alone show a first line to be HTTP when its end never came (RFC 9110 9.3, RFC 5789)."""

_CR = 13
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # RFC 9110 5.6.2
# No possessive "+" behind groups: `re` matches those wrongly before 3.11.5 (CPython gh-106052), and Debian 12 has 3.11.2.
_EMPTY_LINES = re.compile(rb"(?:\r?\n)*")
_FIRST_WORD = re.compile(rb"(%b{1,%d}+)(?:[ \t]|\Z)" % (_TOKEN, METHOD_MAX))
_VERSION = re.compile(rb"HTTP/[0-9]", re.IGNORECASE)
_ABSOLUTE = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*+://([^/?# \t]*+)")  # RFC 9112 3.2.2, RFC 3986 3
_WORD = re.compile(rb"[^ \t]*+")
_END = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]")  # RFC 9112 5.2
# Only a Host field whose last line has ended: a field is not over while a fold of it is still arriving.
_HOST = re.compile(rb"\n[Hh][Oo][Ss][Tt][ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*)(?=\n(?![ \t]))")

# 0.66 µs for a head of 211 bytes. Runs of "anything but LF" are what `re` is fastest at: hence the version is
# looked back at from the line's end, and a field that begins with h but is not Host is left to `Head`.
_OTHER_FIELDS = rb"(?:[^Hh\s].*+\n)*"
_PLAIN = re.compile(
    rb"[A-Z]{3,8} /.*+\n(?<= HTTP/1\.[01]\r\n)%b[Hh]ost: ?+(%b)(?::[0-9]*+)?\r\n%b\r\n"
    % (_OTHER_FIELDS, LABELS, _OTHER_FIELDS)
)
_plain = _PLAIN.match
_new = tuple.__new__


def plain_host(data: bytes | bytearray, limit: int) -> bytes | None:
    """Return the host of a complete plain head within the first `limit` bytes; None: ask `Head`."""
    plain = _plain(data, 0, limit)
    if plain is None or len(name := plain[1]) > NAME_MAX:
        return None
    return name.lower()


def glance(data: bytes, limit: int) -> Verdict | None:
    """Return the verdict on a complete plain head within the first `limit` bytes; None: ask `Head`."""
    name = plain_host(data, limit)
    return None if name is None else _new(Verdict, (HTTP, name, NONE))


class Head:
    """One request's head, read as it arrives. Each call gets all bytes so far."""

    __slots__ = ("_fields", "_names", "_searched", "_simple", "_start")

    def __init__(self) -> None:
        """Begin before the first byte."""
        self._start = 0  # where the first line begins, after empty lines
        self._searched = 0  # no LF of interest before this
        self._fields = (
            0  # where the LF of the first line stands; 0: not seen yet (a line has a word before its LF)
        )
        self._names: list[bytes | None] = []  # of the target
        self._simple = False  # HTTP/0.9

    def read(self, data: bytearray) -> Verdict | None:
        """Return the verdict on the head so far, or None while it may still change."""
        if not self._fields:
            verdict = self._read_first_line(data)
            if verdict is not None or not self._fields:
                return verdict
        end = _END.search(data, self._searched)
        if end is None:
            self._searched = max(self._fields, len(data) - 2)  # "\n\r" may be the beginning of the end
            return None
        return judge(HTTP, self._hosts(data, end.start() + 1), NONE)

    def close(self, data: bytearray, flaw: int) -> Verdict:
        """Return the verdict when no more will be read, `flaw` saying why: UNFINISHED or TOO_LONG."""
        if not self._fields:
            word = _FIRST_WORD.match(data, self._start)
            began = word is not None and word.end() > word.end(1) and word[1] in KNOWN_METHODS
            return Verdict(HTTP, None, flaw) if began else NOT_OURS
        if flaw == TOO_LONG:
            return Verdict(HTTP, None, TOO_LONG)
        whole = self._simple and len(data) == self._fields + 1
        return judge(HTTP, self._hosts(data, len(data)), NONE if whole else flaw)

    def _read_first_line(self, data: bytearray) -> Verdict | None:
        empty = _EMPTY_LINES.match(data, self._start)
        assert empty is not None  # it matches nothing, too
        self._start = start = empty.end()
        if len(data) == start or (len(data) == start + 1 and data[start] == _CR):
            return None
        word = _FIRST_WORD.match(data, start)
        if word is None:
            return NOT_OURS
        line_end = data.find(b"\n", max(start, self._searched))
        if line_end < 0:
            self._searched = len(data)
            return None
        method, line = word[1], bytes(data[word.end() : line_end]).removesuffix(b"\r").strip(b" \t")
        last_word = line[max(line.rfind(b" "), line.rfind(b"\t")) + 1 :]
        absolute = _ABSOLUTE.match(line)
        if not _VERSION.match(last_word):
            if method != b"GET" or not (absolute or line.startswith(b"/")):
                return NOT_OURS
            self._simple = True
        if absolute:
            self._names.append(canonical_authority(absolute[1]))
        elif method.upper() == b"CONNECT":
            target = _WORD.match(line)
            self._names.append(canonical_authority(target[0]) if target else None)
        self._fields = self._searched = line_end
        return None

    def _hosts(self, data: bytearray, end: int) -> list[bytes | None]:
        values = _HOST.findall(data, self._fields, end)
        return self._names + [
            canonical_authority(_FOLD.sub(b" ", value.removesuffix(b"\r")).strip(b" \t")) for value in values
        ]
