"""What infected machines (and everyone else) say to a sinkhole, and what must become of it.

Each kind is one row of KINDS: its group, its share within the group, and a function that makes the bytes.
A speech carries the facts that its fate follows from; `expected` is the contract's table of fates applied
to them. Nothing of the collector's own parser is used: the two must agree because both follow the
contract.
"""

import itertools
import random
from collections.abc import Callable
from typing import NamedTuple

from clients import hello

Steps = tuple[tuple[float, bytes], ...]
GAP_SECONDS = 0.02
"""Pause between the pieces of a split head: long enough to be its own segment and its own read."""
HEAD_MAX = 8192
"""Bytes of a head that the collector reads (contract: over 8 KiB is rejected_parse)."""
AGENTS = ("Mozilla/4.0 (compatible; MSIE 7.0)", "Mozilla/5.0 (Windows NT 6.1)", "Opera/9.8", "")


class Speech(NamedTuple):
    """One machine's side of a connection, or one datagram."""

    steps: Steps
    """Seconds to wait, then bytes to send; one TCP segment each."""
    application: str
    """What the bytes begin as: http, tls or opaque."""
    name: str | None = None
    """The host that it names unambiguously, as written but lower-case, without port and trailing dot."""
    flawed: bool = False
    """Its head is too long, unfinished without a name, or names two hosts."""
    silent: bool = False
    fin: bool = False
    """The machine half-closes after its last byte."""


class Expected(NamedTuple):
    """What the contract says must come of it."""

    fate: str
    domain: str | None
    application: str


def listed_suffix(name: str | None, listed: frozenset[str]) -> str | None:
    """The longest listed suffix of a name (contract: subdomains match, the longest listed suffix wins)."""
    while name:
        if name in listed:
            return name
        name = name.partition(".")[2]
    return None


def expected(speech: Speech, listed: frozenset[str], service: bool) -> Expected:
    """The contract's table of fates, from its fourth row on (no cap, probe or proxy is played here)."""
    if speech.silent and not service:
        return Expected("rejected_silent", None, speech.application)
    domain = listed_suffix(speech.name, listed)
    if domain is not None:
        return Expected("recorded", domain, speech.application)
    if service:
        return Expected("recorded", None, speech.application)
    return Expected("rejected_parse" if speech.flawed else "suppressed_scope", None, speech.application)


def whole(data: bytes) -> Steps:
    return ((0.0, data),)


def split(rng: random.Random, data: bytes, pieces: int) -> Steps:
    """The same bytes in several segments, cut anywhere."""
    cuts = sorted({0, len(data), *(rng.randrange(1, len(data)) for _ in range(pieces - 1))})
    return tuple((GAP_SECONDS if a else 0.0, data[a:b]) for a, b in itertools.pairwise(cuts))


def head(
    rng: random.Random, host: str | None, end: str = "\r\n", version: str = "1.1", field: str = "Host"
) -> bytes:
    """A request such as a bot's gate sees; host None leaves the field out."""
    lines = [f"GET /gate.php?id={rng.getrandbits(48):012x} HTTP/{version}"]
    if host is not None:
        lines.append(f"{field}: {host}")
    lines += [f"User-Agent: {rng.choice(AGENTS)}", "Accept: */*"]
    return (end.join(lines) + end + end).encode()


def post(rng: random.Random, host: str) -> tuple[bytes, bytes]:
    """A request's head and its body."""
    body = rng.randbytes(rng.randrange(16, 2000))
    return f"POST /c2 HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body


def mixed_case(rng: random.Random, text: str) -> str:
    return "".join(c.upper() if rng.random() < 0.5 else c for c in text)


def sub(rng: random.Random, domain: str) -> str:
    """A name below the domain, of a label that no schedule has."""
    label = f"b{rng.getrandbits(40):010x}"
    return f"{label}.{domain}" if rng.random() < 0.5 else f"www.{label}.{domain}"


def http(steps: Steps, name: str | None, flawed: bool = False, fin: bool = False) -> Speech:
    return Speech(steps, "http", name, flawed, fin=fin)


def tls(steps: Steps, name: str | None, flawed: bool = False, fin: bool = False) -> Speech:
    return Speech(steps, "tls", name, flawed, fin=fin)


def http_sub(rng: random.Random, domain: str, _: str) -> Speech:
    name = sub(rng, domain)
    return http(whole(head(rng, name)), name)


def http_post(rng: random.Random, domain: str, _: str) -> Speech:
    return http(whole(b"".join(post(rng, domain))), domain)


def http_late_body(rng: random.Random, domain: str, _: str) -> Speech:
    first, body = post(rng, domain)
    return http(((0.0, first), (GAP_SECONDS, body)), domain)


def http_absolute(rng: random.Random, domain: str, _: str) -> Speech:
    text = f"GET http://{domain}/{rng.getrandbits(32):x} HTTP/1.1\r\nHost: {domain}\r\n\r\n"
    return http(whole(text.encode()), domain)


def http_stalled_named(rng: random.Random, domain: str, _: str) -> Speech:
    return http(whole(head(rng, domain)[:-2] + b"X-Never: "), domain)


def tls_sub(rng: random.Random, domain: str, _: str) -> Speech:
    name = sub(rng, domain)
    return tls(whole(hello.records(hello.handshake(rng, hello.server_name(name)))), name)


def http_two_hosts(rng: random.Random, domain: str, other: str) -> Speech:
    text = f"GET / HTTP/1.1\r\nHost: {domain}\r\nHost: {other}\r\nX-Id: {rng.getrandbits(32):x}\r\n\r\n"
    return http(whole(text.encode()), None, flawed=True)


