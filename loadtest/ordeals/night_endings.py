"""Nights in which something else ends: an order, a worker, a partner's token."""

import contextlib
import http.client
import json
import subprocess
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from collectors import PENTRAP, Collector, write_operation

from ordeals.night import LISTED, night, told, within
from ordeals.world import checks_in, kill, make_collector, roles, start_whole

PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""


def _order(name: str, starts: datetime, ends: datetime, more: str = "") -> str:
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    return (
        f'[[order]]\nid = "{name}"\nkind = "pen-trap"\ndocket = "D-1"\nofficers = ["Officer A"]\n'
        f"issued = {starts:{stamp}}\nstarts = {starts:{stamp}}\nends = {ends:{stamp}}\n{more}"
    )


def order_expired(folder: Path) -> dict[str, Any]:
    """An order ends; its extension is loaded late."""
    collector, targets = make_collector(folder, segments__seal_seconds=1)
    now = datetime.now(UTC).replace(microsecond=0)
    ends = now + timedelta(seconds=30)
    first = _order("op-1", now - timedelta(days=30), ends)
    write_operation(folder / "operations", orders=first)
    with night(folder, collector, targets) as made:
        soon, over = "PentrapOrderEndsIn7Days", "PentrapOrderEnded"
        made.watch(begin={soon})
        time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()))
        made.breaks("the order ends")
        made.watch(begin={over})
        made.look()
        made.command("order", "show")
        flaws = (
            [] if collector.ready()["not_recording_because"] == ["no order in force"] else ["readyz is wrong"]
        )
        made.holds_for(8)  # so long that a lapse of NotRecording would show
        starts = datetime.now(UTC).replace(microsecond=0)
        second = _order("op-2", starts, starts + timedelta(days=30), 'extends = "op-1"\n')
        write_operation(folder / "operations", orders=first + second)
        made.step("the extension is written into the file")
        made.command("check")
        collector.reload()
        again = made.records_again(5)
        made.step("SIGHUP; seconds until it records", said=again)
        flaws += [] if again is not None else ["it does not record again"]
        made.watch(end={over, soon})
        made.command("order", "show")
        flaws += made.unanswered()
        return told(made, {soon, over}, set(), flaws)


def worker_killed(folder: Path) -> dict[str, Any]:
    """A worker is killed every second or so."""
    collector, targets = make_collector(folder, intake__workers=2, segments__seal_seconds=1)
    with night(folder, collector, targets) as made:
        made.breaks("a worker is killed, and killed again")
        for _ in range(6):
            pids = roles(collector)
            kill(pids["worker-0"])
            within(
                lambda gone=pids["worker-0"]: (
                    gone not in roles(collector).values() and "worker-1" in roles(collector)
                ),
                10,
            )  # type: ignore[misc]
            time.sleep(0.3)
        made.watch(begin={"PentrapRestarting"})
        made.look()
        deaths = [
            json.loads(line) for line in collector.log_file.read_text().splitlines() if "process_died" in line
        ]
        made.step("process_died in the log", said=[f"{one['child']} exit {one['exit']}" for one in deaths])
        made.watch(end={"PentrapRestarting"}, seconds=90)
        flaws = [] if {one["exit"] for one in deaths} == {-9} else ["the log does not say how it died"]
        return told(made, {"PentrapRestarting"}, {"PentrapDroppedCrash", "PentrapNotAnswering"}, flaws)


def worker_cannot(folder: Path) -> dict[str, Any]:
    """The compiled rules are damaged, and the only worker dies: none can start."""
    collector, _ = make_collector(folder, segments__seal_seconds=1)
    with night(folder, collector, None) as made:
        digest = (collector.data / "rules" / "current").read_text().strip()
        rules = collector.data / "rules" / f"{digest}.json"
        rules.write_bytes(rules.read_bytes()[:-10])
        made.breaks("the rules' file is damaged, and the worker killed")
        kill(roles(collector)["worker-0"])
        expected = {"PentrapRestarting", "PentrapNotAnswering", "PentrapNotRecording"}
        made.watch(begin=expected)
        made.look()
        lines = [
            json.loads(line) for line in collector.log_file.read_text().splitlines() if '"process_' in line
        ]
        made.step(
            "the log",
            said=[
                {k: v for k, v in one.items() if k in ("event", "child", "exit", "place")}
                for one in lines[-2:]
            ],
        )
        collector.reload()
        made.step("SIGHUP")
        again = within(lambda: checks_in(collector.port, host=LISTED), 20)
        made.step("seconds until machines are answered", said=again)
        flaws = [] if again is not None else ["the remedy is none"]
        made.watch(end=expected, seconds=90)
        return told(made, expected, {"PentrapDroppedCrash"}, flaws)


def token_revoked(folder: Path) -> dict[str, Any]:
    """A partner's token is revoked while it fetches."""
    collector, _ = make_collector(folder)
    write_operation(folder / "operations", extra='[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n')
    (folder / "partners.toml").write_text(PARTNERS)
    start_whole(collector)
    secret = json.loads(_partner(collector, "add"))["token"]
    with night(folder, collector, None, started=True) as made:
        stopping = threading.Event()
        statuses: list[int] = []

        def fetch() -> None:
            while not stopping.wait(0.2):
                with contextlib.suppress(OSError):
                    connection = http.client.HTTPConnection("127.0.0.1", collector.pull_port, timeout=5)
                    connection.request(
                        "GET", "/v1/publications", headers={"Authorization": f"Bearer {secret}"}
                    )
                    statuses.append(connection.getresponse().status)
                    connection.close()

        partner = threading.Thread(target=fetch)
        partner.start()
        within(lambda: 200 in statuses, 5)
        made.breaks("the token is revoked")
        made.command("partner", "revoke", "cert-a")
        expected = {"PentrapPartnerWithoutToken", "PentrapPullRefused"}
        made.watch(begin=expected)
        made.command("partner", "show")
        made.step("what the partner is told", said=sorted(set(statuses)))
        secret = json.loads(_partner(collector, "add"))["token"]
        made.step("pentrap partner add; the partner has the new token")
        statuses.clear()
        again = within(lambda: 200 in statuses, 10)
        made.step("seconds until it is let in", said=again)
        flaws = [] if again is not None else ["the new token does not count"]
        made.watch(end=expected, seconds=180)
        stopping.set()
        partner.join()
        return told(made, expected, set(), flaws)


def _partner(collector: Collector, command: str) -> str:
    words = [PENTRAP, "partner", command, "--config", collector.config, "cert-a", "--json"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout
