"""The PROXY protocol header, read strictly."""

import struct
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from collector.ground.record import IPV4_PREFIX
from collector.wire.proxy import PROXY_MAX, REJECTED, V1_MAX, Proxied, read_proxy

wire = settings(database=None, deadline=None, max_examples=400)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
PORTS = st.integers(0, 65535)


def v2(body, family=0x11, command=0x21):
    """Return a version 2 header with this body."""
    return SIGNATURE + bytes([command, family]) + struct.pack("!H", len(body)) + body


V4 = v2(bytes([192, 0, 2, 1, 198, 51, 100, 7]) + struct.pack("!HH", 40000, 80))
V6 = v2(
    IPv6Address("2001:db8::1").packed + IPv6Address("::1").packed + struct.pack("!HH", 40000, 443),
    family=0x21,
)
V1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 40000 80\r\n"
V1_6 = b"PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::1 40000 443\r\n"
HEADERS = [V1, V1_6, V4, V6, V4[:14] + b"\0\x20" + V4[16:] + b"\x04" + b"\0" * 19]


@wire
@given(st.ip_addresses(), st.data(), PORTS, PORTS, st.binary(max_size=30))
def test_what_a_proxy_says_is_read_back(src, data, src_port, dst_port, rest):
    """Both versions give the addresses in 16 bytes, the ports, and where the client's own bytes begin."""
    dst = data.draw(st.ip_addresses(v=src.version))
    prefix = IPV4_PREFIX if src.version == 4 else b""
    addresses = prefix + src.packed, prefix + dst.packed
    text = b"PROXY TCP%d %b %b %d %d\r\n" % (
        src.version,
        str(src).encode(),
        str(dst).encode(),
        src_port,
        dst_port,
    )
    binary = v2(
        src.packed + dst.packed + struct.pack("!HH", src_port, dst_port), 0x11 if src.version == 4 else 0x21
    )
    for header in (text, binary):
        assert read_proxy(header + rest) == Proxied(
            addresses[0], src_port, addresses[1], dst_port, len(header)
        )


def test_mapped_ipv4_has_one_form():
    """An IPv4 client that the proxy saw over IPv6 is the same 16 bytes as one seen over IPv4."""
    mapped = IPV4_PREFIX + IPv4Address("192.0.2.1").packed
    both = mapped + IPV4_PREFIX + IPv4Address("198.51.100.7").packed + struct.pack("!HH", 40000, 80)
    one = read_proxy(V1)
    for header in (
        V4,
        v2(both, family=0x21),
        b"PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c633:6407 40000 80\r\n",
    ):
        assert read_proxy(header)[:4] == one[:4]
    assert one.src == mapped


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header[:20]))
def test_more_is_awaited_until_the_last_byte(header):
    """Each proper beginning of a header is neither accepted nor refused, and what follows it is not looked at."""
    for at in range(len(header)):
        assert read_proxy(header[:at]) is None
    whole = read_proxy(header)
    assert isinstance(whole, Proxied)
    assert whole.length == len(header)
    assert read_proxy(header + b"\r\n\r\nPROXY " * 200) == whole


@pytest.mark.parametrize(
    "data",
    [
        b"G",
        b"\x16",
        b"p",
        b"PROXY  ",
        b"PROXY\t",
        b"PROXY U",
        b"PROXY TCP5",
        b"PROXY TCP4 2001",
        b"PROXY TCP4 256",
        b"PROXY TCP4 01",
        b"PROXY TCP4 1.2.3.4.",
        b"PROXY TCP4 +",
        b"PROXY TCP4 1.2.3 ",
        b"PROXY TCP4 1.2.3.4  ",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 65536",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 00",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 ",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\rx",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r",
        b"PROXY TCP4\r",
        b"PROXY TCP6 1.",
        b"PROXY TCP6 g",
        b"PROXY TCP6 fe80::1%",
        b"PROXY TCP6 12345",
        b"PROXY TCP6 1::2::",
        b"PROXY TCP6 ::1.2.3.4.",
        b"PROXY TCP4 1.2.3.4\0",
        b"PROXY TCP6 " + b" ".join([b"2001:0db8:0000:0000:0000:ffff:192.168.100.100"] * 2),
        SIGNATURE[:5] + b"x",
        SIGNATURE + b"\x20",
        SIGNATURE + b"\x11",
        SIGNATURE + b"\x22",
        SIGNATURE + b"\x21\x00",
        SIGNATURE + b"\x21\x12",
        SIGNATURE + b"\x21\x22",
        SIGNATURE + b"\x21\x31",
        SIGNATURE + b"\x21\x11\x00\x0b",
        SIGNATURE + b"\x21\x21\x00\x23",
        SIGNATURE + b"\x21\x11" + struct.pack("!H", PROXY_MAX - 15),
    ],
    ids=repr,
)
def test_no_header_is_refused_on_the_byte_that_makes_it_none(data):
    """The last byte shown is the first after which no header is possible; nothing that follows mends it."""
    assert read_proxy(data) is REJECTED
    assert read_proxy(data[:-1]) is None
    for rest in (b"\n", b"\r\n", b" 1 2\r\n", bytes(PROXY_MAX)):
        assert read_proxy(data + rest) is REJECTED


def test_the_longest_headers_are_read_and_longer_ones_refused():
    """Version 1 ends in V1_MAX bytes, version 2 in PROXY_MAX, and not a byte later."""
    full = b"2001:0db8:0000:0000:0000:ffff:192.168.100.100"
    longest = b"PROXY TCP6 %b ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 9\r\n" % full
    assert len(longest) == V1_MAX - 1
    assert isinstance(read_proxy(longest), Proxied)
    assert isinstance(read_proxy(longest.replace(b" 9\r", b" 99\r")), Proxied)
    assert read_proxy(longest.replace(b" 9\r", b" 999\r")) is REJECTED
    assert isinstance(read_proxy(v2(V4[16:] + bytes(PROXY_MAX - 28))), Proxied)
    assert read_proxy(v2(V4[16:] + bytes(PROXY_MAX - 27))) is REJECTED


@wire
@given(st.one_of(st.binary(max_size=120), st.binary(max_size=60).map(lambda tail: SIGNATURE + tail)))
@example(b"PROXY TCP4 \xff")
def test_any_bytes_give_one_of_the_three_outcomes(data):
    """Nothing raises, and a header never claims bytes that are not there."""
    outcome = read_proxy(data)
    assert outcome is None or outcome is REJECTED or outcome.length <= len(data)


@settings(wire, max_examples=800)
@given(st.sampled_from(HEADERS), st.integers(0, 70), st.binary(min_size=1, max_size=3), st.integers(0, 3))
def test_outcomes_are_final_and_growth_is_monotone(header, at, piece, gone):
    """A damaged header is awaited, then accepted or refused once: no longer read changes an outcome."""
    data = header[:at] + piece + header[at + gone :]
    final = None
    for end in range(len(data) + 1):
        outcome = read_proxy(data[:end])
        if final is not None:
            assert outcome == final
        final = outcome
