"""`pentrap withdraw` and `pentrap disclosed` as an officer types them, over a real day that a partner has fetched."""

import json
import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from collectors import PENTRAP, Collector, exchange, get, write_operation

NOW = datetime.now(UTC).replace(microsecond=0)
PROBER, VICTIM = "127.0.0.77", "127.0.0.78"
ANNEX = """[[order.annex]]
partner = "cert-a"
tlp = "AMBER"
[[order.annex]]
partner = "cert-b"
families = ["citadel"]
tlp = "AMBER"
"""
PARTNERS = "".join(
    f'[[partner]]\nname = "{name}"\ncontact = "desk"\npurpose = "warn victims"\ndatasets = ["events", "hosts"]\n'
    'formats = ["parquet", "shadowserver-csv"]\nretention_days = 30\n'
    for name in ("cert-a", "cert-b")
)


def pentrap(made: Collector, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [str(PENTRAP), verb, "--config", str(made.config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """A day with a prober's and a victim's check-ins, published, and fetched by cert-a through the running interface."""
    folder = tmp_path_factory.mktemp("withdraw")
    made = Collector(folder, settings={"export.unfinished_days": True, "intake.disk_reserve_mb": 10})
    write_operation(folder / "operations", starts=NOW - timedelta(days=2), extra=ANNEX)
    (folder / "partners.toml").write_text(PARTNERS)
    with made.start():
        for source in (PROBER, PROBER, VICTIM):
            exchange(made.port, get(), source=source)
        exchange(made.port, get(b"evil-two.net"))
        assert made.stop() == 0
        made.day = datetime.now(UTC).date().isoformat()
        done = pentrap(made, "export", "--date", made.day)
        assert done.returncode == 0, done.stderr
        made.start()
        token = folder / "token"
        given = subprocess.run(
            [PENTRAP, "partner", "add", "--config", made.config, "cert-a"],
            capture_output=True,
            text=True,
            check=True,
        )
        token.write_text(re.search(r"ptr_\S+", given.stdout)[0])
        token.chmod(0o600)
        made.pull = ["--token-file", str(token), "--trust-first-use", "--to", str(folder / "to")]
        pulled = subprocess.run(
            [PENTRAP, "pull", *made.pull, f"http://127.0.0.1:{made.pull_port}"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert pulled.returncode == 0, pulled.stderr
        yield made
        made.stop()


def test_l33a_the_officer_sees_who_has_an_address(fetched):
    """Every file with rows, span, publication, and who fetched it when; the question is an access in the log, without the
    address.
    """
    done = pentrap(fetched, "disclosed", "--address", f"::ffff:{PROBER}", "--reason", "he asked", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {(one["partner"], one["dataset"], one["rows"]) for one in found} == {
        ("cert-a", "events", 2), ("cert-a", "hosts", 1)
    }  # fmt: skip
    assert all(one["fetched"][0]["account"] == "main" for one in found)
    text = pentrap(fetched, "disclosed", "--address", PROBER, "--reason", "he asked").stdout
    assert text.startswith(f"{PROBER}: in 3 files, published for cert-a\n")
    assert "fetched by main from" in text
    log = (fetched.data / "audit/log.jsonl").read_text()
    assert log.count('"purpose":"disclosed"') == 2
    assert PROBER not in log
    nobody = pentrap(fetched, "disclosed", "--address", "192.0.2.1", "--reason", "he asked")
    assert nobody.stdout == "192.0.2.1: no published file of that time has it; it was given to nobody\n"
    assert (
        pentrap(
            fetched, "disclosed", "--address", PROBER, "--until", "2026-01-01", "--reason", "x", "--json"
        ).stdout
        == "[]\n"
    )


def test_l33a_wrong_rows_are_withdrawn_and_the_partner_hears_of_it(fetched):
    """A dry run says what it would be; then entry and publication; the partner's next pull says WITHDRAWN; asked again there
    is nothing left, exit 1.
    """
    words = ("--date", fetched.day, "--order", "op-1", "--address", PROBER, "--reason", "our own prober")
    dry = pentrap(fetched, "withdraw", *words, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "2 rows of op-1 would be withdrawn; nothing was changed" in dry.stdout
    assert "cert-a was given 2 of them" in dry.stdout
    assert "fetched by main from" in dry.stdout
    assert "withdrawn" not in (fetched.data / "audit/log.jsonl").read_text()
    done = pentrap(fetched, "withdraw", *words, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["rows"], [one["partner"] for one in said["publications"]]) == (2, ["cert-a"])
    pulled = subprocess.run(
        [PENTRAP, "pull", *fetched.pull, f"http://127.0.0.1:{fetched.pull_port}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert pulled.returncode == 0, pulled.stderr
    assert "WITHDRAWN: " in pulled.stderr
    assert "takes back 2 rows" in pulled.stderr
    again = pentrap(fetched, "withdraw", *words)
    assert again.returncode == 1
    assert "no row of op-1 matches that no earlier withdrawal has" in again.stderr
    assert PROBER not in (fetched.data / "audit/log.jsonl").read_text()
    verified = pentrap(fetched, "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    held = pentrap(fetched, "disclosed", "--address", PROBER, "--reason", "he asked")
    assert "withdrawal 000002 takes rows of this file back, or replaces it" in held.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--order", "op-1"], 2, "nothing that describes them"),
        (["--order", "op-2", "--all"], 2, "one of op-1"),
        (["--order", "op-1", "--address", "192.0.2.1/24"], 2, "without host bits"),
        (["--order", "op-1", "--from", "yesterday"], 2, "expected a date, or an instant with its zone"),
        (["--order", "op-1", "--segment", "none.parquet"], 1, "no segment has this name"),
        (["--order", "op-1", "--domain", "never-asked.example"], 1, "no row of op-1 matches"),
    ],
)
def test_what_cannot_be_withdrawn_is_told(fetched, words, code, said):
    """What was found, what was expected; nothing is entered."""
    before = (fetched.data / "audit/log.jsonl").read_bytes()
    done = pentrap(fetched, "withdraw", "--date", fetched.day, "--reason", "wrong", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert b"withdrawn" not in (fetched.data / "audit/log.jsonl").read_bytes()[len(before) :]


def test_a_day_without_rows_and_an_address_that_is_none(fetched):
    """Told as what they are."""
    done = pentrap(
        fetched, "withdraw", "--date", "2020-01-01", "--order", "op-1", "--all", "--reason", "wrong"
    )
    assert done.returncode == 1
    assert "there are no rows of this day" in done.stderr
    done = pentrap(fetched, "disclosed", "--address", "192.0.2.0/24", "--reason", "x")
    assert done.returncode == 2
    assert "expected one address" in done.stderr


@pytest.mark.parametrize(
    "words", [("--from", "0001-01-01T00:00:00+23:59"), ("--until", "9999-12-31T23:59:59-23:59")]
)
@pytest.mark.parametrize("verb", ["disclosed", "withdraw"])
def test_a_time_that_no_calendar_has_is_bad_usage(verb, words):
    """Before the year 1 or after 9999 in UTC: exit 2, and what is expected; nothing is opened for it."""
    command = [str(PENTRAP), verb, "--config", "none.toml", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"argument {words[0]}: expected a date, or an instant" in done.stderr
