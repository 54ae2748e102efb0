"""The guide's readers that are too large to be dependencies, each run for real on what a collector really serves.

    .venv/bin/python loadtest/readers.py [--only intelmq httpfs spark]

A small day with a late supplement and a withdrawal (tests/pull/guide_world.py) is exported, served, and pulled by the shell
blocks of deploy/PARTNERS.md. Then, each in an environment of its own in loadtest/build/readers/:

    intelmq    IntelMQ's file collector and Shadowserver parser as the guide's YAML sets them up, a real Redis between them, and
               its file output; Shadowserver's schema is the one in tests/exports/reference. Every event against its row
    httpfs     the guide's block of DuckDB straight from the interface, with the last DuckDB that has the extension as a package
    spark      the guide's block, then hosts and OCSF, counted

Needs Debian's redis-server and openjdk-17-jre-headless, and a package index. Result: loadtest/results/readers.json. Exit 1
where a row is missing or another.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from ordeals.world import ROOT, machine, revision, write_result

for _place in ("segments", "exports", "pull"):
    sys.path.insert(0, str(ROOT / "tests" / _place))

from collectors import free_port  # noqa: E402
from guide import Desk, blocks  # noqa: E402
from guide_world import LATE, ROWS, served_day  # noqa: E402

BUILD = ROOT / "loadtest/build/readers"
PACKAGES = {
    "intelmq": ("intelmq==3.5.0",),
    "httpfs": ("duckdb==1.5.5", "duckdb-extensions==1.5.5", "duckdb-extension-httpfs==1.5.5", "pytz==2025.2"),
    "spark": ("pyspark==4.3.0",),
}
SECONDS_MAX = 120
NOBODY = 65534


def environment(name: str) -> Path:
    """The Python of an environment with a reader's packages; made once."""
    folder = BUILD / name
    done = folder / "installed"
    if not done.exists() or done.read_text() != repr(PACKAGES[name]):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", *PACKAGES[name]], check=True)
        done.write_text(repr(PACKAGES[name]))
    return folder / "bin/python"


