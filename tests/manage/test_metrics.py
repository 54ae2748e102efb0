"""The management plane: names of contract.md, balanced at every scrape, nothing sealed in it."""

import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from collectors import Collector, exchange, get, running, write_operation
from prometheus_client.parser import text_string_to_metric_families

CONTRACT = {
    "pentrap_checkins_accepted": ("counter", {"transport"}),
    "pentrap_checkins": ("counter", {"fate"}),
    "pentrap_checkins_open": ("gauge", set()),
    "pentrap_kernel_dropped": ("counter", {"transport"}),
    "pentrap_checkins_by_application": ("counter", {"application"}),
    "pentrap_commit_duration_seconds": ("histogram", {"le"}),
    "pentrap_checkin_to_durable_seconds": ("histogram", {"le"}),
    "pentrap_journal_bytes": ("gauge", set()),
    "pentrap_journal_fsync_errors": ("counter", set()),
    "pentrap_journal_corrupt_blocks": ("counter", set()),
    "pentrap_segments_rows": ("counter", set()),
    "pentrap_export_last_success_timestamp_seconds": ("gauge", {"partner"}),
    "pentrap_export_last_pulled_timestamp_seconds": ("gauge", {"partner"}),
    "pentrap_export_rows": ("counter", {"partner"}),
    "pentrap_export_rows_withheld": ("counter", {"reason"}),
    "pentrap_order_active": ("gauge", {"order"}),
    "pentrap_order_ends_timestamp_seconds": ("gauge", {"order"}),
    "pentrap_order_return_due_timestamp_seconds": ("gauge", {"order"}),
    "pentrap_injunction_expires_timestamp_seconds": ("gauge", {"operation"}),
    "pentrap_clock_unsure": ("gauge", set()),
    "pentrap_audit_checkpoint_timestamp_seconds": ("gauge", set()),
    "pentrap_pull_requests": ("counter", {"partner", "code"}),
    "pentrap_disk_free_bytes": ("gauge", set()),
    "pentrap_event_loop_lag_seconds": ("gauge", set()),
    "pentrap_build_info": ("gauge", {"version", "revision"}),
    "pentrap_recording": ("gauge", set()),
    "process_cpu_seconds": ("counter", set()),
    "process_resident_memory_bytes": ("gauge", set()),
    "process_virtual_memory_bytes": ("gauge", set()),
    "process_start_time_seconds": ("gauge", set()),
    "process_open_fds": ("gauge", set()),
    "process_max_fds": ("gauge", set()),
}
"""By family (a counter's without `_total`): type and labels."""
VALUES = {
    ("pentrap_checkins", "fate"): {
        "recorded", "suppressed_probe", "suppressed_scope", "suppressed_clock", "suppressed_window", "rejected_silent",
        "rejected_proxy", "rejected_parse", "dropped_overload", "dropped_disk", "dropped_crash",
    },
    ("pentrap_checkins_accepted", "transport"): {"tcp", "udp"},
    ("pentrap_kernel_dropped", "transport"): {"tcp", "udp"},
    ("pentrap_checkins_by_application", "application"): {"http", "tls", "opaque"},
    ("pentrap_export_rows_withheld", "reason"): {"no_annex", "filtered", "unknown_country", "quarantined"},
}  # fmt: skip
"""Closed label values: all of them from the first scrape on, or an alert on an increase would miss the first one."""
PARTNERS = """[[partner]]
name = "cert-a"
contact = "SEALED-CONTACT"
purpose = "warn"
datasets = ["events"]
formats = ["parquet"]
retention_days = 30
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Iterator[Collector]:
    """A collector with something of everything configured, and one check-in."""
    made = Collector(tmp_path_factory.mktemp("whole"))
    path = write_operation(
        made.folder / "operations", extra='[[order.annex]]\npartner = "cert-a"\ntlp = "AMBER"\n'
    )
    path.write_text(path.read_text().replace("[answer]", "expires = 2030-01-01T00:00:00Z\n[answer]", 1))
    (made.folder / "partners.toml").write_text(PARTNERS)
    with made.start():
        exchange(made.port, get())
        until = time.monotonic() + 5
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{made.pull_port}/v1/key", timeout=5)
            except urllib.error.HTTPError:
                break  # 401: a request of nobody's
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)
        yield made


def test_names_types_and_labels_are_the_contracts(whole: Collector) -> None:
    """Every metric of contract.md is served with its type and labels, closed label values all from the first scrape on."""
    families = {
        family.name: family for family in text_string_to_metric_families(whole.get("/metrics").decode())
    }
    for name, (kind, labels) in CONTRACT.items():
        family = families[name]
        assert family.type == kind, name
        assert family.samples, name
        assert set().union(*(sample.labels for sample in family.samples)) == labels, name
    for (name, label), values in VALUES.items():
        assert {sample.labels[label] for sample in families[name].samples} == values
    assert all(family.documentation for family in families.values())


def test_no_label_holds_a_seal(whole: Collector) -> None:
    """Court, docket, officer, contact, domain, family and address are nowhere on the page; registries are, by name (D-43)."""
    page = whole.get("/metrics").decode()
    for sealed in ("SEALED", "Officer", "evil-one", "andromeda", "127.0.0.1"):
        assert sealed not in page


@pytest.mark.skipif(not shutil.which("promtool"), reason="needs Debian's prometheus")
def test_promtool_finds_nothing_to_object_to(whole: Collector) -> None:
    """`promtool check metrics`: names, units, types and help as Prometheus' own linter wants them."""
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=whole.get("/metrics"), capture_output=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


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
