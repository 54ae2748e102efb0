"""A real collector's rows from the machine to their deletion."""

import subprocess
import time
from datetime import UTC, date, datetime, timedelta

from collectors import PENTRAP, exchange, get, running

from collector.audit.key import checkpoint_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, read_entries
from collector.custody.inventory import inventory
from collector.custody.purge import daily
from collector.ground.clock import now_us
from collector.orders.docket import read_operations
from collector.segments.catalogue import days, seal_day

DAY_US = 86_400_000_000


def test_rows_are_recorded_read_held_and_deleted_only_after_delivery(tmp_path):
    """Recorded, read under audit, kept while undelivered, kept while held, then gone; the inventory knows the tombstone."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    with running(tmp_path, operation={"starts": ends - timedelta(days=1), "ends": ends}) as collector:
        for _ in range(7):
            exchange(collector.port, get())
        assert collector.settled_fates(7)["recorded"] == 7
        while datetime.now(UTC) < ends:
            time.sleep(0.2)
        collector.stop()

    def command(*words):
        line = [str(PENTRAP), words[0], "--config", str(collector.config), *words[1:]]
        return subprocess.run(line, text=True, capture_output=True, timeout=30, check=False)

    read = ("open", "--order", "op-1", "--reason", "story", "-c", "select count(*) as n from events")
    assert command(*read).stdout.split() == ["n", "7"]
    for day in days(collector.data):
        assert isinstance(day, date)
        seal_day(
            collector.data, "test-1", day, sealed_at=datetime.now(UTC), kernel_dropped={"tcp": 0, "udp": 0}
        )
    log = AuditLog(collector.data / "audit", checkpoint_key(collector.folder / "signing.key", "test-1"))
    operations = read_operations(sorted(collector.folder.glob("operations/*.toml")))

    def purged():
        return daily(collector.data, log, operations, now_us() + 200 * DAY_US)

    assert purged().deleted == []
    refused = command("purge", "--order", "op-1")
    assert refused.returncode == 1
    assert "the court does not have the return of op-1 yet" in refused.stdout
    facts = {
        "operation": "op",
        "orders": ["op-1"],
        "actor": "p-1",
        "bundle_sha256": "0" * 64,
        "reason": "docketed",
    }
    log.append("delivered", now_us(), **facts)
    assert command("hold", "--order", "op-1", "--reason", "appeal").returncode == 0
    assert purged().deleted == []
    assert command("hold", "--lift", "--order", "op-1", "--reason", "appeal over").returncode == 0
    assert len(purged().deleted) >= 1
    assert command(*read).stdout.split() == ["n", "0"]
    items = inventory(collector.data, Ledger.of(read_entries(collector.data / "audit")), hashes=True)
    assert {item.state for item in items if item.kind == "segment"} == {"deleted"}
    assert [entry.event for entry in read_entries(collector.data / "audit")][-3:] == [
        "deleted", "access_opened", "access_closed",
    ]  # fmt: skip
    log.close()
