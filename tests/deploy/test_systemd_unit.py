"""The systemd unit: systemd itself rates its sandbox, and what the collector needs is left to it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from deployment import DEPLOY, UID, settings, stop_seconds_max

UNIT = DEPLOY / "systemd/pentrap.service"
EXPOSURE_MAX = 2.0
"""Of 10; what is left is the network, the port below 1024, and reading the kernel's clock. systemd calls up to 2.4 "OK"."""


def values(name: str) -> list[str]:
    """All values of a key."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def allowed_calls() -> set[str]:
    """The system calls and groups that the filter names, in the order of its lines."""
    calls: set[str] = set()
    for line in values("SystemCallFilter"):
        words = set(line.removeprefix("~").split())
        calls = calls - words if line.startswith("~") else calls | words
    return calls


@pytest.fixture(scope="module", autouse=True)
def systemd_is_there() -> None:
    """Debian's systemd, whose tools need no running one."""
    assert shutil.which("systemd-analyze"), "systemd-analyze is not installed: apt-get install systemd"


def analyse(unit: Path) -> tuple[float, str]:
    """The exposure that systemd finds, and its table."""
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (found,) = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    return float(found), done.stdout + done.stderr


def test_systemd_finds_little_exposed(tmp_path: Path) -> None:
    """Its own rating is low, no option is unknown to it, and it sees what each protection is worth."""
    exposure, told = analyse(UNIT)
    assert exposure <= EXPOSURE_MAX
    assert "ignoring" not in told
    weaker = tmp_path / "pentrap.service"
    weaker.write_text(
        re.sub(
            r"^(NoNewPrivileges|ProtectSystem|SystemCallFilter)=.*\n",
            "",
            UNIT.read_text(),
            flags=re.MULTILINE,
        )
    )
    assert analyse(weaker)[0] > EXPOSURE_MAX + 1


def test_systemd_takes_it_whole(tmp_path: Path) -> None:
    """`systemd-analyze verify` finds nothing wrong, once the program is where it says."""
    installed = tmp_path / "pentrap.service"
    installed.write_text(UNIT.read_text().replace("/opt/pentrap/bin/pentrap", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", installed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if "pentrap.service" in line] == []


def test_a_stop_is_clean_and_has_its_time() -> None:
    """SIGTERM goes to the supervisor alone, which stops its workers in order; the time covers the longest stop."""
    assert values("KillMode") == ["mixed"]
    assert float(values("TimeoutStopSec")[0]) >= stop_seconds_max()


def test_what_the_collector_does_is_not_forbidden() -> None:
    """The workers' cage, limits, the kernel's word on the clock, ports below 1024; nothing else of root's."""
    calls = allowed_calls()
    assert {
        "seccomp",
        "landlock_create_ruleset",
        "landlock_add_rule",
        "landlock_restrict_self",
        "capset",
    } <= calls
    assert {"adjtimex", "clock_adjtime", "setrlimit", "prlimit64"} <= calls
    assert "ProtectClock" not in UNIT.read_text().replace("ProtectClock= forbids", "")
    assert values("AmbientCapabilities") == values("CapabilityBoundingSet") == ["CAP_NET_BIND_SERVICE"]
    assert int(values("LimitNOFILE")[0]) >= 65536
    assert "@system-service" in calls


def test_the_unit_starts_what_the_settings_describe() -> None:
    """The user, the state directory and the configuration are the production settings' and the image's."""
    assert values("User") == values("Group") == ["pentrap"]
    production = settings("pentrap.production.toml")
    assert f"/var/lib/{values('StateDirectory')[0]}" == production["data_dir"]
    assert values("ExecStart") == ["/opt/pentrap/bin/pentrap serve --config /etc/pentrap/pentrap.toml"]
    assert f"pentrap {UID} " in (DEPLOY / "systemd/pentrap.sysusers").read_text()


def test_systemd_takes_the_user_and_the_folders(tmp_path: Path) -> None:
    """Sysusers and tmpfiles make them in an empty root, with the rights that keep keys from everybody else."""
    for folder in ("etc", "usr/lib/sysusers.d"):
        (tmp_path / folder).mkdir(parents=True)
    subprocess.run(
        ["systemd-sysusers", f"--root={tmp_path}", DEPLOY / "systemd/pentrap.sysusers"],
        check=True,
        capture_output=True,
    )
    assert f"pentrap:x:{UID}:{UID}:" in (tmp_path / "etc/passwd").read_text()
    subprocess.run(
        ["systemd-tmpfiles", "--create", f"--root={tmp_path}", DEPLOY / "systemd/pentrap.tmpfiles"],
        check=True,
        capture_output=True,
    )
    secrets = (tmp_path / "etc/pentrap/secrets").stat()
    assert (secrets.st_mode & 0o777, secrets.st_uid) == (0o750, UID)
    assert (tmp_path / "etc/pentrap").stat().st_mode & 0o007 == 0
