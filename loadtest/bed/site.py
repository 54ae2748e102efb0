"""A collector's configuration written for a test: one operation with an order in force today."""

import csv
import json
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

OPERATION = "loadtest"
FIRST_PORT, LAST_PORT = 18_000, 19_900
"""Listeners of a test: above 1024, below the fleet's source ports."""


class Row(NamedTuple):
    """One domain of the schedule."""

    domain: str
    family: str = "tinba"


class Site(NamedTuple):
    """Where a collector of a test lives and listens."""

    config: Path
    data: Path
    operation: Path
    listen: tuple[str, ...]
    manage: str

    @property
    def metrics(self) -> str:
        return f"http://{self.manage}/metrics"


def free_ports(count: int, first: int = FIRST_PORT, *, ipv6: bool = True) -> list[int]:
    """Ports that nobody listens on, on 127.0.0.1 and ::1, over TCP and UDP alike."""
    found: list[int] = []
    hosts = [(socket.AF_INET, "127.0.0.1"), *([(socket.AF_INET6, "::1")] if ipv6 else [])]
    for port in range(first, LAST_PORT):
        try:
            for family, host in hosts:
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                    with socket.socket(family, kind) as probe:
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                        probe.bind((host, port))
        except OSError:
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError(f"fewer than {count} free ports between {first} and {LAST_PORT}")


def write_schedule(path: Path, rows: Iterable[Row]) -> int:
    """The court's list as CSV; how many domains it holds."""
    count = 0
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("domain", "family", "action", "registry", "valid_from", "valid_until"))
        for row in rows:
            writer.writerow((row.domain, row.family, "redirect", "verisign", "", ""))
            count += 1
    return count


def operation_text(schedule: str, services: Iterable[tuple[str, int, str]], volume: bool) -> str:
    """An operation file: an order that began yesterday and lasts 30 days."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    starts, ends = (today - timedelta(days=1)).strftime(stamp), (today + timedelta(days=29)).strftime(stamp)
    text = f"""operation = "{OPERATION}"

[injunction]
court = "Test Court"
docket = "0:00-cv-00000"
issued = {starts}

[answer]
status = 200
header = "X-Sinkhole: malware"
notice_file = ""

[[domains]]
file = "{schedule}"

"""
    for transport, port, family in services:
        text += f'[[services]]\ntransport = "{transport}"\nport = {port}\nfamily = "{family}"\n\n'
    return f"""{text}[[order]]
id = "{OPERATION}-1"
kind = "pen-trap"
docket = "0:00-mc-00000"
issued = {starts}
starts = {starts}
ends = {ends}
officers = ["officer-1"]
fields = [{'"volume"' if volume else ""}]
retention_days = 90
"""


def write_site(
    directory: Path,
    *,
    listen: list[str],
    manage_port: int,
    schedule: Path,
    durability: str = "sync",
    workers: int = 1,
    seal_seconds: int = 60,
    services: Iterable[tuple[str, int, str]] = (),
    volume: bool = False,
) -> Site:
    """Write pentrap.toml and what it needs into `directory`; the data goes to `directory/data`."""
    operations = directory / "operations"
    operations.mkdir(parents=True, exist_ok=True)
    operation = operations / f"{OPERATION}.toml"
    operation.write_text(operation_text(str(schedule.resolve()), services, volume))
    (directory / "partners.toml").write_text("")
    manage = f"127.0.0.1:{manage_port}"
    config = directory / "pentrap.toml"
    config.write_text(f"""data_dir = "data"
sensor = "loadtest"
operations = ["operations/*.toml"]
partners = "partners.toml"

[intake]
listen = {json.dumps(listen)}
workers = {workers}
durability = "{durability}"

[segments]
seal_seconds = {seal_seconds}

[manage]
listen = "{manage}"

[pull]
listen = "127.0.0.1:{manage_port + 1}"
""")
    return Site(config, directory / "data", operation, tuple(listen), manage)
