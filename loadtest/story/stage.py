"""Where the story is played: folders made anew, ports, settings.

build/demo/
    operator/                 pentrap.toml and the papers; data/ comes when the collector starts
    botnet/                   the fleet's ledger
    shadowserver/, cert-de/   what each partner was handed, and what it pulled
    visitor/                  where somebody may follow deploy/PARTNERS.md (with --keep)
"""

import json
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

from bed.site import Site, free_ports

from collector.ground.process import holder
from story.papers import CERT, SHADOWSERVER, write_papers

FIRST_PORT = 18_800
"""Away from `make run`'s ports, and from those that load tests take first."""
SENSOR = "demo-1"
OPERATOR, BOTNET, VISITOR = "operator", "botnet", "visitor"
HEAD_DEADLINE_SECONDS = 2
"""Short, since some machines of the fleet say nothing until it is over."""

SETTINGS = """# Made for `make demo`; config/pentrap.toml explains every setting.
data_dir = "data"
sensor = "{sensor}"
operations = ["operations/*.toml"]
partners = "partners.toml"

[intake]
listen = {listen}
head_deadline_seconds = {deadline}
disk_reserve_mb = 64

[segments]
seal_seconds = 2                  # Parquet at once; in earnest a minute

[manage]
listen = "127.0.0.1:{manage}"

[pull]
listen = "127.0.0.1:{pull}"

[export]
unfinished_days = true            # for demonstrations: a day may be published that is not over
geo_db = "countries.mmdb"
asn_db = "numbers.mmdb"
marks = ["marks.csv"]
"""


class Occupied(RuntimeError):  # noqa: N818 - what the folder is
    """The folder is in use, or is not ours to make anew."""


class Stage(NamedTuple):
    """Everything that the chapters ask of the place."""

    folder: Path
    site: Site
    operations: tuple[Path, ...]
    targets: tuple[str, ...]
    pull: str
    """The partners' interface: http://127.0.0.1:port."""
    plain_port: int
    ipv6: bool

    def of(self, who: str) -> Path:
        """Somebody's folder."""
        return self.folder / who


def set_up(folder: Path, seed: int, *, own: bool) -> Stage:
    """Make the folder; one that is `own` is removed first, any other must not exist. Raises Occupied, OSError."""
    _clear(folder, own=own)
    for who in (OPERATOR, BOTNET, SHADOWSERVER, CERT):
        (folder / who).mkdir(parents=True, mode=0o700)
    ipv6 = has_ipv6()
    plain, tcp_service, udp_service, manage, pull = free_ports(5, FIRST_PORT, ipv6=ipv6)
    operator = folder / OPERATOR
    operations = write_papers(operator, tcp_service, udp_service, seed)
    listen = [f"tcp://127.0.0.1:{plain}", *([f"tcp://[::1]:{plain}"] if ipv6 else [])]
    listen += [f"tcp://127.0.0.1:{tcp_service}", f"udp://127.0.0.1:{udp_service}"]
    config = operator / "pentrap.toml"
    config.write_text(
        SETTINGS.format(
            sensor=SENSOR, listen=json.dumps(listen), deadline=HEAD_DEADLINE_SECONDS, manage=manage, pull=pull
        )
    )
    site = Site(config, operator / "data", operations[0], tuple(listen), f"127.0.0.1:{manage}")
    # Two in five go to the plain IPv4 port, as in the field.
    targets = (listen[0], *listen)
    return Stage(folder, site, operations, targets, f"http://127.0.0.1:{pull}", plain, ipv6)


def has_ipv6() -> bool:
    """Whether this machine has ::1; containers often have not."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def _clear(folder: Path, *, own: bool) -> None:
    if not folder.exists():
        return
    if not own:
        raise Occupied(
            f"{folder}: found something there, expected a new folder\n    remedy: name one that does not exist"
        )
    lock = folder / OPERATOR / "data" / "lock"
    if (pid := holder(lock)) is not None:
        raise Occupied(
            f"{folder}: a collector is running there (process {pid}), expected none\n    remedy: end that demo, or kill {pid}"
        )
    shutil.rmtree(folder)
