"""A made day exported to three partners in every format, against the same SQL run bare in DuckDB.

    .venv/bin/python loadtest/export.py [--events 20000000] [--addresses 2000000] [--rounds N] [--keep FOLDER]
    .venv/bin/python loadtest/export.py --events 144000000 --only-ours --formats parquet     # an hour, 30 GB of disk

The day is `made_day.py`'s: two workers, a segment a minute each. Three annexes: everything; two countries of some
networks; a few families with fewer columns. AS numbers and countries come from .mmdb files of 60,000 networks, made here.

    ours    `export_day` as `pentrap export` runs it: addresses enriched, rows sorted, hosts counted, the equation counted, each
            format written, hashed, synced, signed and published
    bare    DuckDB alone, with the same memory limit and threads: the statements of the export (`exports/query.py`) for sorting,
            hosts and each partner's rows, and its own COPY for Parquet, CSV and the nested OCSF rows. The table of
            addresses, which is not SQL, is given to it ready; nothing is hashed, signed or counted

Each runs in a process of its own, in turn, best told by the ratio of each round; with --only-ours there is none, and time and
memory tell how it grows. Result: loadtest/results/export-<events>.json, with seconds,
processor time, greatest memory (VmHWM) of each, rows and bytes published, and progress as it was shown.
"""

import argparse
import ipaddress
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "loadtest")]

from made_day import DAY, SENSOR, make  # noqa: E402
from ordeals.world import machine, revision, write_result  # noqa: E402

MEMORY_MB = 512
TEMP_GB = 40
NETWORKS = 60_000
FORMATS = ("parquet", "shadowserver-csv", "ocsf-parquet")
RATIO_MAX = 1.25
MEMORY_MB_MAX = 1024
NOW_US = 1_795_330_800_000_000
"""2026-11-22T07:00:00Z"""
COUNTRIES = ("DE", "US", "FR", "PL", "BR", "IN", "CN", "RU", "TR", "ID")


def annexes(formats: tuple[str, ...]) -> list[Any]:
    """Three partners' entitlements."""
    from collector.exports.kinds import Entitlement
    from collector.segments.table import EVENTS

    def one(partner: str, **narrower: Any) -> Entitlement:
        facts: dict[str, Any] = {
            "partner": partner,
            "order": "avalanche-1",
            "operation": "avalanche",
            "columns": (),
            "families": (),
            "countries": (),
            "networks": (),
            "tlp": "AMBER",
            "datasets": ("events", "hosts"),
            "formats": formats,
            "retention_days": 90,
            "purpose": "victim notification",
        }
        return Entitlement(**facts | narrower)

    hosts_only = ("first_seen", "last_seen", "check_ins", "active_hours", "src_ports", "domains")
    fewer = tuple(name for name in EVENTS.names if name not in ("bytes_in", "mark", "dst_ip")) + hosts_only
    return [
        one("shadowserver"),
        one(
            "us-cert",
            countries=("US", "DE"),
            networks=("24.0.0.0/7", "46.0.0.0/8", "80.0.0.0/4", "2001:db8::/32"),
        ),
        one("fkie", families=("tinba", "citadel", "rovnix", "nymaim", "andromeda"), columns=fewer),
    ]


def databases(folder: Path, seed: int) -> tuple[Path, Path]:
    """Made .mmdb files: numbers and countries of random networks."""
    import netaddr
    from mmdb_writer import MMDBWriter

    chance = random.Random(seed)
    made = []
    for name in ("asn", "geo"):
        writer = MMDBWriter(6, ipv4_compatible=True, database_type=f"made-{name}", languages=["en"])
        for number in range(NETWORKS):
            bits = chance.choice((12, 14, 16, 18, 20))
            network = ipaddress.ip_network((chance.getrandbits(32), bits), strict=False)
            record: dict[str, Any] = (
                {"autonomous_system_number": 1 + number}
                if name == "asn"
                else {"country": {"iso_code": chance.choice(COUNTRIES)}}
            )
            writer.insert_network(netaddr.IPSet([str(network)]), record)
        writer.to_db_file(str(folder / f"{name}.mmdb"))
        made.append(folder / f"{name}.mmdb")
    return made[0], made[1]


