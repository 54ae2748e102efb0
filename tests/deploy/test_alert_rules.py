"""Alerts: each has its cases, its words and its section in the runbook, and the other way round."""

import re
import shutil
import subprocess

import pytest
import yaml
from rules_file import CASES, FOLDER, ROOT, RULES, alerts, metrics_in

from collector.orders.kinds import KINDS

RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
SECTIONS = dict(re.findall(r"^## (Pentrap\w+)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL))
PARTS = ("**Lost if nothing is done:**", "**Look at:**", "**Do:**", "**Counsel:**")
ALWAYS = {"PentrapWatchdog"}
"""What has to fire whatever there is, and so has no case that stays silent."""

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="needs Debian's prometheus")


def cases() -> list[dict]:
    return [case for path in CASES for case in yaml.safe_load(path.read_text())["tests"]]


def run(*words: object) -> None:
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_case_comes_out_as_it_says(path) -> None:
    """`promtool test rules`."""
    run("test", "rules", path)


@needs_promtool
def test_promtool_takes_rules_and_configuration(tmp_path) -> None:
    """`promtool check` of both; the configuration with a token where it says."""
    run("check", "rules", RULES)
    shutil.copytree(FOLDER, tmp_path / "prometheus")
    (tmp_path / "prometheus" / "secrets").mkdir()
    (tmp_path / "prometheus" / "secrets" / "pentrap-token").write_text("x")
    run("check", "config", tmp_path / "prometheus" / "prometheus.yml")


def test_every_alert_has_a_case_that_fires_and_one_that_stays_silent_with_data() -> None:
    """Named after it; a silent one gives every metric of the rule something to look at, so that it is not silent for want of
    data. No case is for an alert that is not there.
    """
    fires, silent = set(), set()
    known = alerts()
    for case in cases():
        name, what = re.fullmatch(r"(Pentrap\w+) (fires|stays silent): .+", case["name"]).groups()
        assert name in known, name
        if what == "fires":
            (query,) = case["promql_expr_test"]
            assert query["expr"] == f'count by (alertname) (ALERTS{{alertname="{name}",alertstate="firing"}})'
            assert [sample["value"] for sample in query["exp_samples"]] == [1]
            fires.add(name)
        else:
            (wanted,) = case["alert_rule_test"]
            assert (wanted["alertname"], wanted["exp_alerts"]) == (name, [])
            given = {one["series"].partition("{")[0] for one in case["input_series"]}
            wants = metrics_in(known[name]["expr"])
            if wants <= given:
                silent.add(name)
    assert fires == set(known)
    assert silent == set(known) - ALWAYS


def test_every_alert_says_what_it_means_to_somebody_woken_by_it() -> None:
    """A severity that the runbook explains, a summary of one line, a description, and the section of the runbook."""
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("critical", "warning", "none"), name
        summary, description, url = (
            rule["annotations"][key] for key in ("summary", "description", "runbook_url")
        )
        assert 10 < len(summary) <= 150, name
        assert "\n" not in summary + description, name
        assert description.endswith("."), name
        assert url == f"deploy/RUNBOOK.md#{name.lower()}"
        assert SECTIONS[name].lstrip().startswith(rule["labels"]["severity"]), name


def test_the_runbook_has_a_whole_section_for_each_alert_in_their_order_and_no_other() -> None:
    """What is lost, what to look at, what to do, when to call counsel: in each, in this order. Its commands and links are
    looked at with the officer's (tests/promises/test_law_table.py).
    """
    assert list(SECTIONS) == list(alerts())
    assert set(re.findall(r"\bPentrap[A-Z]\w+", RUNBOOK)) == set(alerts())
    for name, text in SECTIONS.items():
        places = [text.find(part) for part in PARTS]
        assert -1 not in places, name
        assert places == sorted(places), name


def test_the_rules_know_when_returns_are_due() -> None:
    """Two rules take a chain's end to be thirty days before its return is due: so it is for every kind of order with one."""
    assert {kind.return_due.days for kind in KINDS.values() if kind.return_due is not None} == {30}
    assert "pentrap_order_return_due_timestamp_seconds - 30 * 86400" in RULES.read_text()
