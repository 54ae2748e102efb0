"""Folders with operation files, made as an officer would write them."""

from collections.abc import Callable
from pathlib import Path

import pytest

OPERATION = """\
operation = "avalanche"

[injunction]
court = "Example District Court"
docket = "0:26-cv-00001"
issued = 2026-11-01T00:00:00Z

[answer]
status = 200
header = "X-Sinkhole: malware"
notice_file = ""

[[domains]]
file = "a.csv"

[[services]]
transport = "udp"
port = 16464
family = "zeroaccess"

[[order]]
id = "avalanche-1"
kind = "pen-trap"
docket = "0:26-mc-00002"
issued = 2026-11-01T00:00:00Z
starts = 2026-11-01T00:00:00Z
ends   = 2026-12-31T00:00:00Z
officers = ["officer-1"]
fields = []
retention_days = 90

[[order.annex]]
partner = "shadowserver"
columns = []
families = []
countries = []
networks = []
tlp = "AMBER"
"""

SCHEDULE = """\
domain,family,action,registry,valid_from,valid_until
evil.com,tinba,redirect,verisign,2026-11-01,2026-12-01
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write an operation file, with pieces of the usual one replaced, and its schedule; gives its path."""

    def _write(
        *changes: tuple[str, str], schedule: str | bytes = SCHEDULE, name: str = "avalanche.toml"
    ) -> Path:
        text = OPERATION
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        content = schedule.encode() if isinstance(schedule, str) else schedule
        (tmp_path / "a.csv").write_bytes(content)
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return _write
