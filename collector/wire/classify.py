"""What the first bytes of a connection are, and whom they name."""

from collector.wire.http import Head, glance
from collector.wire.tls import HANDSHAKE, Hello
from collector.wire.verdict import NOT_OURS, TOO_LONG, UNFINISHED, Verdict

HEAD_MAX = 8192
"""Bytes of a head, and so of memory held for a connection; nginx and Apache allow one line that much."""


def classify(data: bytes, ended: bool) -> Verdict | None:
    """Return the verdict on a connection that began with `data`, or None while more bytes could change it.

    `ended` says that no more will come (FIN, deadline, end of the datagram); then there always is a verdict.
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