def ours(folder: Path, work: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """Export the day as the collector does, into `work`; what came of it."""
    from collector.audit.key import checkpoint_key, make_key, read_key
    from collector.audit.log import AuditLog
    from collector.exports.day import export_day
    from collector.exports.enrich import enrichment
    from collector.exports.means import Means

    data = work / "data"
    data.mkdir(parents=True)
    (data / "segments").symlink_to(folder / "segments")
    key = work / "signing.key"
    make_key(key)
    log = AuditLog(data / "audit", checkpoint_key(key, SENSOR))
    log.append("installed", NOW_US, sensor=SENSOR, version="0", actor="p-1")
    log.append(
        "order_loaded",
        NOW_US,
        operation="avalanche",
        order="avalanche-1",
        kind="pen-trap",
        starts="2026-11-01T00:00:00Z",
        ends="2026-12-31T00:00:00Z",
        fields=[],
        retention_days=90,
    )
    steps: list[float] = []
    began = time.monotonic()

    def progress(done: int, total: int) -> None:
        if not steps or done / total - steps[-1] >= 0.01:
            steps.append(round(done / total, 3))

    with enrichment(folder / "asn.mmdb", folder / "geo.mmdb", []) as known:
        means = Means(data, (SENSOR,), read_key(key), MEMORY_MB, TEMP_GB, 1 << 30, known)
        outcome = export_day(means, log, annexes(formats), DAY, now_us=NOW_US, progress=progress)
    assert outcome.counted is not None
    return {
        "seconds": time.monotonic() - began,
        "progress_steps": len(steps),
        "equation": outcome.counted.rows.model_dump(),
        "publications": [
            {
                "partner": made.partner,
                "rows": made.rows,
                "files": len(made.files),
                "bytes": sum(file.bytes for file in made.files),
                "bytes_by_kind": by_kind(made.files),
            }
            for made in outcome.made
        ],
    }


def by_kind(files: list[Any]) -> dict[str, int]:
    """Bytes of a publication's files by dataset and format: what deploy/README.md's sizing is made of."""
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[f"{file.dataset} {file.format}"] += file.bytes
    return dict(sizes)


def bare(folder: Path, work: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """The same SQL, with DuckDB's own writers; the addresses' table is made before the clock starts."""
    from collector.exports import query
    from collector.exports.addresses import write_addresses
    from collector.exports.engine import Engine
    from collector.exports.enrich import enrichment
    from collector.exports.equation import flags_of, predicates
    from collector.exports.relations import distinct_addresses, stage_hosts, stage_in_order
    from collector.segments.catalogue import segments_of
    from collector.segments.table import EVENTS

    entitlements = annexes(formats)
    flags = flags_of(entitlements)
    work.mkdir(parents=True)
    start = int(time.mktime(time.strptime("2026-11-01", "%Y-%m-%d"))) * 1_000_000
    window = query.Window(start, start + 60 * 86_400_000_000)
    with Engine(work, MEMORY_MB, TEMP_GB) as engine:
        engine.view("events", [segment.path(folder) for segment in segments_of(folder, DAY)], EVENTS)
        path = work / "addresses.parquet"
        with enrichment(folder / "asn.mmdb", folder / "geo.mmdb", []) as known:
            texts = distinct_addresses(engine, folder, segments_of(folder, DAY))
            write_addresses(texts, list(flags), known, path)
        engine.view("addresses", [path], EVENTS)
        began = time.monotonic()
        engine.stage("joined", [query.of_order("avalanche-1", window, len(flags))])
        stage_in_order(engine, "ordered", "joined")
        engine.drop("joined")
        stage_hosts(engine, "hosts", "ordered", len(flags))
        if "ocsf-parquet" in formats:
            stage_in_order(engine, "by_time", "ordered", query.IN_TIME)
        for one in entitlements:
            given, _ = predicates(one, flags)
            for relation, dataset in (("ordered", "events"), ("hosts", "hosts")):
                rows = query.rows_for(relation, dataset, one, given)  # type: ignore[arg-type]
                copy(
                    engine,
                    f"SELECT * EXCLUDE (place) FROM ({rows})",
                    work / f"{one.partner}-{dataset}.parquet",
                )
            if "shadowserver-csv" in formats:
                rows = query.rows_for("ordered", "events", one, given)
                copy(engine, report(rows, one.columns), work / f"{one.partner}-report.csv")
            if "ocsf-parquet" in formats:
                rows = query.rows_for("by_time", "events", one, given)
                copy(engine, nested(rows, one.columns), work / f"{one.partner}-ocsf.parquet")
        seconds = time.monotonic() - began
    return {"seconds": seconds, "bytes": sum(path.stat().st_size for path in work.glob("*-*"))}


def copy(engine: Any, statement: str, path: Path) -> None:
    """DuckDB's own writer."""
    form = (
        "FORMAT csv, HEADER"
        if path.suffix == ".csv"
        else "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 3, ROW_GROUP_SIZE 262144"
    )
    engine.run(f"COPY ({statement}) TO '{path}' ({form})")


def report(rows: str, columns: tuple[str, ...]) -> str:
    """A report's columns, as `exports/shadowserver.py` fills them, all rows in one file: one reading is what favours DuckDB."""
    from collector.exports.shadowserver import SINKHOLE_HTTP

    def given(name: str, text: str | None = None) -> str:
        return (text or name) if not columns or name in columns else "NULL"

    filled = {
        "timestamp": "strftime(timestamp, '%Y-%m-%d %H:%M:%S.%f')",
        "protocol": given("transport"),
        "src_ip": "src_ip",
        "src_port": "src_port",
        "src_asn": given("src_asn"),
        "src_geo": given("src_geo"),
        "severity": "'critical'",
        "dst_ip": given("dst_ip"),
        "dst_port": given("dst_port"),
        "infection": given("infection"),
        "family": given("family"),
        "tag": given("infection"),
        "application": given("application"),
        "event_id": "stream || '-' || record",
        "http_host": given("domain", "CASE WHEN application = 'http' THEN domain END"),
        "ssl_servername": given("domain", "CASE WHEN application = 'tls' THEN domain END"),
    }
    listed = ", ".join(f"{filled.get(name, 'NULL')} AS {name}" for name in SINKHOLE_HTTP)
    return f"SELECT {listed} FROM ({rows})"


def nested(rows: str, columns: tuple[str, ...]) -> str:
    """OCSF's rows, as `exports/ocsf.py` makes them."""

    def given(name: str) -> str:
        return name if not columns or name in columns else "NULL"

    return f"""
        SELECT 1 AS activity_id, 4 AS category_uid, 4001 AS class_uid, 400101 AS type_uid, 1 AS severity_id,
            epoch_ms(timestamp) AS time,
            {{version: '1.5.0', uid: stream || '-' || record,
              product: {{name: 'Pentrap', vendor_name: 'Pentrap', version: '0.1.0'}}}} AS metadata,
            {{ip: src_ip, port: src_port, autonomous_system: {{number: {given("src_asn")}}},
              location: {{country: {given("src_geo")}}}}} AS src_endpoint,
            {{ip: {given("dst_ip")}, port: {given("dst_port")}, hostname: {given("domain")}}} AS dst_endpoint,
            {{direction_id: 1, protocol_num: CASE transport WHEN 'tcp' THEN 6 ELSE 17 END, protocol_name: transport,
              protocol_ver_id: CASE WHEN contains(src_ip, ':') THEN 6 ELSE 4 END}} AS connection_info,
            2 AS observation_point_id, {{bytes_in: {given("bytes_in")}}} AS traffic,
            [{{name: 'malware', value: {given("family")}, type: {given("infection")}}}] AS enrichments
        FROM ({rows})"""


def child(which: str, folder: Path, work: Path, formats: tuple[str, ...]) -> dict[str, Any]:
    """One run in a process of its own: what it says, with the processor time and the greatest memory that it took."""
    command = [sys.executable, __file__, "--run", which, "--folder", str(folder), "--work", str(work)]
    command += ["--formats", *formats]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    peak = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.2):
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                return
            lines = dict(line.split(":", 1) for line in status.splitlines())
            peak = max(peak, int(lines.get("VmHWM", "0 kB").split()[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"{which} ended with {process.returncode}")
    said: dict[str, Any] = json.loads(output)
    return said | {"wall_seconds": round(time.monotonic() - began, 2), "peak_mb": round(peak / 1024)}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument(
        "--addresses", type=int, default=0, help="0: a tenth of the events, 2 million at most"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--only-ours", action="store_true", help="no comparison, so one round says all")
    parser.add_argument("--keep", type=Path, help="use, or make and leave, the day in this folder")
    parser.add_argument("--run", choices=("ours", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.run:
        said = {"ours": ours, "bare": bare}[chosen.run](chosen.folder, chosen.work, tuple(chosen.formats))
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps(said | {"cpu_seconds": round(used.ru_utime + used.ru_stime, 2)}))
        return 0
    addresses = chosen.addresses or min(2_000_000, chosen.events // 10)
    with tempfile.TemporaryDirectory(prefix="pentrap-export-") as temporary:
        folder = chosen.keep or Path(temporary) / "day"
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "segments").exists():
            make(folder, chosen.events, addresses, chosen.seed)
        if not (folder / "geo.mmdb").exists():
            databases(folder, chosen.seed)
        rounds = []
        for number in range(chosen.rounds):
            turn = ("ours", "bare") if number % 2 == 0 else ("bare", "ours")
            if chosen.only_ours:
                turn = ("ours",)
            found = {}
            for which in turn:
                work = Path(temporary) / which
                found[which] = child(which, folder, work, tuple(chosen.formats))
                shutil.rmtree(work)
                print(
                    f"round {number + 1}: {which} {found[which]['seconds']:.1f} s, "
                    f"{found[which]['cpu_seconds']:.1f} s of CPU, {found[which]['peak_mb']} MB",
                    file=sys.stderr,
                )
            rounds.append(found)
    ratios = [one["ours"]["seconds"] / one["bare"]["seconds"] for one in rounds if "bare" in one]
    ratio = {"ratio": round(statistics.median(ratios), 3)} if ratios else {}
    peak = max(one["ours"]["peak_mb"] for one in rounds)
    result: dict[str, Any] = {
        "command": sys.argv,
        "machine": machine(),
        "revision": revision(),
        "events": chosen.events,
        "addresses": addresses,
        "memory_limit_mb": MEMORY_MB,
        "threads": len(os.sched_getaffinity(0)),
        "formats": chosen.formats,
        **ratio,
        "ratios": [round(ratio, 3) for ratio in ratios],
        "seconds": statistics.median(one["ours"]["seconds"] for one in rounds),
        "us_an_event": round(
            statistics.median(one["ours"]["seconds"] for one in rounds) / chosen.events * 1e6, 2
        ),
        "peak_mb": peak,
        "holds": {name: value <= RATIO_MAX for name, value in ratio.items()}
        | {"memory": peak <= MEMORY_MB_MAX},
        "rounds": rounds,
    }
    print(write_result(f"export-{chosen.events}.json", result), file=sys.stderr)
    print(json.dumps({key: value for key, value in result.items() if key != "rounds"}, indent=1))
    return 0 if all(result["holds"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
