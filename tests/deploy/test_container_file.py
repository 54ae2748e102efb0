"""The image's recipe: what is locked, who runs in it, what it can do without. `make image-test` builds and runs it for real."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from collectors import ROOT
from deployment import DEPLOY, UID, stop_seconds_max

SOURCE = (DEPLOY / "Containerfile").read_text()
LINES = [
    re.sub(r"\s+", " ", line)
    for line in re.sub(r"^#.*\n", "", SOURCE, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    if line.strip()
]
"""Its instructions, one a line."""


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of that name."""
    return [line.partition(" ")[2] for line in LINES if line.startswith(name + " ")]


def last_stage() -> list[str]:
    """The instructions that make the image itself."""
    starts = [number for number, line in enumerate(LINES) if line.startswith("FROM ")]
    return LINES[starts[-1] :]


def test_the_base_is_an_argument_and_its_default_is_one_release() -> None:
    """BASE stands before the first FROM, which takes it, and names a dated tag: no `latest`, nothing that moves."""
    assert LINES[0].startswith("ARG BASE=")
    assert instructions("FROM")[0] == "${BASE} AS build"
    assert re.search(r":[a-z]+-\d{8}-slim$", LINES[0])


def test_the_image_itself_begins_with_nothing() -> None:
    """The last stage has no base: what is in it was put there, and no instruction of it runs anything."""
    stage = last_stage()
    assert stage[0] == "FROM scratch"
    assert not [line for line in stage if line.startswith(("RUN ", "ADD "))]
    assert [line for line in stage if line.startswith("COPY ")] == ["COPY --from=build /image /"]


def test_every_package_comes_by_its_hash() -> None:
    """Each `pip install` from an index demands hashes and wheels; the project's own needs no index."""
    commands = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&]+", " ".join(LINES))
    assert len(commands) == 4
    for command in commands:
        assert ("--require-hashes" in command and "--only-binary :all:" in command) or "--no-index" in command
    for lock in ("requirements.lock", "deploy/image/requirements.lock"):
        pins = re.findall(r"^([a-z0-9][^ ]*==[^ ]+) \\\n((?:    --hash=sha256:[0-9a-f]{64}[ \\]*\n)+)",
                          (ROOT / lock).read_text(), re.MULTILINE)  # fmt: skip
        assert len(pins) > 15
        assert len(pins) == len(re.findall(r"^[a-z0-9][^ ]*==", (ROOT / lock).read_text(), re.MULTILINE))


def test_it_runs_as_a_fixed_user_who_is_not_root() -> None:
    """By number, so that an orchestrator can see that it is not root; and the volume is that user's."""
    assert instructions("USER") == [f"{UID}:{UID}"]
    root = (DEPLOY / "image/root.sh").read_text()
    assert f"pentrap:x:{UID}:{UID}:" in root
    assert f"chown {UID}:{UID} var/lib/pentrap" in root


def test_nothing_that_runs_in_it_wants_a_shell() -> None:
    """Entry point, command and health check are lists of words."""
    for name in ("ENTRYPOINT", "CMD"):
        (text,) = instructions(name)
        assert json.loads(text)
    (health,) = instructions("HEALTHCHECK")
    command = json.loads(health.partition(" CMD ")[2])
    assert command == [
        "/opt/pentrap/bin/pentrap",
        "status",
        "--config",
        "/etc/pentrap/pentrap.toml",
        "--ready",
    ]
    assert json.loads(instructions("ENTRYPOINT")[0]) == command[:1]


def test_it_has_one_volume_and_says_what_it_is() -> None:
    """The volume is the production settings' data_dir; labels tell version and revision; SIGTERM stops it."""
    assert [json.loads(text) for text in instructions("VOLUME")] == [["/var/lib/pentrap"]]
    (labels,) = instructions("LABEL")
    for label, argument in (("version", "VERSION"), ("revision", "REVISION"), ("created", "CREATED")):
        assert f'org.opencontainers.image.{label}="${{{argument}}}"' in labels
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    assert stop_seconds_max() < 180


def test_a_build_sees_what_it_copies_and_no_more() -> None:
    """.dockerignore leaves out everything, then lets in what COPY names: no history, no data, no keys."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert lines[1] == "*"
    copied = {
        source
        for text in instructions("COPY")
        if not text.startswith("--from")
        for source in text.split()[:-1]
    }
    assert {
        source for source in copied if not any(source == a or source.startswith(a + "/") for a in allowed)
    } == set()
    assert {
        a for a in allowed if not any(source == a or source.startswith(a + "/") for source in copied)
    } == set()


def test_the_scripts_are_sound() -> None:
    """They parse, and stop at the first failure."""
    for script in ("base.sh", "build.sh", "root.sh"):
        path = DEPLOY / "image" / script
        subprocess.run(["bash" if script != "root.sh" else "sh", "-n", path], check=True)
        assert re.search(r"^set -eu", path.read_text(), re.MULTILINE)


def test_settings_of_pip_leave_folders_and_secrets_of_this_machine_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the build is told of pip is where packages are, never a local folder, a certificate or a cache."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://index.invalid/simple\nextra-index-url = file:///srv/a\n  https://b.invalid/simple\n"
        "cert = /etc/ssl/private.pem\nfind-links = /srv/wheels\n[install]\nno-compile = true\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    import sys

    command = [sys.executable, DEPLOY / "image/pip_settings.py"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0] == "[global]"
    assert "index-url = https://index.invalid/simple" in told
    assert "extra-index-url = https://b.invalid/simple" in told
    assert not [line for line in told if "/srv" in line or "private" in line or "compile" in line]
