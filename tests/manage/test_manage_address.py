"""The management plane has its address and its token before machines are answered, or nothing starts."""

import json
import socket
import subprocess
from pathlib import Path

import pytest
from collectors import PENTRAP, Collector, write_operation


@pytest.fixture
def site(tmp_path: Path) -> Collector:
    """A collector that has not been started, with an address that others can reach."""
    made = Collector(tmp_path)
    write_operation(tmp_path / "operations")
    made.settings |= {"manage.listen": f"0.0.0.0:{made.manage_port}", "manage.token_file": "token"}
    made.write_config()
    return made


def said(site: Collector, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [PENTRAP, verb, "--config", site.config, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "No such file"), (b"", "empty"), (b" \n", "empty"), ("schlüssel".encode(), "not ASCII")],
)
def test_a_token_file_that_guards_nothing_is_refused(
    site: Collector, content: bytes | None, found: str
) -> None:
    """Absent, empty or unreadable: `check` names it, `serve` does not begin, and no word of the file is shown."""
    if content is not None:
        (site.folder / "token").write_bytes(content)
    told = said(site, "check", "--json")
    assert told.returncode == 2
    (problem,) = json.loads(told.stdout)
    assert (problem["place"], found in problem["found"]) == ("[manage] token_file", True)
    served = said(site, "serve")
    assert served.returncode == 2
    assert "[manage] token_file" in served.stderr
    assert "schl" not in told.stdout + served.stderr


def test_on_loopback_nobody_is_asked_for_a_token(site: Collector) -> None:
    """There the file plays no part, so a missing one is no mistake."""
    site.settings["manage.listen"] = f"127.0.0.1:{site.manage_port}"
    site.write_config()
    assert said(site, "check").returncode == 0


def test_a_port_that_is_taken_is_told_before_machines_are_answered(site: Collector) -> None:
    """Else the process that writes Parquet would die over and over behind a collector that looks alive."""
    (site.folder / "token").write_text("token\n")
    with socket.socket() as other:
        other.bind(("0.0.0.0", site.manage_port))
        other.listen()
        served = said(site, "serve")
    assert served.returncode == 2
    assert (
        f"[manage] listen\n    found:    0.0.0.0:{site.manage_port}: Address already in use" in served.stderr
    )


def test_a_health_check_tells_by_its_exit_code_whether_machines_are_answered(site: Collector) -> None:
    """`status --ready` shows the token itself, says nothing while all is well, and why where it is not."""
    (site.folder / "token").write_text("token\n")
    assert said(site, "status", "--ready").returncode == 1
    site.launch()
    with site:
        for _ in range(200):
            done = said(site, "status", "--ready")
            if done.returncode == 0:
                break
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        site.stop()
    done = said(site, "status", "--ready")
    assert (done.returncode, done.stdout) == (1, "")
    assert "remedy: start it" in done.stderr
