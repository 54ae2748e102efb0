"""Addresses as text: `ipaddress` is the judge."""

import random

import numpy as np
import pytest
from segment_world import address_text

from collector.ground.record import IPV4_PREFIX
from collector.segments import text


def texts(addresses: list[bytes]) -> list[str]:
    rows = np.frombuffer(b"".join(addresses), dtype=np.uint8).reshape(-1, 16)
    return text.address_texts(rows).to_pylist()


def test_ten_thousand_ipv6_addresses_have_the_text_that_ipaddress_gives():
    """RFC 5952 holds for random addresses with zero groups everywhere, as the standard library understands it."""
    chance = random.Random(5952)
    groups = [b"\0\0"] * 4 + [b"\0\1", b"\0\x10", b"\x01\0", b"\xab\xcd"]
    some = [b"".join(chance.choice(groups) for _ in range(8)) for _ in range(5_000)]
    some += [chance.randbytes(16) for _ in range(5_000)]
    assert texts(some) == [address_text(raw) for raw in some]


def test_every_pattern_of_zero_groups_has_the_text_that_ipaddress_gives():
    """All 256 patterns, each with short, full and leading-zero groups where it is not zero."""
    patterns = [
        b"".join(b"\0\0" if pattern >> group & 1 else filling for group in range(8))
        for pattern in range(256)
        for filling in (b"\0\1", b"\x0f\xff", b"\xff\xff", b"\xfe\x80")
    ]
    assert texts(patterns) == [address_text(raw) for raw in patterns]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([0] * 8, "::"),
        ([0] * 7 + [1], "::1"),
        ([1] + [0] * 7, "1::"),
        ([0x2001, 0xDB8, 0, 0, 1, 0, 0, 1], "2001:db8::1:0:0:1"),
        ([0x2001, 0xDB8, 0, 1, 1, 1, 1, 1], "2001:db8:0:1:1:1:1:1"),
        ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 0xAAAA], "2001:db8::aaaa"),
        ([0, 0, 0, 0, 0, 0, 0xC000, 0x201], "::c000:201"),
        ([0x64, 0xFF9B, 0, 0, 0, 0, 0xC000, 0x201], "64:ff9b::c000:201"),
        ([0, 0, 0, 0, 0xFFFF, 0, 0xC000, 0x201], "::ffff:0:c000:201"),
        ([1, 0, 2, 0, 3, 0, 4, 0], "1:0:2:0:3:0:4:0"),
        ([0, 0, 3, 4, 5, 6, 0, 0], "::3:4:5:6:0:0"),
    ],
)
def test_rfc_5952_examples(groups, expected):
    """Longest run, first of equals, no lone zero group, lower case, and no dotted form but for mapped IPv4."""
    assert texts([b"".join(group.to_bytes(2, "big") for group in groups)]) == [expected]


def test_mapped_ipv4_is_always_dotted_without_prefix():
    """Each value of each octet, in each place."""
    octets = [
        bytes((other,) * place + (value,) + (other,) * (3 - place))
        for value in range(256)
        for place in range(4)
        for other in (0, 9, 10, 255)
    ]
    assert texts([IPV4_PREFIX + raw for raw in octets]) == [".".join(map(str, raw)) for raw in octets]


def test_both_families_keep_their_places(monkeypatch):
    """A mixed column comes back in its order, in batches too."""
    monkeypatch.setattr(text, "_BATCH", 7)
    chance = random.Random(4)
    mixed = [
        IPV4_PREFIX + chance.randbytes(4) if chance.random() < 0.5 else chance.randbytes(16)
        for _ in range(100)
    ]
    assert texts(mixed) == [address_text(raw) for raw in mixed]


def test_no_addresses_have_no_texts():
    """An empty column is not an error."""
    assert texts([]) == []
