"""L-24: when the return is due is a metric, and an alert fourteen and seven days before."""

import os
import re
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from collectors import PENTRAP, ROOT, Collector, exchange, get, write_operation

DUE = "pentrap_order_return_due_timestamp_seconds{order=%s}"
ALERTS = (ROOT / "deploy/prometheus/rules/pentrap.yml").read_text()


def order(name: str, starts: datetime, ends: datetime, more: str = "") -> str:
    """One order."""
    return f"""
[[order]]
id = "{name}"
kind = "pen-trap"
docket = "D"
issued = {starts:%Y-%m-%dT%H:%M:%SZ}
starts = {starts:%Y-%m-%dT%H:%M:%SZ}
ends = {ends:%Y-%m-%dT%H:%M:%SZ}
officers = ["Officer A"]
{more}
"""


def due(made: Collector) -> dict[str, datetime]:
    """By order's alias, what the metric says."""
    found = re.findall(r"_return_due_timestamp_seconds\{order=(.*)\}", "\n".join(made.metrics()))
    return {name: datetime.fromtimestamp(made.metrics()[DUE % name], UTC) for name in found}


def test_l24_the_return_is_due_thirty_days_after_the_last_extension(tmp_path: Path) -> None:
    """Each order of a chain has the due date of its chain, a termination counted as an end; another order has its own."""
    now = datetime.now(UTC).replace(microsecond=0)
    first, second = now - timedelta(days=50), now - timedelta(days=10)
    stopped = now + timedelta(days=3)
    orders = (
        order("op-1", first, second)
        + order(
            "op-2",
            second,
            now + timedelta(days=40),
            f'extends = "op-1"\nterminated = {stopped:%Y-%m-%dT%H:%M:%SZ}',
        )
        + order("op-9", first, second)
    )
    made = Collector(tmp_path)
    write_operation(tmp_path / "operations", orders=orders)
    with made.start():
        month = timedelta(days=30)
        assert due(made) == {"op-1": stopped + month, "op-2": stopped + month, "op-9": second + month}


def test_l24_the_deadline_is_gone_once_the_court_has_the_return(tmp_path: Path) -> None:
    """Made and noted as delivered: no due date any more. An interim return changes nothing."""
    now = datetime.now(UTC).replace(microsecond=0)
    made = Collector(tmp_path)
    ended = now - timedelta(days=25)
    write_operation(tmp_path / "operations", orders=order("op-1", ended - timedelta(days=30), ended))
    with made.start():
        exchange(made.port, get())
        assert due(made) == {"op-1": ended + timedelta(days=30)}
        bundle = tmp_path / "return.tar"
        words = ("--config", made.config, "--order", "op-1")
        for command in (
            ("return", *words, "--to", tmp_path / "interim.tar", "--interim"),
            ("return", *words, "--to", bundle),
        ):
            subprocess.run(
                [PENTRAP, "order", *command], check=True, env=dict(os.environ), capture_output=True
            )
            assert due(made) == {"op-1": ended + timedelta(days=30)}
        delivered = (PENTRAP, "order", "delivered", *words, "--bundle", bundle, "--reason", "filed")
        subprocess.run(delivered, check=True, capture_output=True)
        until = time.monotonic() + 5  # the clerk reads the log twice a second
        while due(made) and time.monotonic() < until:
            time.sleep(0.1)
        assert due(made) == {}


def test_l24_alerts_come_fourteen_and_seven_days_before() -> None:
    """The alerting rules compare the metric with the time in 14 and in 7 days. That they fire to the second is promtool's to
    say (tests/deploy/test_alert_rules.py).
    """
    limits = re.findall(r"pentrap_order_return_due_timestamp_seconds - time\(\) < (\d+) \* 86400", ALERTS)
    assert sorted(limits) == ["14", "7"]
