"""The production settings are good, once what is an operator's own stands beside them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from collectors import PENTRAP, ROOT
from deployment import DEPLOY, UID, settings

FILES = ("pentrap.production.toml", "kubernetes/pentrap.toml")


def site(folder: Path, name: str) -> Path:
    """/etc/pentrap as deploy/README.md has an operator make it, here in `folder`, with the example's order in force today."""
    folder.mkdir()
    shutil.copy(DEPLOY / name, folder / "pentrap.toml")
    subprocess.run([DEPLOY / "prepare.sh", folder, "pull.example"], check=True, capture_output=True)
    subprocess.run([sys.executable, ROOT / "config/example.py", folder], check=True, capture_output=True)
    partners = folder / settings(name)["partners"]
    if partners.parent != folder:
        partners.parent.mkdir()
        (folder / "partners.toml").rename(partners)
    return folder / "pentrap.toml"


def check(config: Path, data: Path) -> subprocess.CompletedProcess[str]:
    """`pentrap check`, with a data directory of the test's own."""
    environment = os.environ | {"PENTRAP_DATA_DIR": json.dumps(str(data))}
    command = [PENTRAP, "check", "--config", config, "--json"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("name", FILES)
def test_pentrap_check_finds_them_good(tmp_path: Path, name: str) -> None:
    """With orders, partners and secrets in their places there is no problem and no note; without a secret there is."""
    config = site(tmp_path / "etc", name)
    done = check(config, tmp_path / "data")
    told = json.loads(done.stdout)
    assert (done.returncode, told["problems"]) == (0, [])
    assert [note["place"] for note in told["notes"] if note["file"] == str(config)] == []
    (config.parent / "secrets/manage.token").unlink()
    assert check(config, tmp_path / "data").returncode == (2 if "kubernetes" in name else 0)
    (config.parent / "secrets/pull.key").unlink()
    assert check(config, tmp_path / "data").returncode == 2


@pytest.mark.parametrize("name", FILES)
def test_they_are_meant_for_the_field(name: str) -> None:
    """Durable answers, a clock that must be right, every address on both ports, a key apart from the log, TLS for partners."""
    read = settings(name)
    assert read["intake"]["durability"] == "sync"
    assert read["intake"]["require_clock_sync"] is True
    assert set(read["intake"]["listen"]) == {
        f"tcp://{host}:{port}" for host in ("0.0.0.0", "[::]") for port in (80, 443)
    }
    key = Path("/etc/pentrap") / read["export"]["signing_key"]
    assert not key.is_relative_to(read["data_dir"])
    assert read["pull"]["tls_cert"]
    assert read["pull"]["tls_key"]
    assert "open" not in read["manage"]


def test_what_is_prepared_is_the_collectors_and_stays_as_it_is(tmp_path: Path) -> None:
    """Keys are readable by the collector's user alone; a second run changes nothing, so that it can be run without fear."""
    folder = site(tmp_path / "etc", FILES[0]).parent
    secrets = {path.name: path for path in (folder / "secrets").iterdir()}
    assert set(secrets) == {"signing.key", "signing.key.pub", "manage.token", "pull.key", "pull.crt"}
    assert {path.stat().st_uid for path in secrets.values()} == {UID}
    assert {secrets[name].stat().st_mode & 0o777 for name in ("signing.key", "pull.key")} == {0o600}
    assert [path.stat().st_mode & 0o007 for path in (folder, *secrets.values())] == [0] * 6
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    subprocess.run([DEPLOY / "prepare.sh", folder, "other.example"], check=True, capture_output=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
