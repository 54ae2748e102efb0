"""Distinct addresses of the last day, by family and country: the same as a plain set says, in bounded memory."""

import ipaddress
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from databases import database
from presence_world import MINUTE_US, NOON_US, segment

from collector.exports import presence as module
from collector.exports.presence import Presence
from collector.exports.victims import FEW

FAMILIES = ("tinba", "citadel", "bolek")
NETWORKS = {
    "192.0.2.0/25": {"country": {"iso_code": "DE"}},
    "192.0.2.128/25": {"registered_country": {"iso_code": "LI"}},
    "2001:db8::/32": {"country_code": "BR"},
}
_addresses = st.integers(0, 255).map(lambda n: f"192.0.2.{n}") | st.integers(1, 40).map(
    lambda n: str(ipaddress.IPv6Address(0x20010DB8 << 96 | n << 17))
) | st.just("198.51.100.7")  # fmt: skip
DISTINCT = {"use_dictionary": False, "column_encoding": {"src_ip": "DELTA_LENGTH_BYTE_ARRAY"}}
"""How a segment's addresses are encoded where most are distinct."""
ROWS = st.lists(
    st.tuples(st.integers(-1600, 0), _addresses, st.sampled_from(FAMILIES)), min_size=1, max_size=120
)


def country_of(address: str) -> str:
    parsed = ipaddress.ip_address(address)
    if parsed.version == 6:
        return "BR"
    return "" if address.startswith("198") else "DE" if int(parsed) % 256 < 128 else "LI"


def expected(rows, key):
    """By name, the addresses of the last day."""
    found: dict[str, set[str]] = {}
    for minute, address, family in rows:
        if minute > -24 * 60:
            found.setdefault(key(address, family), set()).add(address)
    return {name: count if (count := len(there)) >= FEW else None for name, there in found.items()}


@pytest.fixture(scope="module")
def geo(tmp_path_factory):
    return database(tmp_path_factory.mktemp("geo") / "geo.mmdb", NETWORKS)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, cut=st.integers(0, 120), again=st.booleans(), data=st.data())
def test_the_counts_are_those_of_sets(rows, cut, again, data, tmp_path_factory, geo) -> None:
    """In whatever pieces, order and encoding rows come, and however often: addresses by family and by country are those of sets
    of texts, what is older than a day is not counted, and small counts do not come out.
    """
    folder = tmp_path_factory.mktemp("segments")
    encodings = data.draw(st.sampled_from([{}, DISTINCT]))
    pieces = [piece for piece in (rows[:cut], rows[cut:]) if piece]
    paths = [segment(folder / f"{n}.parquet", piece, **encodings) for n, piece in enumerate(pieces)]
    presence = Presence(geo)
    for path in data.draw(st.permutations(paths + (paths[:1] if again else []))):
        presence.take(path)
    victims = presence.victims(NOON_US)
    assert dict(victims.families.rows) == expected(rows, lambda _, family: family)
    assert victims.countries is not None
    assert dict(victims.countries.rows) == expected(rows, lambda address, _: country_of(address))
    everywhere = expected(rows, lambda *_: "").get("", 0)
    assert victims.addresses == (None if everywhere is None else everywhere // 10 * 10)
    assert not victims.at_least
    presence.close()


@pytest.mark.parametrize("backwards", [False, True])
def test_the_day_moves_on(tmp_path, backwards) -> None:
    """An address counts for a day after it was last there, by family, in whatever order its segments are read; then its row is
    gone.
    """
    presence = Presence(None)
    addresses = [f"192.0.2.{n}" for n in range(20)]
    pieces = [
        [(-700, one, "bolek") for one in addresses[:15]],
        [(0, one, "tinba") for one in addresses],
        [(600, one, "bolek") for one in addresses[:15]],
    ]
    paths = [segment(tmp_path / f"{n}.parquet", piece) for n, piece in enumerate(pieces)]
    for path in reversed(paths) if backwards else paths:
        presence.take(path)
    assert dict(presence.victims(NOON_US + 1439 * MINUTE_US).families.rows) == {"tinba": 20, "bolek": 15}
    assert dict(presence.victims(NOON_US + 1440 * MINUTE_US).families.rows) == {"bolek": 15}
    assert presence.victims(NOON_US + 2040 * MINUTE_US).families.rows == ()
    assert len(presence._keys) == 0
    assert presence.victims(NOON_US).countries is None


def test_since_when_it_is_known(tmp_path) -> None:
    """The beginning is that of the oldest row, and never more than a day ago."""
    presence = Presence(None)
    presence.take(segment(tmp_path / "a.parquet", [(-30, "192.0.2.1", "tinba")]))
    assert presence.victims(NOON_US).since == (NOON_US - 30 * MINUTE_US) / 1e6
    assert presence.victims(NOON_US + 2000 * MINUTE_US).since == (NOON_US + 560 * MINUTE_US) / 1e6


def test_memory_is_bounded_and_says_so(tmp_path, monkeypatch) -> None:
    """Beyond its rows nothing is taken, the victims are "at least" so many, and it ends when there is room again."""
    monkeypatch.setattr(module, "ROWS_MAX", 100)
    presence = Presence(None)
    for part in range(4):
        rows = [(part, f"192.0.{part}.{n}", "tinba") for n in range(40)]
        presence.take(segment(tmp_path / f"{part}.parquet", rows))
        assert len(presence._keys) <= 100
    victims = presence.victims(NOON_US + 3 * MINUTE_US)
    assert victims.at_least
    assert dict(victims.families.rows) == {"tinba": 100}
    assert not presence.victims(NOON_US + 1441 * MINUTE_US).at_least


def test_more_families_than_there_is_room_for(tmp_path) -> None:
    """Those beyond the labels' room are counted together."""
    presence = Presence(None)
    rows = [(0, f"10.0.{n // 250}.{n % 250}", f"family-{n:04}") for n in range(1100)]
    presence.take(segment(tmp_path / "a.parquet", rows))
    victims = presence.victims(NOON_US)
    assert victims.families.rows[0] == (module._OTHERS, 1100 - module._LABELS + 1)


def test_an_ipv4_database_knows_no_ipv6(tmp_path) -> None:
    """A database of IPv4 only is not asked for IPv6 addresses, which have no country then."""
    path = database(tmp_path / "four.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}}, version=4)
    presence = Presence(path)
    rows = [(0, f"2001:db8::{n}", "tinba") for n in range(1, 13)] + [
        (0, f"192.0.2.{n}", "tinba") for n in range(11)
    ]
    presence.take(segment(tmp_path / "a.parquet", rows))
    countries = presence.victims(NOON_US).countries
    assert countries is not None
    assert countries.rows == (("", 12), ("DE", 11))


def test_no_address_stays_in_it(tmp_path) -> None:
    """What is kept of an address is 44 bits of a keyed hash: no text of one is among the values that it holds."""
    presence = Presence(None)
    presence.take(segment(tmp_path / "a.parquet", [(0, "192.0.2.77", "tinba")]))
    presence.victims(NOON_US)
    held = repr({name: getattr(presence, name) for name in vars(presence)}) + repr(presence._keys.tolist())
    assert "192.0.2" not in held
    assert str(int(ipaddress.ip_address("192.0.2.77"))) not in held
