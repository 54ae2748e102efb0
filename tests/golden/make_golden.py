"""Makes a data directory as this release leaves it, for later releases to read. Run once for a format, and kept for good:

    .venv/bin/python tests/golden/make_golden.py tests/golden/<formats>

A real collector: check-ins over TCP and UDP, a clean stop, a published day, a token, a hold, a reading; then a life that ended
by kill -9 with journals open. `expected.json` has what must be read out of it. The key is a test's and opens nothing else.
"""

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from subprocess import run

sys.path[:0] = [str(Path(__file__).resolve().parent.parent)]

from collectors import PENTRAP, Collector, exchange, get, write_operation  # noqa: E402

from collector.journal.format import read_journal  # noqa: E402
from collector.journal.names import list_journals  # noqa: E402
from collector.segments.catalogue import seal_day  # noqa: E402

ANNEX = '[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n'
PARTNER = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn victims"
datasets = ["events", "hosts"]
formats = ["parquet", "shadowserver-csv", "ocsf-parquet"]
retention_days = 90
"""
KEPT = ("journal", "segments", "rules", "audit", "access", "exports", "withdrawn", "day-counts.json")


def make(target: Path) -> None:
    """Leave it in `target`."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = Collector(
            folder,
            settings={
                "export.unfinished_days": True,
                "intake.disk_reserve_mb": 10,
                "segments.seal_seconds": 3600,
            },
        )
        starts = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
        write_operation(folder / "operations", starts=starts, volume=True, extra=ANNEX)
        (folder / "partners.toml").write_text(PARTNER)
        with made.start():
            for name in (b"evil-one.com", b"www.evil-one.com", b"evil-two.net", b"unlisted.example"):
                exchange(made.port, get(name))
            assert made.stop() == 0
            day = datetime.now(UTC).date().isoformat()
            config = ("--config", str(made.config))
            for words in (
                ("export", *config, "--date", day),
                (
                    "withdraw",
                    *config,
                    "--date",
                    day,
                    "--order",
                    "op-1",
                    "--domain",
                    "evil-two.net",
                    "--reason",
                    "listed by mistake",
                ),
                ("partner", "add", *config, "cert-a"),
                ("hold", *config, "--order", "op-1", "--reason", "appeal"),
                (
                    "open",
                    *config,
                    "--order",
                    "op-1",
                    "--reason",
                    "count",
                    "-c",
                    "SELECT count(*) FROM events",
                ),
            ):
                run([PENTRAP, *words], check=True, capture_output=True)
            made.start()
            for _ in range(5):
                exchange(made.port, get())
            time.sleep(0.5)
            os.killpg(made.process.pid, signal.SIGKILL)
            made.process.wait()
        rows = made.rows()
        journals = {
            str(path.relative_to(made.data)): read_journal(path).records
            for path, _ in list_journals(made.data / "journal")
        }
        target.mkdir(parents=True)
        for name in KEPT:
            source = made.data / name
            if source.is_dir():
                shutil.copytree(source, target / "data" / name)
            elif source.exists():
                shutil.copy(source, target / "data" / name)
        for name in ("pentrap.toml", "partners.toml", "signing.key"):
            shutil.copy(folder / name, target / name)
        shutil.copytree(folder / "operations", target / "operations")
        seal_day(
            target / "data",
            "test-1",
            date.fromisoformat(day),
            sealed_at=datetime.now(UTC),
            kernel_dropped={"tcp": 0, "udp": 1},
            checkins={"accepted": 4, "open": 0, "fates": {"recorded": 3, "suppressed_scope": 1}},
            clock={"synchronised": True, "largest_offset_us": 120, "steps": 0},
        )
        expected = {"day": day, "rows": rows, "journals": journals}
        (target / "expected.json").write_text(
            json.dumps(expected, indent=1, default=lambda one: one.isoformat()) + "\n"
        )


if __name__ == "__main__":
    make(Path(sys.argv[1]))
