"""The management plane: names of contract.md, balanced at every scrape, nothing sealed in it."""

import re
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from collectors import Collector, exchange, get, running

CONTRACT = {
    "pentrap_checkins_accepted_total",
    "pentrap_checkins_total",
    "pentrap_checkins_open",
    "pentrap_kernel_dropped_total",
    "pentrap_checkins_by_application_total",
    "pentrap_commit_duration_seconds_bucket",
    "pentrap_checkin_to_durable_seconds_bucket",
    "pentrap_journal_bytes",
    "pentrap_journal_fsync_errors_total",
    "pentrap_journal_corrupt_blocks_total",
    "pentrap_segments_rows_total",
    "pentrap_recording",
    "pentrap_order_active",
    "pentrap_order_ends_timestamp_seconds",
    "pentrap_clock_unsure",
    "pentrap_disk_free_bytes",
    "pentrap_event_loop_lag_seconds",
    "pentrap_build_info",
    "process_cpu_seconds_total",
}
FATES = {
    "recorded",
    "suppressed_probe",
    "suppressed_scope",
    "suppressed_clock",
    "suppressed_window",
    "rejected_silent",
    "rejected_proxy",
    "rejected_parse",
    "dropped_overload",
    "dropped_disk",
    "dropped_crash",
}


def test_names_and_fates_are_the_contracts(collector: Collector) -> None:
    """Every metric that this release promises is there, every fate from the first scrape on, and no label holds a seal."""
    exchange(collector.port, get())
    text = collector.get("/metrics").decode()
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    assert names >= CONTRACT
    assert set(re.findall(r'pentrap_checkins_total\{fate="([a-z_]+)"\}', text)) == FATES
    for sealed in ("SEALED-DOCKET", "SEALED-COURT", "Officer", "evil-one", "127.0.0.1"):
        assert sealed not in text


def test_the_equation_balances_at_every_scrape_under_load(tmp_path: Path) -> None:
    """Two workers, concurrent clients, 100 scrapes: accepted equals fates plus open each time (asserted by fates())."""
    with running(tmp_path, settings={"intake.workers": 2, "intake.durability": "sync"}) as made:
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                exchange(made.port, get())

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        counts = [made.fates()["accepted"] for _ in range(100)]
        stop.set()
        for thread in threads:
            thread.join()
        assert counts[-1] > counts[0]
        assert counts == sorted(counts)
        assert made.settled_fates(counts[-1])["open"] == 0


def test_off_loopback_a_token_is_wanted(tmp_path: Path) -> None:
    """With a token_file and an address that others can reach, every route answers 401 without the token."""
    (tmp_path / "token").write_text("secret-token\n")
    made = Collector(tmp_path)
    made.settings |= {
        "manage.listen": f"0.0.0.0:{made.manage_port}",
        "manage.token_file": "token",
        "intake.workers": 1,
    }
    made.write_config()
    with made:
        made.launch()
        until = time.monotonic() + 15
        while True:
            try:
                made.get("/healthz")
            except urllib.error.HTTPError:
                break
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
        for path in ("/metrics", "/healthz", "/readyz", "/"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                made.get(path)
            assert caught.value.code == 401
        request = urllib.request.Request(
            f"http://127.0.0.1:{made.manage_port}/readyz", headers={"Authorization": "Bearer secret-token"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert answer.status == 200
