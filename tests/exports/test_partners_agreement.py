"""partners.toml against the annexes: the narrower of the two, and every disagreement told."""

import ipaddress
import itertools
import random
from pathlib import Path

import pytest
from collectors import write_operation

from collector.exports.agreement import HOST_COLUMNS, HOST_KEYS, agreement_problems
from collector.exports.kinds import Entitlement
from collector.exports.partners import Partner, common, common_networks, entitlements, read_partners
from collector.ground.errors import Problem
from collector.orders.agreement import DATASET_COLUMNS
from collector.orders.docket import read_operations
from collector.orders.operation import Operation
from collector.segments.table import EVENTS

PARTNER = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
ANNEX = """[[order.annex]]
partner = "cert-a"
tlp = "AMBER"
"""


def world(
    folder: Path, partner: str | None, annex: str, **options: str
) -> tuple[list[Partner], list[Operation], list[Problem]]:
    """Both files, read; and what is wrong with the first by itself."""
    path = write_operation(folder, extra=annex, **options)
    file = folder / "partners.toml"
    if partner is not None:
        file.write_text(partner)
    problems: list[Problem] = []
    return read_partners(file, problems), read_operations([path]), problems


def disagreements(
    folder: Path, partner: str | None, annex: str, geo_db: str = "", **options: str
) -> list[Problem]:
    """What is told of the two together."""
    partners, operations, problems = world(folder, partner, annex, **options)
    assert problems == []
    return agreement_problems(partners, operations, geo_db, "partners.toml")


def only(entitled: list[Entitlement]) -> Entitlement:
    (one,) = entitled
    return one


def test_what_agrees_is_accepted(tmp_path: Path) -> None:
    """An annex and its partner: nothing to tell, and one entitlement with all that the order gives."""
    partners, operations, problems = world(tmp_path, PARTNER, ANNEX)
    assert problems == agreement_problems(partners, operations, "", "partners.toml") == []
    assert only(entitlements(partners, operations)) == Entitlement(
        "cert-a", "op-1", "op", (), (), (), (), "AMBER", ("events",), ("parquet",), 30, "warn"
    )


def test_no_file_is_needed_where_no_annex_names_a_partner(tmp_path: Path) -> None:
    """A missing partners.toml is nobody."""
    assert disagreements(tmp_path, None, "") == []


@pytest.mark.parametrize(
    ("partner", "annex", "file", "place"),
    [
        (None, ANNEX, "op.toml", "annex 1 (cert-a) partner"),
        (PARTNER.replace("cert-a", "cert-b"), ANNEX, "op.toml", "annex 1 (cert-a) partner"),
        (PARTNER, "", "partners.toml", "[[partner]] 1 (cert-a) name"),
        (PARTNER.replace("30", "91"), ANNEX, "partners.toml", "retention_days"),
        (PARTNER, ANNEX + 'countries = ["DE"]\n', "op.toml", "countries"),
        (PARTNER + 'countries = ["DE"]\n', ANNEX, "partners.toml", "countries"),
        (PARTNER + 'families = ["tinba"]\n', ANNEX + 'families = ["zeus"]\n', "partners.toml", "families"),
        (
            PARTNER + 'networks = ["192.0.0.0/16"]\n',
            ANNEX + 'networks = ["192.0.2.0/24"]\n',
            "partners.toml",
            "networks",
        ),
        (PARTNER, ANNEX + 'columns = ["timestamp", "src_ip", "src_port"]\n', "op.toml", "columns"),
        (PARTNER + 'columns = ["src_ip"]\n', ANNEX, "partners.toml", "columns"),
        (
            PARTNER.replace('["events"]', '["events", "hosts"]'),
            ANNEX + 'columns = ["timestamp", "src_ip", "src_port", "order_id", "stream", "record"]\n',
            "op.toml",
            "columns",
        ),
        (
            PARTNER.replace('["events"]', '["hosts"]').replace("parquet", "ocsf-parquet"),
            ANNEX,
            "partners.toml",
            "formats",
        ),
    ],
)
def test_l31_what_does_not_agree_is_told_where_it_stands(
    tmp_path: Path, partner: str | None, annex: str, file: str, place: str
) -> None:
    """Names that one side only knows, wishes wider than any annex, countries without a database, columns that a row cannot do
    without: each told with its file and place.
    """
    found = disagreements(tmp_path, partner, annex)
    assert found
    assert any(problem.file.endswith(file) and place in problem.place for problem in found), found
    assert all(problem.found and problem.expected and problem.remedy for problem in found)


