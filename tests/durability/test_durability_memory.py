"""Memory of idle connections, in short; `loadtest/memory.py` has the million check-ins."""

from pathlib import Path

from ordeals import memory


def test_an_idle_connection_costs_at_most_30_kib(tmp_path: Path) -> None:
    """User space and kernel together, for each of 1,500 connections that have sent half a head."""
    found = memory.idle(tmp_path, steps=(1500,))
    assert found["holds"], found
