"""The papers of a made-up takedown: two operations with orders in force today, a schedule, partners, databases.

Every name is reserved for examples (RFC 2606, RFC 5398), every machine is on loopback, and the database says of loopback
networks what a real one says of providers'.
"""

import csv
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import netaddr
from mmdb_writer import MMDBWriter

SHADOWSERVER, CERT = "shadowserver", "cert-de"
COUNTRY = "DE"
"""The one country of which the CERT may have something."""
AVALANCHE, ZEROACCESS = "avalanche-1", "zeroaccess-1"
LISTED = {"andromeda": 40, "urlzone": 28, "citadel": 20, "tinba": 16, "matsnu": 12, "nymaim": 10, "ranbyus": 8, "goznym": 6,
          "rovnix": 4}  # fmt: skip
"""Domains of each family that are ours: those that the generation algorithms of a few weeks come to, in small."""
REGISTRIES = {"example": "registry-one", "test": "registry-two", "invalid": "registry-three"}
LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Network(NamedTuple):
    """What the databases say of some of the loopback addresses that the fleet has for sources."""

    network: str
    country: str
    asn: int


NETWORKS = (
    Network("127.64.0.0/23", "DE", 64500),
    Network("127.64.2.0/24", "FR", 64501),
    Network("127.64.3.0/24", "NL", 64502),
    Network("127.64.4.0/23", "US", 64503),
    Network("127.64.6.0/24", "PL", 64504),
    Network("::1/128", "DE", 64505),
)
"""127.64.7.0/24 is left out: of some addresses nobody knows the country."""
MARKS = (("127.64.4.0/28", "scanner"), ("127.64.6.240/28", "researcher"))

AVALANCHE_FILE = """# Made up for `make demo`. The injunction brings the domains to us, the order says what may be recorded.
operation = "avalanche"

[injunction]
court = "Example District Court"
docket = "0:00-cv-00001"
issued = {day}T00:00:00Z

[answer]
status = 200
header = "X-Sinkhole: malware"

[[domains]]
file = "avalanche.csv"

[[services]]
transport = "tcp"
port = {tcp_service}
family = "gameover"

[[order]]
id = "avalanche-1"
kind = "pen-trap"
docket = "0:00-mc-00001"
issued = {day}T00:00:00Z
starts = {day}T00:00:00Z
ends = {end}T00:00:00Z
officers = ["Example Officer"]
retention_days = 90

[[order.annex]]
partner = "shadowserver"
tlp = "AMBER"

[[order.annex]]
partner = "cert-de"
countries = ["DE"]
tlp = "AMBER+STRICT"
"""

ZEROACCESS_FILE = """# Made up for `make demo`: a botnet without domains, and an order that gives something to one partner only.
operation = "zeroaccess"

[injunction]
court = "Example District Court"
docket = "0:00-cv-00002"
issued = {day}T00:00:00Z

[answer]
status = 200
header = "X-Sinkhole: malware"

[[services]]
transport = "udp"
port = {udp_service}
family = "zeroaccess"

[[order]]
id = "zeroaccess-1"
kind = "pen-trap"
docket = "0:00-mc-00002"
issued = {day}T00:00:00Z
starts = {day}T00:00:00Z
ends = {end}T00:00:00Z
officers = ["Example Officer"]
retention_days = 90

[[order.annex]]
partner = "cert-de"
countries = ["DE"]
tlp = "AMBER+STRICT"
"""

PARTNERS_FILE = """# Made up for `make demo`. What a partner wishes of what the annexes give it; it can only narrow that.
[[partner]]
name = "shadowserver"
contact = "duty desk <desk@shadowserver.example>"
purpose = "warn the owners of infected machines"
datasets = ["events", "hosts"]
formats = ["parquet", "shadowserver-csv", "ocsf-parquet"]
retention_days = 90

[[partner]]
name = "cert-de"
contact = "duty desk <desk@cert.example>"
purpose = "warn the owners of infected machines"
datasets = ["events", "hosts"]
formats = ["parquet", "shadowserver-csv"]
countries = ["DE"]
retention_days = 30
"""


def write_papers(operator: Path, tcp_service: int, udp_service: int, seed: int) -> tuple[Path, ...]:
    """Everything but the settings, into the operator's folder; the operation files."""
    today = datetime.now(UTC).date()
    words = {
        "day": today,
        "end": today + timedelta(days=30),
        "tcp_service": tcp_service,
        "udp_service": udp_service,
    }
    folder = operator / "operations"
    folder.mkdir(parents=True)
    _write_schedule(folder / "avalanche.csv", today, seed)
    files = (folder / "avalanche.toml", folder / "zeroaccess.toml")
    for file, text in zip(files, (AVALANCHE_FILE, ZEROACCESS_FILE), strict=True):
        file.write_text(text.format(**words))
    (operator / "partners.toml").write_text(PARTNERS_FILE)
    _write_databases(operator, today)
    return files


def _write_schedule(path: Path, today: date, seed: int) -> None:
    """The court's list: what is redirected, some that the registry blocks, some whose time is over."""
    rng = random.Random(f"{seed}/schedule")
    yesterday = today - timedelta(days=1)
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(("domain", "family", "action", "registry", "valid_from", "valid_until"))
        for family, count in LISTED.items():
            for _ in range(count):
                rows.writerow((*_named(rng, family, "redirect"), "", ""))
            rows.writerow((*_named(rng, family, "block"), "", ""))
            rows.writerow((*_named(rng, family, "register"), "", yesterday))


def _named(rng: random.Random, family: str, action: str) -> tuple[str, str, str, str]:
    """A name such as a generation algorithm makes, below a domain that exists nowhere (RFC 2606)."""
    ending = rng.choice(tuple(REGISTRIES))
    return (
        "".join(rng.choices(LETTERS, k=rng.randrange(10, 19))) + "." + ending,
        family,
        action,
        REGISTRIES[ending],
    )


def _write_databases(operator: Path, today: date) -> None:
    countries, numbers = (
        MMDBWriter(6, ipv4_compatible=True, database_type=f"Demo-{of}") for of in ("Country", "ASN")
    )
    for one in NETWORKS:
        countries.insert_network(netaddr.IPSet([one.network]), {"country": {"iso_code": one.country}})
        numbers.insert_network(netaddr.IPSet([one.network]), {"autonomous_system_number": one.asn})
    countries.to_db_file(str(operator / "countries.mmdb"))
    numbers.to_db_file(str(operator / "numbers.mmdb"))
    lines = [f"{network},{mark},made up,{today}" for network, mark in MARKS]
    (operator / "marks.csv").write_text("\n".join(["network,mark,source,as_of", *lines]) + "\n")
