"""`pentrap order show` and `order figures`, and what `check` says would change, as an officer meets them."""
# ruff: noqa: E501 - a table's row stays on one line

import json
import subprocess
from pathlib import Path

import pytest
from collectors import PENTRAP, SCHEDULE, SCHEDULE_HEADER, Collector, write_operation


def pentrap(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run([str(PENTRAP), *arguments], capture_output=True, text=True, timeout=60, check=False)


def order(name: str, starts: str, ends: str, kind: str = "pen-trap", more: str = "") -> str:
    """One order; dates are days at 00:00 UTC."""
    return f"""
[[order]]
id = "{name}"
kind = "{kind}"
docket = "DOCKET-{name}"
agency = "Agency A"
issued = {starts}T00:00:00Z
starts = {starts}T00:00:00Z
ends = {ends}T00:00:00Z
officers = ["Officer A"]
{more}
"""


ANNEX = '[[order.annex]]\npartner = "shadowserver"\ncountries = ["DE", "AT"]\ntlp = "AMBER"\n'
LIFE = (
    order("e-1", "2026-11-01", "2026-11-03", "emergency", "obtained = 2026-11-02T06:00:00Z")
    + order("a-1", "2026-11-02", "2026-12-31", more='extends = "e-1"\nfields = ["volume"]\n' + ANNEX)
    + order("a-2", "2027-01-02", "2027-02-01", more='extends = "a-1"')
)


@pytest.fixture
def site(tmp_path: Path) -> Collector:
    """Settings and an operation with an emergency, the order that approved it and an extension after a gap; not running."""
    made = Collector(tmp_path)
    made.write_config()
    write_operation(tmp_path / "operations", orders=LIFE)
    return made


@pytest.mark.parametrize(
    ("at", "recording", "words"),
    [
        ("2026-10-01", False, ["order e-1 begins in 31 days", "next     2026-11-01T00:00:00Z (in 31 days): order e-1 begins: recording begins"]),
        ("2026-11-01T12:00:00Z", True, ["under order e-1", "since    2026-11-01T00:00:00Z (12 hours ago)", "until    2026-12-31T00:00:00Z (in 59 days)"]),
        ("2026-11-02T03:00:00Z", True, ["under order e-1", "order a-1: in force behind another; until 2026-11-02T06:00:00Z check-ins belong to e-1", "order e-1 ends: extension a-1 goes on"]),
        ("2026-12-01", True, ["under order a-1", "order a-1 ends: nothing is recorded for 2 days, until order a-2 begins at 2027-01-02T00:00:00Z", "order e-1: over; it ended, an order having been obtained, 28 days ago"]),
        ("2027-01-01", False, ["order a-1 ended at 2026-12-31T00:00:00Z, and order a-2 begins in 1 day"]),
        ("2027-02-01", False, ["order a-2 ended at 2027-02-01T00:00:00Z", "(in 30 days): the return of order e-1 and its extensions, over at 2027-02-01T00:00:00Z, is due"]),
    ],
)  # fmt: skip
def test_l00_show_tells_the_state_at_any_instant_in_words(site, at, recording, words):
    """Recorded or not, why, since, until, under which instrument, for whom, and what comes next, with instants and distances."""
    told = pentrap("order", "show", "--config", str(site.config), "--at", at)
    assert told.returncode == 0
    assert ("NOT RECORDING" not in told.stdout) == recording
    for word in words:
        assert word in told.stdout, told.stdout
    for word in ("DOCKET-a-1", "SEALED-COURT", "SEALED-DOCKET-0", "bytes received in total", "no content", "shadowserver: all columns; all families; DE, AT; all networks; TLP:AMBER; keeps copies 90 days", "emergency (18 USC 3125(b))", "e-1, then a-1, then a-2", "return due 2027-03-03T00:00:00Z"):  # fmt: skip
        assert word in told.stdout, told.stdout
    assert "under seal" in told.stderr
    as_json = json.loads(pentrap("order", "show", "--json", "--config", str(site.config), "--at", at).stdout)
    assert as_json["operations"][0]["recording"] == recording
    assert [one["id"] for one in as_json["operations"][0]["orders"]] == ["e-1", "a-1", "a-2"]


def test_show_takes_one_order_and_explains_a_wrong_one(site):
    """--order narrows; an unknown id or a bad instant is bad usage, exit 2, and says what would be right."""
    told = pentrap("order", "show", "--config", str(site.config), "--order", "a-2", "--json")
    assert [one["id"] for one in json.loads(told.stdout)["operations"][0]["orders"]] == ["a-2"]
    for option, value, expected in (
        ("--order", "a-9", "one of e-1, a-1, a-2"),
        ("--at", "yesterday", "RFC 3339"),
    ):
        wrong = pentrap("order", "show", "--config", str(site.config), option, value)
        assert (wrong.returncode, expected in wrong.stderr, "remedy:" in wrong.stderr) == (2, True, True)


def test_show_says_loudly_when_the_files_are_not_what_is_in_force(collector):
    """Silent while they agree; after a change without a reload, and before any start, a warning and another headline."""
    first = pentrap("order", "show", "--config", str(collector.config))
    assert "WARNING" not in first.stderr
    assert "operation op: RECORDING, under order op-1" in first.stdout
    write_operation(collector.folder / "operations", volume=True)
    changed = pentrap("order", "show", "--config", str(collector.config))
    assert "THE FILES ARE NOT WHAT IS IN FORCE" in changed.stderr
    assert "operation op: WOULD BE RECORDING, were these files in force" in changed.stdout
    as_json = json.loads(pentrap("order", "show", "--json", "--config", str(collector.config)).stdout)
    assert as_json["same_as_in_force"] is False


def test_check_tells_what_the_files_would_change(collector):
    """Against what is in force: nothing, then orders, fields and domains, in words, as a list and as JSON; nothing is touched."""
    same = pentrap("check", "--config", str(collector.config))
    assert "none: these very rules are in force" in same.stdout
    schedule = (
        SCHEDULE.replace("evil-two.net,urlzone,register", "evil-two.net,urlzone,block")
        + "new.com,tinba,redirect,r,,\n"
    )
    schedule = schedule.replace("evil-one.com,andromeda,redirect,reg-a,,\n", "")
    write_operation(collector.folder / "operations", schedule=schedule, volume=True)
    before = sorted((collector.data / "rules").iterdir())
    told = pentrap("check", "--list-changes", "--config", str(collector.config))
    for word in (
        "order op-1 changed: ",
        "gains the field volume",
        "domains added: 1 (new.com)",
        "domains taken away: 1 (evil-one.com)",
        "domains changed: 1 (evil-two.net)",
        "+ new.com op-tinba, redirect, always to never",
        "1 op-urlzone, block",
    ):
        assert word in told.stdout, told.stdout
    changes = json.loads(pentrap("check", "--json", "--config", str(collector.config)).stdout)["changes"]
    assert changes["domains"] == {"added": 1, "taken away": 1, "changed": 1}
    assert sorted((collector.data / "rules").iterdir()) == before


def test_l26_figures_of_a_year_come_from_the_orders_alone(site):
    """By kind and agency: orders, extensions, authorised days; emergencies and how they ended; domains by action."""
    (site.folder / "operations/op.csv").write_text(
        SCHEDULE + "old.com,tinba,redirect,r,,2026-01-01\nonce.com,tinba,redirect,r,2026-03-01,2026-03-02\n"
    )
    told = json.loads(
        pentrap("order", "figures", "--year", "2026", "--json", "--config", str(site.config)).stdout
    )
    by_kind = {row["kind"]: row for row in told["orders"]}
    assert {
        kind: (row["orders"], row["extensions"], row["authorised_days"], row["extension_days"])
        for kind, row in by_kind.items()
    } == {
        "emergency": (1, 0, 2.0, 0.0),
        "pen-trap": (1, 1, 59.0, 59.0),
    }
    assert by_kind["emergency"]["days_in_force"] == 1.25
    assert by_kind["pen-trap"]["dockets"] == ["DOCKET-a-1"]
    assert told["emergencies"] == [
        {
            "order": "e-1",
            "operation": "op",
            "hours_in_force": 30.0,
            "ended": "obtained",
            "followed_by": ["a-1", "a-2"],
        }
    ]
    assert told["domains"] == {"op": {"redirect": 2, "register": 1, "transfer": 0, "block": 1}}
    words = pentrap("order", "figures", "--year", "2026", "--config", str(site.config))
    assert "e-1 of op: 30.000 hours, ended when the court's order was obtained" in words.stdout
    nothing = pentrap("order", "figures", "--year", "2020", "--config", str(site.config))
    assert "no order was issued or in force" in nothing.stdout


def test_check_refuses_as_before_and_changes_nothing(site):
    """Mistakes: exit 2, a list of all problems as JSON: a public suffix, an unknown partner, countries without a database."""
    (site.folder / "operations/op.csv").write_text(SCHEDULE_HEADER + "com,f,redirect,r,,\n")
    told = pentrap("check", "--json", "--config", str(site.config))
    problems = json.loads(told.stdout)
    assert told.returncode == 2
    assert [Path(problem["file"]).name for problem in problems] == ["op.csv", "op.toml", "op.toml"]
    assert "no geo_db" in problems[-1]["found"]
