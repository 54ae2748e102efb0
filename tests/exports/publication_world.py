"""A data directory in which publications are made from small files; nothing of a day's rows is needed for that."""

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from collector.audit.key import checkpoint_key, make_key, read_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.exports.kinds import WrittenFile
from collector.exports.manifest import Clock, Contents, File, Rows
from collector.exports.publication import publish, stage

NOW_US = 1_795_348_800_000_000
"""2026-11-22T12:00:00Z"""
DAY = date(2026, 11, 21)
PARTNER = "shadowserver"
ORDER = "avalanche-1"
SENSOR = "sinkhole-1"


class Exports:
    """One data directory, its key and its log."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.data = folder / "data"
        self.key_file = folder / "signing.key"
        make_key(self.key_file)
        self.key = read_key(self.key_file)
        self.public = self.key.public_key().public_bytes_raw()
        self.log = AuditLog(self.data / "audit", checkpoint_key(self.key_file, SENSOR))
        self.config = folder / "pentrap.toml"
        self.config.write_text('data_dir = "data"\nsensor = "sinkhole-1"\n')
        if not self.log.size:
            self.log.append("installed", NOW_US, sensor=SENSOR, version="0", actor="p-1")

    @property
    def tree(self) -> Path:
        return self.data / "exports" / PARTNER

    def publish(self, day=0, rows=5, partner=PARTNER, order=ORDER, now_us=NOW_US, **changes):
        """Stage and publish a Parquet and a CSV file."""
        when = DAY + timedelta(days=day)
        with stage(self.data, partner) as staged:
            files = write(staged, when, rows, order, changes.get("supplement", 0))
            said = contents(files, when, partner, order, **changes)
            return publish(self.log, self.data, self.key, staged, said, order.partition("-")[0], now_us)

    def ledger(self):
        return Ledger.of(read_entries(self.data / "audit"))

    def entries(self, event="exported"):
        return [entry for entry in read_entries(self.data / "audit") if entry.event == event]

    def numbers(self, partner=PARTNER):
        """What is in the partner's folder, but for the lock."""
        return sorted(p.name for p in (self.data / "exports" / partner).iterdir() if p.name != ".lock")


def write(folder: Path, day, rows, order=ORDER, supplement=0) -> list[WrittenFile]:
    """Two files as writers make them."""
    middle = f"-s{supplement}" if supplement else ""
    table = pa.table({"src_ip": [f"192.0.2.{n}" for n in range(rows)], "src_port": list(range(rows))})
    parquet = folder / f"{day}-{order}-events{middle}-p001.parquet"
    pq.write_table(table, parquet)
    csv = folder / f"{day}-event4_sinkhole-{order}{middle}-p001.csv"
    csv.write_text(
        '"timestamp","ip"\n' + "".join(f'"{day} 00:00:0{n % 10}","192.0.2.{n}"\n' for n in range(rows))
    )
    return [written(parquet, rows, "parquet"), written(csv, rows, "shadowserver-csv")]


def written(path: Path, rows, form) -> WrittenFile:
    content = path.read_bytes()
    return WrittenFile(path.name, len(content), rows, hashlib.sha256(content).hexdigest(), "events", form, 1)


def contents(files, day=DAY, partner=PARTNER, order=ORDER, **changes) -> Contents:
    rows = files[0].rows if files else 0
    facts = {
        "kind": "day",
        "date": day,
        "order": order,
        "partner": partner,
        "supplement": 0,
        "complete": True,
        "sensors": (SENSOR,),
        "missing_sensors": (),
        "files": tuple(map(File.of, files)),
        "records": {"sinkhole-1.0.1795305600000000": ((0, 10), (11, 20))},
        "checkins": None,
        "rows": Rows(recorded=rows + 2, delivered=rows, withheld={"filtered": 2}),
        "kernel_dropped": {"tcp": 0, "udp": 0},
        "clock": Clock(source="kernel", largest_offset_us=None, steps=0),
        "databases": (),
        "version": "0.1.0",
        "revision": "",
        "tlp": "AMBER",
        "purpose": "victim notification",
        "retention_days": 90,
    }
    return Contents(**facts | changes)
