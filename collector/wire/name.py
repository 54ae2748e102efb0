"""Host names as they stand on the wire, and the one spelling of each that may be looked up.

Canonical is: lower case, no port, no trailing dot. What does not look like a host gives None, and None
names nobody. A name is labels of `[a-z0-9_-]` with dots between them (no host name by RFC 952 has an
underscore, but real bots send it), of at most NAME_MAX bytes. An IPv4 literal has that shape and passes as
text, an IPv6 literal passes in its brackets: neither stands on any schedule, but each is a host and can
disagree with a name beside it.
"""

import re

NAME_MAX = 253
"""Bytes of a name as text: 255 octets in a DNS message less first length and root label (RFC 1035 2.3.4)."""

IPV6_MAX = 45
"""Bytes of the longest IPv6 literal, ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255 (RFC 3986 3.2.2)."""

# An empty label cannot stand in a query (RFC 1035 3.1), so nobody was led here by such a name.
LABELS = rb"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]++)*"
_NAME = re.compile(LABELS)
_LITERAL = re.compile(rb"\[[0-9A-Fa-f:.]{2,%d}\]" % IPV6_MAX)
_PORT = re.compile(rb":[0-9]*+")


def canonical(raw: bytes) -> bytes | None:
    """Return the canonical spelling of a bare host name, as TLS carries it (RFC 6066 3); None: not a name."""
    name = raw.removesuffix(b".")
    if len(name) > NAME_MAX or not _NAME.fullmatch(name):
        return None
    return name.lower()


def canonical_authority(raw: bytes) -> bytes | None:
    """Return the host of `host [":" port]` (RFC 9110 7.2), canonical; None: not a host.

    Userinfo is not skipped but makes it no host: RFC 9110 4.2.4 calls it an error, and it is content.
    """
    literal = _LITERAL.match(raw)
    if literal:
        rest = raw[literal.end() :]
        return literal[0].lower() if not rest or _PORT.fullmatch(rest) else None
    host, colon, port = raw.partition(b":")
    return canonical(host) if not colon or not port or _PORT.fullmatch(colon + port) else None