def test_countries_with_a_database_are_fine(tmp_path: Path) -> None:
    """The same annex with geo_db set: nothing to tell."""
    assert disagreements(tmp_path, PARTNER, ANNEX + 'countries = ["DE"]\n', "geo.mmdb") == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('name = "cert-a"', 'name = "../a"', "name"),
        ('name = "cert-a"', 'name = "CERT"', "name"),
        ('["events"]', "[]", "datasets"),
        ('["events"]', '["everything"]', "datasets"),
        ('["parquet"]', '["csv"]', "formats"),
        ("30", '"30"', "retention_days"),
        ("30", "0", "retention_days"),
        ('purpose = "warn"\n', "", "purpose"),
        ('"warn"', '"a\\nb"', "purpose"),
        ("retention_days", "keep_days", "keep_days"),
        ("[[partner]]", "[partner]", "[[partner]]"),
        ("[[partner]]", "token = 1\n[[partner]]", "token"),
        ("[[partner]]", "[[partner", "line 1"),
        ("30\n", '30\nnetworks = ["192.0.2.1/24"]\n', "networks"),
        ("30\n", "30\n" + PARTNER, "2 (cert-a) name"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, place: str) -> None:
    """Each mistake of the file: file, place, found, expected, remedy; and nobody gets anything by it."""
    _, _, problems = world(tmp_path, PARTNER.replace(old, new, 1), "")
    assert any(place in problem.place for problem in problems), problems
    assert all(problem.file.endswith("partners.toml") and problem.expected for problem in problems)


def test_l31_nothing_in_common_is_nothing_and_never_all(tmp_path: Path) -> None:
    """Wishes that share nothing with one order's annex give no entitlement for that order: an empty list would mean all."""
    for key, wished, given in (
        ("families", "tinba", "zeus"),
        ("countries", "DE", "FR"),
        ("networks", "192.0.2.0/24", "198.51.100.0/24"),
        ("columns", "src_ip", "dst_ip"),
    ):
        partners, operations, problems = world(
            tmp_path, PARTNER + f'{key} = ["{wished}"]\n', ANNEX + f'{key} = ["{given}"]\n'
        )
        assert problems == []
        assert entitlements(partners, operations) == []


def test_l31_the_narrower_of_annex_and_wishes_wins_in_each_order(tmp_path: Path) -> None:
    """Per order: families in both, the smaller of overlapping networks, the shorter retention."""
    partner = PARTNER.replace("30", "90") + 'families = ["a", "b"]\nnetworks = ["192.0.2.0/24"]\n'
    partners, operations, _ = world(
        tmp_path, partner, ANNEX + 'families = ["b", "c"]\nnetworks = ["192.0.0.0/16", "192.0.2.64/26"]\n'
    )
    entitled = only(entitlements(partners, operations))
    assert entitled.families == ("b",)
    assert set(entitled.networks) == {"192.0.2.0/24", "192.0.2.64/26"}
    assert entitled.retention_days == 90


def test_l31_narrowing_never_gives_what_either_side_withholds() -> None:
    """For every pair of lists over four words, a word is in the outcome exactly where both sides let it pass."""
    words = "abcd"
    lists = [tuple(c) for n in range(5) for c in itertools.combinations(words, n)]
    for given, wished in itertools.product(lists, lists):
        both = {w for w in words if (not given or w in given) and (not wished or w in wished)}
        found = common(given, wished)
        assert (set(found or words) if found is not None else set()) == both


def test_l31_networks_in_common_hold_exactly_the_addresses_of_both() -> None:
    """Random lists of networks, random addresses: an address is in the outcome exactly where both sides hold it."""
    dice = random.Random(7)
    for _ in range(400):
        given, wished = (
            tuple(
                str(ipaddress.ip_network((dice.choice([0x0A000000, 0x0A800000]), size), strict=False))
                if dice.random() < 0.8
                else f"2001:db8::/{size + 25}"
                for size in (dice.randint(7, 12) for _ in range(dice.randint(1, 3)))
            )
            for _ in range(2)
        )
        found = common_networks(given, wished) or ()
        for address in (0x0A000001, 0x0A200000, 0x0A800001, 0x0AFF0000, 0x20010DB8 << 96):
            inside = [
                any(ipaddress.ip_address(address) in ipaddress.ip_network(n) for n in nets)
                for nets in (given, wished, found)
            ]
            assert inside[2] == (inside[0] and inside[1])


def test_the_columns_named_here_are_those_of_the_datasets() -> None:
    """The columns of both datasets together are what an annex may name."""
    assert set(EVENTS.names) | set(HOST_COLUMNS) == DATASET_COLUMNS
    assert set(HOST_KEYS) <= set(HOST_COLUMNS)