def http_long(rng: random.Random, domain: str, _: str) -> Speech:
    filler = "a" * (HEAD_MAX + rng.randrange(1, 4000))
    text = f"GET / HTTP/1.1\r\nCookie: {filler}\r\nHost: {domain}\r\n\r\n"
    return http(whole(text.encode()), None, flawed=True)


def http_cut(rng: random.Random, domain: str, _: str) -> Speech:
    data = head(rng, domain)
    return http(whole(data[: data.index(b"Host:") - rng.randrange(2)]), None, flawed=True, fin=True)


def hello_of(rng: random.Random, *names: str, grease: bool = False) -> bytes:
    return hello.handshake(rng, hello.server_name(*names) if names else b"", grease)


def tls_cut(rng: random.Random, domain: str, _: str) -> Speech:
    data = hello.records(hello_of(rng, domain))
    return tls(whole(data[: rng.randrange(6, 60)]), None, flawed=True, fin=True)


def noise(rng: random.Random, _domain: str, _other: str) -> Speech:
    """Bytes that begin like nothing we read: the first is no letter and no TLS record type."""
    return Speech(whole(bytes([rng.randrange(0x80, 0x100)]) + rng.randbytes(rng.randrange(200))), "opaque")


def silent(fin: bool) -> Callable[[random.Random, str, str], Speech]:
    return lambda _rng, _domain, _other: Speech((), "opaque", silent=True, fin=fin)


class Kind(NamedTuple):
    """A row of the table of kinds."""

    group: str
    share: int
    """Weight within the group; 0: only when `--mix` names it (it waits for the head deadline)."""
    make: Callable[[random.Random, str, str], Speech]
    """(random, a listed domain, an unlisted name) -> speech"""


KINDS: dict[str, Kind] = {
    # listed names: recorded
    "http_plain": Kind("http", 40, lambda r, d, _: http(whole(head(r, d)), d)),
    "http_case": Kind("http", 8, lambda r, d, _: http(whole(head(r, mixed_case(r, d), field="hOSt")), d)),
    "http_port": Kind("http", 8, lambda r, d, _: http(whole(head(r, f"{d}:{r.randrange(1, 65536)}")), d)),
    "http_dot": Kind("http", 6, lambda r, d, _: http(whole(head(r, d + ".")), d)),
    "http_sub": Kind("http", 10, http_sub),
    "http_old": Kind("http", 6, lambda r, d, _: http(whole(head(r, d, version="1.0")), d)),
    "http_lf": Kind("http", 6, lambda r, d, _: http(whole(head(r, d, end="\n")), d)),
    "http_split": Kind("http", 6, lambda r, d, _: http(split(r, head(r, d), r.randrange(2, 5)), d)),
    "http_post": Kind("http", 6, http_post),
    "http_late_body": Kind("http", 2, http_late_body),
    "http_absolute": Kind("http", 2, http_absolute),
    "http_fin": Kind("http", 2, lambda r, d, _: http(whole(head(r, d)), d, fin=True)),
    "http_stalled_named": Kind("http", 0, http_stalled_named),
    "tls_plain": Kind("tls", 40, lambda r, d, _: tls(whole(hello.records(hello_of(r, d))), d)),
    "tls_sub": Kind("tls", 10, tls_sub),
    "tls_grease": Kind("tls", 15, lambda r, d, _: tls(whole(hello.records(hello_of(r, d, grease=True))), d)),
    "tls_records": Kind(
        "tls", 10, lambda r, d, _: tls(whole(hello.records(hello_of(r, d), r.randrange(5, 90))), d)
    ),
    "tls_split": Kind(
        "tls", 10, lambda r, d, _: tls(split(r, hello.records(hello_of(r, d)), r.randrange(2, 5)), d)
    ),
    "tls_case": Kind("tls", 5, lambda r, d, _: tls(whole(hello.records(hello_of(r, mixed_case(r, d)))), d)),
    "tls_openssl": Kind("tls", 10, lambda _, d, __: tls(whole(hello.openssl_hello(d)), d)),
    # listed services, or not: it depends on the port
    "opaque": Kind("service", 20, noise),
    "opaque_silent": Kind("service", 1, silent(fin=True)),
    "udp": Kind("udp", 1, noise),
    # nobody that the court named: never recorded off a service port
    "http_unlisted": Kind("unlisted", 10, lambda r, _, o: http(whole(head(r, o)), o)),
    "http_no_host": Kind("unlisted", 3, lambda r, _, __: http(whole(head(r, None)), None)),
    "http_address": Kind(
        "unlisted", 3, lambda r, _, __: http(whole(head(r, f"192.0.2.{r.randrange(256)}")), None)
    ),
    "http_label": Kind("unlisted", 2, lambda r, _, __: http(whole(head(r, "localhost")), None)),
    "tls_unlisted": Kind("unlisted", 5, lambda r, _, o: tls(whole(hello.records(hello_of(r, o))), o)),
    "tls_no_sni": Kind("unlisted", 3, lambda r, _, __: tls(whole(hello.records(hello_of(r))), None)),
    "noise": Kind("unlisted", 5, noise),
    # heads of no use
    "http_two_hosts": Kind("broken", 3, http_two_hosts),
    "http_long": Kind("broken", 2, http_long),
    "http_cut": Kind("broken", 3, http_cut),
    "tls_cut": Kind("broken", 3, tls_cut),
    "tls_two_names": Kind(
        "broken", 2, lambda r, d, o: tls(whole(hello.records(hello_of(r, d, o))), None, flawed=True)
    ),
    "silent_fin": Kind("silent", 1, silent(fin=True)),
    "silent_wait": Kind("silent", 0, silent(fin=False)),
}
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS.values()))