def httpfs(desk: Desk, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The guide's block; its last answer, addresses by family of the first publication, against the segment's."""
    python = environment("httpfs")
    desk.run(python, "-c", "from duckdb_extensions import import_extension; import_extension('httpfs')")
    (block,) = blocks("sql", "httpfs")
    text = (
        f"import duckdb, json\nprint(json.dumps(dict(duckdb.execute({desk.here(block.text)!r}).fetchall())))"
    )
    said = json.loads(desk.run(python, "-c", text))
    of_day = {(row["family"], row["src_ip"]) for row in rows[:ROWS]}
    return {"addresses": said, "holds": said == dict(Counter(family for family, _ in of_day))}


def spark(desk: Desk, _rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The guide's block, and a count of each kind of file."""
    (block,) = blocks("python", "spark")
    more = """
def count(kind):
    return spark.read.option("mergeSchema", True).parquet(*glob(f"publications/[0-9]*/*-{kind}-*.parquet")).count()
print("counted", events.count(), count("hosts"), count("network_activity"))
"""
    said = desk.run(environment("spark"), "-c", block.text + more, seconds=SECONDS_MAX)
    (counted,) = [line.split()[1:] for line in said.splitlines() if line.startswith("counted ")]
    events, hosts, ocsf = map(int, counted)
    return {
        "events": events,
        "hosts": hosts,
        "ocsf": ocsf,
        "holds": events == ocsf == ROWS + LATE and hosts > 0,
    }


def intelmq(desk: Desk, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Collector, parser and an output; each event against its row."""
    python = environment("intelmq")
    root = desk.folder / "intelmq-root"
    for place in ("etc", "var/log", "var/run", "var/lib/bots"):
        (root / place).mkdir(parents=True)
    package = Path(desk.run(python, "-c", "import intelmq; print(intelmq.__path__[0])").splitlines()[-1])
    shutil.copy(package / "etc/harmonization.conf", root / "etc")
    schema = ROOT / "tests/exports/reference/intelmq-sinkhole.json"
    shutil.copy(schema, root / "var/lib/bots/shadowserver-schema.json")
    with redis(desk.folder) as port:
        bots = configured(desk, root, port)
        (root / "etc/runtime.yaml").write_text(yaml.safe_dump(bots))
        events = collected(python, bots, root)
    return compared(events, rows) | {"files_left": len(list((desk.folder / "intelmq").iterdir()))}


def configured(desk: Desk, root: Path, port: int) -> dict[str, Any]:
    """The guide's two bots, as they stand there but for the folder and the download of the schema, and an output."""
    (block,) = blocks("yaml")
    bots: dict[str, Any] = yaml.safe_load(block.text)
    bots["pentrap-collector"]["parameters"]["path"] = str(desk.folder / "intelmq")
    bots["pentrap-parser"]["parameters"] |= {
        "auto_update": False,
        "destination_queues": {"_default": ["output-queue"]},
    }
    bots["output"] = {
        "group": "Output",
        "module": "intelmq.bots.outputs.file.output",
        "parameters": {"file": str(root / "events.json"), "hierarchical_output": False},
    }
    ends = ("source", "destination")
    shared: dict[str, Any] = {f"{end}_pipeline_broker": "redis" for end in ends}
    shared |= {f"{end}_pipeline_port": port for end in ends}
    bots["global"] = shared | {
        "logging_path": str(root / "var/log"),
        "logging_level": "INFO",
        "http_proxy": None,
    }
    return bots


def collected(python: Path, bots: dict[str, Any], root: Path) -> list[dict[str, Any]]:
    """What comes out of the output when nothing more does."""
    said = root / "said"
    as_whom: dict[str, Any] = {}
    if os.getuid() == 0:  # as which IntelMQ does not run
        as_whom = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        for place in (root, Path(bots["pentrap-collector"]["parameters"]["path"])):
            shutil.chown(place, NOBODY, NOBODY)
            for below in place.rglob("*"):
                shutil.chown(below, NOBODY, NOBODY)
    with said.open("w") as output:
        running = [
            subprocess.Popen(
                [python.parent / bot["module"], name],
                env={"INTELMQ_ROOT_DIR": str(root), "PATH": "/usr/bin:/bin", "TZ": "America/New_York"},
                stdout=output,
                stderr=output,
                **as_whom,
            )
            for name, bot in bots.items()
            if name != "global"
        ]
    path = root / "events.json"
    until, size, since = time.monotonic() + SECONDS_MAX, -1, time.monotonic()
    try:
        while time.monotonic() < until and (size <= 0 or time.monotonic() - since < 5):
            time.sleep(0.5)
            now = path.stat().st_size if path.exists() else 0
            if now != size:
                size, since = now, time.monotonic()
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait(20)
    logs = "".join(log.read_text() for log in (root / "var/log").glob("*.log"))
    wrong = [line for line in logs.splitlines() if " ERROR " in line or " CRITICAL " in line]
    if wrong or size <= 0:
        raise RuntimeError(f"IntelMQ: {wrong[:3] or logs[-2000:]} {said.read_text()[-2000:]}")
    return [json.loads(line) for line in path.read_text().splitlines()]


def compared(events: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Every event against the row that its event_id names."""
    by_id = {f"{row['stream']}-{row['record']}": row for row in rows}
    found = []
    for event in events:
        row = by_id.pop(event.get("extra.event_id", ""), None)
        if row is None:
            found.append(f"no such row, or twice: {event.get('extra.event_id')}")
            continue
        pairs = {
            "source.ip": row["src_ip"],
            "source.port": row["src_port"],
            "destination.ip": row["dst_ip"],
            "destination.port": row["dst_port"],
            "malware.name": row["infection"].lower(),
            "protocol.transport": row["transport"],
            "classification.type": "infected-system",
        }
        found += [
            f"{name}: {event.get(name)!r}, not {value!r}"
            for name, value in pairs.items()
            if event.get(name) != value
        ]
        moment = datetime.fromisoformat(event["time.source"])
        if abs((moment - row["timestamp"].astimezone(UTC)).total_seconds()) >= 1:
            found.append(f"time.source: {event['time.source']}, not {row['timestamp']}")
    found += [f"no event of {name}" for name in by_id]
    return {
        "events": len(events),
        "wrong": len(found),
        "first_wrong": found[:5],
        "holds": bool(events) and not found,
    }


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[int]:
    """A Redis of its own on loopback; its port."""
    port = free_port()
    words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    try:
        yield port
    finally:
        server.terminate()
        server.wait(20)


READERS: dict[str, Callable[[Desk, list[dict[str, Any]]], dict[str, Any]]] = {
    "intelmq": intelmq,
    "httpfs": httpfs,
    "spark": spark,
}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=READERS, default=list(READERS))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pentrap-readers-") as temporary:
        Path(temporary).chmod(0o711)
        served = served_day(Path(temporary) / "served")
        served.start()
        (Path(temporary) / "desk").mkdir(mode=0o711)
        desk = Desk(Path(temporary) / "desk", served)
        found = {}
        for name in chosen.only:
            found[name] = {"packages": PACKAGES[name]} | READERS[name](desk, served.exports.rows)
            print(name, json.dumps(found[name]), file=sys.stderr)
        served.stop()
        served.loop.stop()
    result = {
        "command": sys.argv,
        "machine": machine(),
        "revision": revision(),
        "holds": all(one["holds"] for one in found.values()),
        **found,
    }
    print(write_result("readers.json", result), file=sys.stderr)
    return 0 if result["holds"] else 1


if __name__ == "__main__":
    sys.exit(main())
