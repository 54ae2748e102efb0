"""The verdict: all that the wire is allowed to say about a connection.

Three values leave this room: what the bytes began as, at most one host name, what was wrong with the head.
The name is free text until the orders have looked it up; whoever receives it looks it up and forgets it.
"""

from collections.abc import Iterable
from typing import NamedTuple

from collector.ground.codes import Application, Flaw

# Plain integers: reading an IntEnum's member costs more than everything else that a verdict does.
OPAQUE = int(Application.OPAQUE)
HTTP = int(Application.HTTP)
TLS = int(Application.TLS)
NONE = int(Flaw.NONE)
TOO_LONG = int(Flaw.TOO_LONG)
UNFINISHED = int(Flaw.UNFINISHED)
TWO_NAMES = int(Flaw.TWO_NAMES)


class Verdict(NamedTuple):
    """What the bytes were: numbers of codes.Application and codes.Flaw, and a canonical host name or None."""

    application: int
    name: bytes | None
    flaw: int


NOT_OURS = Verdict(OPAQUE, None, NONE)
"""Neither HTTP nor TLS: every other protocol, which names nobody."""


def judge(application: int, hosts: Iterable[bytes | None], absent: int) -> Verdict:
    """One distinct name wins, two different ones are a flaw, none at all has the flaw `absent`."""
    names = set(hosts)
    names.discard(None)
    if not names:
        return Verdict(application, None, absent)
    if len(names) > 1:
        return Verdict(application, None, TWO_NAMES)
    return Verdict(application, names.pop(), NONE)
