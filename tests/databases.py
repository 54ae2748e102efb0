"""Real .mmdb files, made for a test."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netaddr
from mmdb_writer import MMDBWriter


def database(path: Path, networks: Mapping[str, Mapping[str, Any]], version: int = 6) -> Path:
    """What is known of each network, as a MaxMind DB."""
    writer = MMDBWriter(version, ipv4_compatible=version == 6, database_type="test", languages=["en"])
    for network, record in networks.items():
        writer.insert_network(netaddr.IPSet([network]), record)
    writer.to_db_file(str(path))
    return path
