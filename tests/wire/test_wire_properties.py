"""What holds for every stream of bytes, whatever it is."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_cases import FIRST, GREASE, NAME, SNI, extension, hello, records, vector
from wire_streams import LONG_STREAMS, STREAMS, heads, mutations, split

from collector.wire import http
from collector.wire.classify import HEAD_MAX, Conversation, classify
from collector.wire.verdict import HTTP, NONE, OPAQUE, TLS, TOO_LONG, TWO_NAMES, UNFINISHED, Verdict

settings.register_profile("wire", database=None, deadline=None)
wire = settings(settings.get_profile("wire"), max_examples=400)

SHAPE = re.compile(rb"[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


def outcome(pieces, cls=Conversation):
    """Return the verdict of a conversation over the pieces, checking what holds on the way."""
    conversation, fed = cls(), 0
    for piece in pieces:
        verdict = conversation.feed(piece)
        fed += len(piece)
        assert conversation.held == (0 if verdict else min(fed, HEAD_MAX))
    return conversation.end()


@wire
@given(LONG_STREAMS)
def test_any_bytes_end_in_a_verdict_of_the_closed_shape(data):
    """No bytes raise; a name is canonical and stands only beside no flaw; opaque names nobody and has no flaw."""
    verdict = classify(data, ended=True)
    assert type(verdict) is Verdict
    assert verdict.application in (OPAQUE, HTTP, TLS)
    assert verdict.flaw in (NONE, TOO_LONG, UNFINISHED, TWO_NAMES)
    if verdict.name is not None:
        assert type(verdict.name) is bytes
        assert verdict.flaw == NONE
        assert SHAPE.fullmatch(verdict.name)
        assert len(verdict.name) <= 253
    if verdict.application == OPAQUE:
        assert verdict == Verdict(OPAQUE, None, NONE)


@wire
@given(split())
def test_the_verdict_does_not_depend_on_the_split(pieces):
    """However the bytes are cut, the conversation ends in the verdict of the whole, holding at most HEAD_MAX."""
    data = b"".join(pieces)
    assert outcome(pieces) == classify(data, ended=True)


@settings(wire, max_examples=200)
@given(STREAMS)
def test_the_verdict_does_not_depend_on_the_split_byte_by_byte(data):
    """The finest cut of all, with the same end."""
    assert outcome([data[at : at + 1] for at in range(len(data))]) == classify(data, ended=True)


@wire
@given(STREAMS, st.data())
def test_a_verdict_is_final(data, more):
    """What a prefix decided, no continuation changes: the first read may be answered at once."""
    prefix = data[: more.draw(st.integers(0, len(data)))]
    early = classify(prefix, ended=False)
    if early is not None:
        assert early == classify(data, ended=True) == classify(prefix, ended=True)
        assert early == classify(prefix + more.draw(st.binary(max_size=50)), ended=True)


@settings(wire, max_examples=1000)
@given(st.one_of(heads(), mutations()))
def test_the_fast_reader_agrees_with_the_general_one(data):
    """`glance` says what `Head` says, or that it does not know."""
    fast = http.glance(data, HEAD_MAX)
    if fast is not None:
        assert fast == Conversation().feed(data)


def test_the_fast_reader_knows_the_plain_head():
    """The common check-in takes the fast way, so that the test above is not empty."""
    for head in (
        b"GET / HTTP/1.1\r\nHost: bot.example.org\r\n\r\n",
        b"POST /gate.php HTTP/1.0\r\nAccept: */*\r\nhost:BOT.example.org:80\r\nCookie: a=b\r\n\r\nbody",
    ):
        assert http.glance(head, HEAD_MAX) == Verdict(HTTP, NAME, NONE)


# Content: whatever is not the host. A zone's bytes may be anything that does not end its zone.
line = st.binary(min_size=1, max_size=60).filter(lambda text: b"\n" not in text)
body = st.binary(max_size=60)


def http_with(path, agent, cookie, rest):
    return b"POST /%b HTTP/1.1\r\nUser-Agent: %b\r\nHost: %b\r\nCookie: %b\r\n\r\n%b" % (
        path,
        agent,
        NAME,
        cookie,
        rest,
    )


def odd_http_with(path, agent, cookie, rest):
    return b"\nget http://%b/%b HTTP/1.1\nA: %b\nHOST :\n %b\nC: %b\n\n%b" % (
        NAME,
        path,
        agent,
        NAME,
        cookie,
        rest,
    )


def tls_with(random, session, alpn, rest):
    message = hello(GREASE, extension(16, alpn), SNI, extension(35, random), session=session[:32])
    return records(message, 50) + rest


@pytest.mark.parametrize("build", [http_with, odd_http_with, tls_with])
def test_content_does_not_interfere(build):
    """Streams that differ in content only, in equal or other length, have the same verdict (law L-11)."""

    @settings(wire, max_examples=200)
    @given(st.lists(line, min_size=3, max_size=3), st.lists(line, min_size=3, max_size=3), body, body)
    def check(ones, others, one_rest, other_rest):
        one, other = build(*ones, one_rest), build(*others, other_rest)
        assert classify(one, ended=False) == classify(other, ended=False)
        assert classify(one, ended=False).name == NAME

    check()


def test_a_random_and_its_neighbours_do_not_interfere():
    """The fixed fields of a hello are content as well: changing any of their bytes changes nothing."""
    plain = records(hello(SNI))
    for at in range(11, 43):
        assert classify(plain[:at] + b"\xff" + plain[at + 1 :], ended=False) == Verdict(TLS, NAME, NONE)
    assert vector(1, bytes(32)) in plain


class Counted(bytearray):
    """Held bytes that count how many of them are searched or copied out."""

    looked = 0

    def find(self, what, start):
        Counted.looked += len(self) - start
        return super().find(what, start)

    def __getitem__(self, key):
        found = super().__getitem__(key)
        Counted.looked += len(found) if isinstance(key, slice) else 1
        return found


class CountedPattern:
    """A compiled pattern that counts how many bytes each call may look at."""

    def __init__(self, pattern):
        self.pattern = pattern

    def search(self, data, start=0):
        Counted.looked += len(data) - start
        return self.pattern.search(data, start)

    def match(self, data, start=0):
        found = self.pattern.match(data, start)
        Counted.looked += 1 + (len(found[0]) if found else 0)
        return found


@pytest.mark.parametrize(
    "data",
    [
        FIRST + b"X: " + b"x" * 8000,
        FIRST + b"a\n" * 4000,
        FIRST + b"\r" * 8000,
        b"GET /" + b" " * 8000,
        b"\r\n" * 4000,
        b"\n" * 4000 + b"GET /" + b"x" * 4000,
        b"NICK " + b"x" * 8000,
        records(hello(extension(21, bytes(7900)), SNI)),
        records(hello(extension(21, bytes(1300)), SNI), 1),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_work_is_linear_however_finely_the_bytes_come(data, monkeypatch):
    """Byte by byte, each byte is looked at a bounded number of times: slow clients cannot buy processor time."""
    for name in ("_END", "_EMPTY_LINES", "_FIRST_WORD"):
        monkeypatch.setattr(http, name, CountedPattern(getattr(http, name)))
    conversation = Conversation()
    conversation._bytes = Counted()
    Counted.looked = 0
    for at in range(len(data)):
        conversation.feed(data[at : at + 1])
    assert Counted.looked <= 20 * len(data)
