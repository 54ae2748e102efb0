"""L-31: a partner gets what its order's annex gives: the annex itself, and that recording alone gives nobody anything."""

import json
import socket
import subprocess
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, exchange, free_port, get, write_operation
from databases import database

ANNEX = """[[order.annex]]
partner = "cert-a"
columns = ["timestamp", "src_ip", "order_id", "stream", "record", "src_port"]
families = ["andromeda"]
countries = ["DE"]
networks = ["192.0.2.0/24", "2001:db8::/32"]
tlp = "AMBER"
"""
PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""


def checked(folder: Path, annex: str) -> list[dict[str, str]]:
    """The problems that `pentrap check` finds in an operation with this annex; none: exit 0."""
    made = Collector(folder, settings={"export.geo_db": "countries.mmdb"})
    database(folder / "countries.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}})
    write_operation(folder / "operations", extra=annex)
    (folder / "partners.toml").write_text(PARTNERS)
    made.write_config()
    done = subprocess.run(
        [PENTRAP, "check", "--json", "--config", made.config], capture_output=True, text=True, check=False
    )
    told = json.loads(done.stdout)
    assert done.returncode == (2 if isinstance(told, list) else 0), done.stderr
    return told if isinstance(told, list) else []


def test_l31_an_annex_names_partner_columns_families_countries_networks(tmp_path: Path) -> None:
    """All that may narrow a partner's rows and columns is a list in the order's own annex; a whole one is accepted."""
    assert checked(tmp_path, ANNEX) == []


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('"src_port"]', '"http_url"]', "columns"),
        ('"src_port"]', '"user_agent"]', "columns"),
        ('["andromeda"]', '["Andromeda ; all"]', "families"),
        ('["DE"]', '["Germany"]', "countries"),
        ('["DE"]', '["de"]', "countries"),
        ('"192.0.2.0/24"', '"192.0.2.1/24"', "networks"),
        ('"192.0.2.0/24"', '"everything"', "networks"),
        ('"AMBER"', '"PINK"', "tlp"),
        ('tlp = "AMBER"\n', "", "tlp"),
        ('partner = "cert-a"', 'partner = "../cert"', "partner"),
        ('partner = "cert-a"\n', "", "partner"),
        ("countries", "rows", "rows"),
    ],
)
def test_l31_what_an_annex_says_unintelligibly_is_refused(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    """A column that no dataset has, a country, network, label or key that is none: exit 2 with the place."""
    assert old in ANNEX
    problems = checked(tmp_path, ANNEX.replace(old, new, 1))
    assert problems
    assert all("annex" in problem["place"] for problem in problems)
    assert any(place in problem["place"] + problem["found"] for problem in problems)


def test_l31_one_annex_for_each_partner(tmp_path: Path) -> None:
    """A partner named twice in one order is refused: which of the two would hold is not for the machine to say."""
    problems = checked(tmp_path, ANNEX + ANNEX)
    assert [problem["found"] for problem in problems] == ["cert-a again"] or any(
        "again" in p["found"] for p in problems
    )


def test_l31_without_exports_nobody_is_given_a_file(tmp_path: Path) -> None:
    """With an annex and rows: no file for a partner is written, and nothing listens where partners would ask."""
    pull = free_port()
    made = Collector(tmp_path, settings={"pull.listen": f"127.0.0.1:{pull}"})
    write_operation(tmp_path / "operations", extra=ANNEX)
    with made.start():
        exchange(made.port, get())
        with socket.socket() as sock:
            assert sock.connect_ex(("127.0.0.1", pull)) != 0
        assert made.stop() == 0
    assert len(made.rows()) == 1
    assert not (made.data / "exports").exists()
    assert [path for path in made.data.rglob("*cert-a*") if path.is_file()] == []
