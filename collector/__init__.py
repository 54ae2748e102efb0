"""Pentrap: the collector behind a botnet takedown.

Rooms, in the direction in which data goes:

intake     sockets, deadlines, budgets: infected machines connect, are answered and let go
wire       the bytes of a check-in become a verdict; bytes stop here (pure)
orders     which court order covers this name, address and time (pure)
journal    fixed-width records: append, checksum, group commit, seal, recover
segments   sealed journals become Parquet, by UTC day
manage     aiohttp: metrics, health, the status page, the partners' interface
audit      the durable log of what the collector did
service    processes and wiring
cli        the commands
ground     what every room stands on: record, codes, files, counters, clock, logs, errors
"""

from pathlib import Path

__version__ = "0.1.0"


def _revision() -> str:
    """What this package was built from (setup.py wrote it); "" in a checkout, whose files may change at any time."""
    try:
        return (Path(__file__).parent / "revision.txt").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


__revision__ = _revision()
