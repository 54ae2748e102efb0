"""What is known of an address: databases of any maker's form, marks, networks; once per address, in network order."""

import ipaddress
import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from databases import database
from day_world import Day, entitlement
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_withdrawal import records

from collector.exports.addresses import write_addresses
from collector.exports.enrich import (
    NO_ENRICHMENT,
    Marked,
    as_number,
    country,
    database_problems,
    enrichment,
    flattened,
    read_marks,
    spans_of,
)
from collector.ground.errors import ConfigurationError, CorruptError

V4_FIRST, V4_LAST = 0xFFFF << 32, (0xFFFF << 32) | 0xFFFF_FFFF


def marks(path: Path, *rows: str) -> Path:
    path.write_text("network,mark,source,as_of\n" + "".join(f"{row}\n" for row in rows))
    return path


def table(tmp_path: Path, texts, networks=(), enriched=NO_ENRICHMENT) -> list[dict]:
    path = tmp_path / "addresses.parquet"
    write_addresses([pa.array(texts, pa.string())], networks, enriched, path)
    rows = pq.read_table(path).to_pylist()
    assert len(rows) == len(texts)
    return rows


@pytest.mark.parametrize("version", [4, 6])
def test_databases_and_marks_are_looked_up_per_address(tmp_path, version):
    """Number, country and mark of each address, IPv4 and IPv6; null where nothing is known; each database with its date."""
    networks = {"192.0.2.0/25": {"asn": 64500}, "198.51.100.0/24": {"autonomous_system_number": 64501}}
    places = {"192.0.2.0/24": {"country": {"iso_code": "DE"}}, "203.0.113.8/29": {"country_code": "FR"}}
    if version == 6:
        networks["2001:db8::/32"] = {"asn": "AS64502"}
        places["2001:db8:1::/48"] = {"registered_country": {"iso_code": "CH"}}
    found = {}
    listed = marks(
        tmp_path / "marks.csv", "192.0.2.64/26,scanner,us,2026-11-01", "2001:db8::/33,probe,us,2026-11-20"
    )
    with enrichment(
        database(tmp_path / "asn.mmdb", networks, version),
        database(tmp_path / "geo.mmdb", places, version),
        [listed],
    ) as enriched:
        texts = [
            "192.0.2.1",
            "192.0.2.65",
            "192.0.2.200",
            "198.51.100.1",
            "203.0.113.9",
            "2001:db8:1::5",
            "2001:db8:8000::1",
            "::1",
            "8.8.8.8",
        ]
        for row in table(tmp_path, texts, (), enriched):
            found[row["src_ip"]] = (row["src_asn"], row["src_geo"], row["mark"])
        kinds = [(one.kind, one.name, one.built) for one in enriched.databases]
    six = version == 6
    assert found == {
        "192.0.2.1": (64500, "DE", None),
        "192.0.2.65": (64500, "DE", "scanner"),
        "192.0.2.200": (None, "DE", None),
        "198.51.100.1": (64501, None, None),
        "203.0.113.9": (None, "FR", None),
        "2001:db8:1::5": (64502 if six else None, "CH" if six else None, "probe"),
        "2001:db8:8000::1": (64502 if six else None, None, None),
        "::1": (None, None, None),
        "8.8.8.8": (None, None, None),
    }
    assert [kind[:2] for kind in kinds] == [("asn", "asn.mmdb"), ("geo", "geo.mmdb"), ("marks", "marks.csv")]
    assert kinds[2][2] == "2026-11-20T00:00:00Z"
    assert abs(datetime.now(UTC) - datetime.fromisoformat(kinds[0][2])).total_seconds() < 600


NETWORKS = st.builds(
    lambda version, bits, number: str(
        ipaddress.ip_network((number >> (128 - version), min(bits, version)), strict=False)
        if version == 32
        else ipaddress.ip_network((ipaddress.IPv6Address(number), bits), strict=False)
    ),
    st.sampled_from([32, 128]),
    st.integers(0, 128),
    st.integers(0, (1 << 128) - 1) | st.sampled_from([0, 1, V4_FIRST, V4_LAST, V4_LAST + 1, (1 << 128) - 1]),
)


def model_within(address: int, network: str) -> bool:
    """Whether it lies in it: an IPv4 address in an IPv4 network, or in an IPv6 network of mapped addresses only."""
    parsed = ipaddress.ip_network(network)
    if parsed.version == 4:
        return V4_FIRST <= address <= V4_LAST and ipaddress.IPv4Address(address & 0xFFFF_FFFF) in parsed
    if V4_FIRST <= address <= V4_LAST and parsed.prefixlen <= 96:
        return False
    return ipaddress.IPv6Address(address) in parsed


def text_of(address: int) -> str:
    return str(ipaddress.IPv6Address(address).ipv4_mapped or ipaddress.IPv6Address(address))


ADDRESSES = st.one_of(
    st.integers(0, (1 << 128) - 1),
    st.integers(V4_FIRST, V4_LAST),
    st.sampled_from([0, 1, V4_FIRST - 1, V4_FIRST, V4_LAST, V4_LAST + 1, (1 << 128) - 1, 1 << 120, 256]),
)


