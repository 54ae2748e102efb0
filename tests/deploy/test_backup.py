"""The operators' page on losing everything: its commands, word for word, on a collector at work."""

import re
import shutil
import subprocess
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from collectors import PENTRAP, Collector, exchange, get, write_operation
from deployment import DEPLOY

PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk"
purpose = "warn victims"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""
ANNEX = '\n[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n'
FIRST = 40
needs_rsync = pytest.mark.skipif(not shutil.which("rsync"), reason="needs Debian's rsync")
pytestmark = needs_rsync


def commands(heading: str) -> str:
    """The first block of commands after this mark of deploy/README.md."""
    text = (DEPLOY / "README.md").read_text().partition(f"<!-- {heading} -->")[2]
    block = re.search(r"\n((?: {4}\S.*\n)+)", text)
    assert block, heading
    return re.sub(r"^ {4}", "", block[1], flags=re.MULTILINE)


class Site(NamedTuple):
    """A collector, where its copy goes, and a partner that pulls."""

    collector: Collector
    backup: Path
    folder: Path

    def recipe(self, heading: str) -> subprocess.CompletedProcess[str]:
        place = {
            "DATA": self.collector.data,
            "BACKUP": self.backup,
            "FILE": self.collector.config,
            "PATH": f"{PENTRAP.parent}:/usr/bin:/bin",
        }
        return subprocess.run(
            ["bash", "-ec", commands(heading)], env=place, capture_output=True, text=True, check=False
        )

    def pentrap(self, verb: str, *words: Any) -> subprocess.CompletedProcess[str]:
        command = [PENTRAP, *verb.split(), "--config", self.collector.config, *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    def export(self) -> None:
        done = self.pentrap("export", "--date", datetime.now(UTC).date().isoformat())
        assert done.returncode == 0, done.stderr

    def pull(self, to: str) -> subprocess.CompletedProcess[str]:
        where = ["--token-file", self.folder / "token", "--trust-first-use", "--to", self.folder / to]
        return subprocess.run(
            [PENTRAP, "pull", *where, f"http://127.0.0.1:{self.collector.pull_port}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def check_in(self, count: int) -> None:
        for number in range(count):
            exchange(self.collector.port, get(), source=f"127.1.{number // 250}.{number % 250 + 1}")

    def signed(self) -> None:
        """Wait until the checkpoint (C2SP tlog-checkpoint: its second line is the size) covers the whole log."""
        audit = self.collector.data / "audit"
        for _ in range(300):
            entries = len((audit / "log.jsonl").read_bytes().splitlines())
            if int((audit / "checkpoint").read_text().splitlines()[1]) == entries:
                return
            threading.Event().wait(0.1)
        raise AssertionError(f"not all of {entries} entries are signed")

    def sealed(self, count: int) -> None:
        """Wait until this many rows are in Parquet."""
        for _ in range(300):
            if len(self.collector.rows()) >= count:
                return
            threading.Event().wait(0.1)
        raise AssertionError(f"{len(self.collector.rows())} rows of {count}")


@pytest.fixture(scope="module")
def lost(tmp_path_factory) -> Site:
    """Copied twice while machines called, then after a first publication; then more of everything, a pull, and all gone."""
    folder = tmp_path_factory.mktemp("backup")
    collector = Collector(
        folder / "site",
        settings={"export.unfinished_days": True, "intake.disk_reserve_mb": 10, "intake.durability": "sync",
                  "export.signing_key": "../keys/signing.key"},
    )  # fmt: skip
    (folder / "keys").mkdir()
    write_operation(
        collector.folder / "operations", starts=datetime.now(UTC) - timedelta(days=2), extra=ANNEX
    )
    (collector.folder / "partners.toml").write_text(PARTNERS)
    site = Site(collector, folder / "copy", folder)
    with collector.start():
        token = site.pentrap("partner add", "cert-a")
        (folder / "token").write_text(re.search(r"ptr_\S+", token.stdout)[0])
        (folder / "token").chmod(0o600)
        site.check_in(FIRST)
        site.sealed(FIRST)
        over = threading.Event()

        def call() -> None:
            while not over.is_set():
                site.check_in(5)

        calling = threading.Thread(target=call)
        calling.start()
        done = site.recipe("back up")
        assert done.returncode in (0, 24), done.stderr
        (site.backup / "segments/purged-since").touch()
        site.export()
        done = site.recipe("back up")
        assert done.returncode in (0, 24), done.stderr
        over.set()
        calling.join()
        site.check_in(3)
        site.export()
        assert site.pull("partner").returncode == 0
        site.signed()
        shutil.copy(collector.data / "audit/checkpoint", folder / "later-checkpoint")
        collector.kill()
    shutil.rmtree(collector.data)
    return site


def test_what_was_deleted_goes_from_the_copy_and_journals_are_not_in_it(lost):
    """Of rsync: --delete, so that destruction reaches the copy; nothing in it is half of a journal."""
    assert not (lost.backup / "segments/purged-since").exists()
    assert not (lost.backup / "journal").exists()
    assert not (lost.backup / "lock").exists()
    assert [path for path in lost.backup.rglob(".tmp-*") if path.is_file()] == []


def test_a_restored_collector_verifies_starts_and_has_every_row_that_the_copy_had(lost):
    """Then it records, exports, and gives a partner with a new folder all of it; the old folder sees another chain and takes
    nothing; who has a later checkpoint sees that the log was cut back.
    """
    done = lost.recipe("restore")
    assert done.returncode == 0, done.stdout + done.stderr
    before = lost.collector.rows()
    assert len(before) >= FIRST
    assert [path.name for path in (lost.collector.data / "exports/cert-a").glob("0*")] == ["000001"]
    later = lost.pentrap("verify", "--checkpoint", lost.folder / "later-checkpoint")
    assert later.returncode == 1, later.stdout
    with lost.collector.start():
        lost.check_in(7)
        lost.sealed(len(before) + 7)
        lost.export()
        refused = lost.pull("partner")
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert lost.pull("another").returncode == 0
        assert lost.collector.stop() == 0
    after = {(row["src_ip"], row["src_port"], row["timestamp"]) for row in lost.collector.rows()}
    assert {(row["src_ip"], row["src_port"], row["timestamp"]) for row in before} < after
    assert lost.pentrap("verify").returncode == 0
