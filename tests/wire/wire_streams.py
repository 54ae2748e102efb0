"""Hypothesis strategies for what may come over a connection: noise, odd heads, odd hellos, and mutations of the cases."""

from hypothesis import strategies as st
from wire_cases import (
    AGENT,
    CASES,
    ECH,
    GREASE,
    NAME,
    OTHER,
    PADDING,
    SNI,
    SNI_OTHER,
    hello,
    records,
    server_name,
)

EOLS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b""])
BLANKS = st.sampled_from([b" ", b" ", b" ", b"", b"  ", b"\t", b"\0"])
WORDS = st.sampled_from(
    [
        NAME,
        NAME.upper(),
        NAME + b".",
        NAME + b":80",
        OTHER,
        b"192.0.2.1",
        b"[::1]",
        b"a" * 254,
        b"a..b",
        b"u@h",
        b"",
    ]
)
METHODS = st.sampled_from([b"GET", b"GET", b"POST", b"get", b"CONNECT", b"NICK", b"XYZZY", b"PRI", b"M" * 33])
VERSIONS = st.sampled_from(
    [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"http/1.1", b"HTTP/2.0", b"HTTP/1.10", b"SIP/2.0", b""]
)
TARGETS = st.one_of(
    st.sampled_from([b"/", b"/gate.php?a=b", b"*", b"/a b", b"key", b""]),
    WORDS,
    st.builds(lambda host, path: b"http://" + host + path, WORDS, st.sampled_from([b"/", b"?x", b"", b"\\"])),
    st.binary(max_size=20),
)
NAMES_OF_FIELDS = st.sampled_from(
    [b"Host", b"Host", b"host", b"HOST", b"Hos", b"X-Host", b"Hosts", b"H", b"\0"]
)


@st.composite
def fields(draw):
    """Return one field line, mostly Host, mostly odd."""
    indent, colon = (
        draw(st.sampled_from([b"", b"", b"", b" ", b"\t"])),
        draw(st.sampled_from([b":", b":", b": ", b" :", b""])),
    )
    value = draw(st.one_of(WORDS, st.binary(max_size=12)))
    fold = draw(st.sampled_from([b"", b"", b"", b"\r\n ", b"\n\t"]))
    return indent + draw(NAMES_OF_FIELDS) + colon + fold + value + draw(EOLS)


@st.composite
def heads(draw):
    """Return an HTTP-like stream, complete or not."""
    first = draw(METHODS) + draw(BLANKS) + draw(TARGETS) + draw(BLANKS) + draw(VERSIONS) + draw(EOLS)
    lines = draw(st.lists(st.one_of(fields(), st.just(AGENT)), max_size=5))
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n", b"", b"\r\nHost: late.example\r\n\r\n"]))
    return draw(st.sampled_from([b"", b"", b"", b"\r\n", b"\n", b"\r"])) + first + b"".join(lines) + end


@st.composite
def hellos(draw):
    """Return a TLS-like stream, complete or not."""
    extensions = draw(
        st.lists(
            st.one_of(
                st.sampled_from([GREASE, ECH, PADDING, SNI, SNI, SNI_OTHER]),
                st.builds(server_name, WORDS, WORDS),
                st.binary(max_size=8),
            ),
            max_size=5,
        )
    )
    stream = records(hello(*extensions), draw(st.sampled_from([1, 5, 64, 1 << 14])))
    return stream[: draw(st.integers(0, len(stream)))] if draw(st.booleans()) else stream


@st.composite
def mutations(draw):
    """Return a case of the decision table with some bytes changed, put in, taken out or repeated."""
    case = draw(st.sampled_from([case for cases in CASES.values() for case in cases]))
    data = bytearray(case[0] if isinstance(case, tuple) else case)[:2000]
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        piece = draw(
            st.one_of(
                st.binary(max_size=4), st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\nHost: x\n", b" ", b"\0"])
            )
        )
        data[at : at + draw(st.integers(0, 4))] = piece
    return bytes(data)


STREAMS = st.one_of(st.binary(max_size=200), heads(), hellos(), mutations())
LONG_STREAMS = st.one_of(
    STREAMS,
    st.builds(
        lambda a, filler, n, b: a + filler * n + b,
        STREAMS,
        st.sampled_from([b"x", b"\n", b" ", AGENT]),
        st.integers(0, 8300),
        STREAMS,
    ),
)


@st.composite
def split(draw, streams=LONG_STREAMS):
    """Return a stream in pieces, some of them empty."""
    data = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