@settings(max_examples=200, deadline=None)
@given(
    addresses=st.lists(ADDRESSES, min_size=1, max_size=30, unique=True),
    lists=st.lists(st.lists(NETWORKS, max_size=4).map(tuple), max_size=3),
    marked=st.lists(st.tuples(NETWORKS, st.sampled_from(["scanner", "crawler", "probe"])), max_size=6),
)
@example(addresses=[0], lists=[], marked=[("::/0", "crawler"), ("::/1", "scanner")])
def test_membership_and_marks_agree_with_ipaddress(addresses, lists, marked, tmp_path_factory):
    """Any addresses, any networks: order, membership of each list and the narrowest mark are what `ipaddress` says."""
    networks = [
        Marked(*span, mark, ipaddress.ip_network(network).prefixlen)
        for network, mark in marked
        for span in spans_of(network)
    ]
    enriched = NO_ENRICHMENT._replace(marks=tuple(flattened(networks)))
    rows = table(tmp_path_factory.mktemp("a"), [text_of(address) for address in addresses], lists, enriched)
    ordered = sorted(addresses)
    assert [row["src_ip"] for row in rows] == [text_of(address) for address in ordered]
    assert [row["place"] for row in rows] == list(range(len(rows)))
    for address, row in zip(ordered, rows, strict=True):
        for number, listed in enumerate(lists):
            assert row[f"within_{number}"] == any(model_within(address, network) for network in listed)
        fitting = [
            (ipaddress.ip_network(network).prefixlen + (96 if ":" not in network else 0), -place, mark)
            for place, (network, mark) in enumerate(marked)
            if model_within(address, network)
        ]
        assert row["mark"] == (max(fitting)[2] if fitting else None)


def test_a_look_up_is_made_once_for_a_network(tmp_path):
    """Addresses of one network ask the database once: the cost is that of networks, not of addresses."""
    asked = []

    def find(address):
        asked.append(address)
        return 1, address | 0xFFFF

    chance = random.Random(5)
    texts = [str(ipaddress.IPv4Address(number)) for number in chance.sample(range(1 << 20), 2000)]
    rows = table(tmp_path, texts, (), NO_ENRICHMENT._replace(asn=find))
    assert [row["src_asn"] for row in rows] == [1] * 2000
    assert len(asked) == len({number >> 16 for number in (int(ipaddress.ip_address(text)) for text in texts)})


@pytest.mark.parametrize(
    ("record", "number", "place"),
    [
        (None, None, None),
        ("DE", None, None),
        ({}, None, None),
        ({"asn": 0}, None, None),
        ({"asn": 1 << 32}, None, None),
        ({"asn": "as64500"}, 64500, None),
        ({"asn": "ASx"}, None, None),
        ({"autonomous_system_number": 1, "asn": 2}, 1, None),
        ({"country": {"iso_code": "de"}}, None, None),
        ({"country": "DE"}, None, "DE"),
        ({"country": {"iso_code": "D"}, "country_code": "AT"}, None, "AT"),
        ({"registered_country": {"iso_code": "AT"}}, None, "AT"),
    ],
)
def test_records_of_any_makers_form(record, number, place):
    """A number is one of 32 bits, a country two capital letters; anything else is not known."""
    assert (as_number(record), country(record)) == (number, place)


def test_marks_that_are_wrong_are_told_by_line(tmp_path):
    """Each mistake with its line; nothing of the file is used."""
    path = marks(
        tmp_path / "m.csv",
        "192.0.2.1/24,scanner,us,2026-11-01",
        "192.0.2.0/24,bot,us,2026-11-01",
        "x",
        "192.0.2.0/24,probe,us,now",
    )
    problems: list = []
    assert read_marks(path, problems) == []
    assert [problem.place for problem in problems] == ["line 2", "line 3", "line 4", "line 5"]
    with pytest.raises(ConfigurationError), enrichment(None, None, [path]):
        pass


def test_a_file_that_is_no_database_is_told(tmp_path):
    """`pentrap check` and the export say which, before anything is read from it."""
    (tmp_path / "bad.mmdb").write_bytes(b"not one")
    found = database_problems(tmp_path / "bad.mmdb", tmp_path / "absent.mmdb", [tmp_path / "absent.csv"])
    assert [problem.file.rpartition("/")[2] for problem in found] == ["bad.mmdb", "absent.mmdb", "absent.csv"]
    with pytest.raises(ConfigurationError), enrichment(tmp_path / "bad.mmdb", None, []):
        pass


def test_a_database_whose_tree_is_damaged_stops_the_export(tmp_path, rules):
    """Its end is whole, so it opens; the look-up finds the damage: an error that names the file, and nothing is published."""
    path = database(tmp_path / "geo.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}})
    content = path.read_bytes()
    tree_ends = content.index(b"\xab\xcd\xefMaxMind.com") - 20
    path.write_bytes(content[:40] + b"\xff" * (tree_ends - 40) + content[tree_ends:])
    with enrichment(None, path, []) as enriched:
        world = Day(tmp_path / "day", rules, enrichment=enriched)
        world.record(records(rules, 30))
        world.seal()
        with pytest.raises(CorruptError, match=f"look up addresses: {path}") as caught:
            world.export([entitlement()])
    assert "download the file again" in str(caught.value)
    assert world.entries() == []
    assert not world.tree.exists()
