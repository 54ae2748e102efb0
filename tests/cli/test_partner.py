"""`pentrap partner`: the token once, the sheet, and what is refused."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from collectors import write_operation

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "exports"))

from publication_world import Exports

from collector.cli import main
from collector.exports import sshsig, tokens

PARTNERS = """[[partner]]
name = "cert-a"
contact = "desk, +49 30 1234"
purpose = "warn"
datasets = ["events", "hosts"]
formats = ["parquet", "shadowserver-csv"]
retention_days = 30
"""
ANNEX = """[[order.annex]]
partner = "cert-a"
families = ["andromeda"]
tlp = "AMBER+STRICT"
"""


@pytest.fixture
def world(tmp_path):
    made = Exports(tmp_path)
    (tmp_path / "partners.toml").write_text(PARTNERS)
    write_operation(tmp_path / "operations", extra=ANNEX)
    return made


@pytest.fixture
def pentrap(world, capsys):
    """The command in this process: exit code, stdout, stderr."""

    def run(command, *rest):
        try:
            code = main(["partner", command, "--config", str(world.config), *rest])
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_add_shows_the_token_once_and_the_sheet_has_what_a_partner_needs(world, pentrap):
    """The token opens what its hash in the file says; the sheet has address, key, grants, TLP, days and a line for each
    tool, and not the token; nothing of court, docket or officer.
    """
    code, said, _ = pentrap("add", "cert-a", "--url", "https://pull.example.org/", "--expires-days", "30")
    assert code == 0
    shown, sheet = said.split("\n\n", 2)[1].strip(), said.split("\n\n", 2)[2]
    (kept,) = tokens.read(world.data)
    assert kept.sha256 == tokens.digest(shown)
    assert (kept.partner, kept.account) == ("cert-a", "main")
    assert kept.expires_us - kept.created_us == 30 * tokens.DAY_US
    assert shown not in sheet
    fingerprint = subprocess.run(
        ["ssh-keygen", "-l", "-f", world.key_file], capture_output=True, text=True, check=True
    ).stdout.split()[1]
    for needed in (
        "https://pull.example.org/v1/publications", fingerprint, 'namespaces="pentrap-export" ', "TLP:AMBER+STRICT",
        "op-1", "events, hosts", "parquet, shadowserver-csv", "andromeda", "30 days", "curl -H @header", "CREATE SECRET",
        "BEARER_TOKEN", "intelmq.bots.collectors.file.collector_file", "intelmq.bots.parsers.shadowserver.parser",
        "pentrap pull https://pull.example.org ", "ssh-keygen -Y verify", "desk, +49 30 1234", "Delete every copy",
    ):  # fmt: skip
        assert needed in sheet, needed
    key = re.search("^    (ssh-ed25519 .*)$", sheet, re.MULTILINE)
    assert sshsig.fingerprint(sshsig.parse_public(key[1])) == fingerprint
    assert not re.search("SEALED|Officer", said)
    (entry,) = world.entries("credential_changed")
    assert (entry.facts["change"], entry.facts["partner"]) == ("added", "cert-a")
    assert entry.facts["actor"].startswith("p-")


def test_the_sheet_promises_nothing_that_no_format_carries(world, pentrap, tmp_path):
    """Hosts come as Parquet only: a partner of reports alone is not told that it gets them."""
    reports = PARTNERS.replace('["parquet", "shadowserver-csv"]', '["shadowserver-csv"]')
    (tmp_path / "partners.toml").write_text(reports)
    code, said, _ = pentrap("add", "cert-a")
    assert code == 0
    assert re.search(r"datasets +events$", said, re.MULTILINE)


def test_a_partner_must_be_known_and_an_account_has_one_token(world, pentrap):
    """A name that partners.toml has not, a second `add`, options that are none: exit 2 and nothing changed; nothing to
    rotate or revoke: 1.
    """
    assert pentrap("rotate", "cert-a")[0] == 1
    assert pentrap("revoke", "cert-a")[0] == 1
    code, _, said = pentrap("add", "cert-b")
    assert code == 2
    assert "partners.toml" in said
    assert "expected: a partner of" in said
    assert "cert-a" in said
    for wrong in (
        ["cert-a", "--account", "../x"], ["cert-a", "--expires-days", "0"], ["cert-a", "--expires-days", "9999"],
        ["cert-a", "--url", "ftp://x"], ["cert-a", "--url", "https://x/'; rm"], [],
    ):  # fmt: skip
        assert pentrap("add", *wrong)[0] == 2
    assert world.entries("credential_changed") == []
    assert pentrap("add", "cert-a")[0] == 0
    code, _, said = pentrap("add", "cert-a")
    assert code == 2
    assert "pentrap partner rotate cert-a" in said
    assert pentrap("add", "cert-a", "--account", "laptop")[0] == 0
    assert len(tokens.read(world.data)) == 2


def test_rotate_revoke_and_show_in_json(world, pentrap):
    """Rotate gives another token and ends the first after the overlap; revoke ends all, also of a partner that
    partners.toml has no longer; show tells states and never a hash or a secret.
    """
    first = json.loads(pentrap("add", "cert-a", "--json")[1])
    second = json.loads(pentrap("rotate", "cert-a", "--overlap-days", "2", "--json")[1])
    assert first["token"] != second["token"]
    assert "curl" in second["sheet"]
    shown = json.loads(pentrap("show", "--json")[1])
    assert [(one["id"], one["state"]) for one in shown] == [(first["id"], "valid"), (second["id"], "valid")]
    assert shown[0]["expires"][:10] < shown[1]["expires"][:10]
    (world.folder / "partners.toml").write_text("")
    assert len(json.loads(pentrap("revoke", "cert-a", "--json")[1])) == 2
    said = pentrap("show", "cert-a")[1]
    assert said.count("revoked") == 2
    assert not [one.sha256 for one in tokens.read(world.data) if one.sha256 in said]
    assert pentrap("show", "cert-z")[1] == ""
