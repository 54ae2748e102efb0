"""The image's bill of materials names everything that is there; what makes it holds it against CycloneDX's schema."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from deployment import DEPLOY

CONTROL = """Package: libseccomp2
Source: libseccomp
Version: 2.5.4-1+deb12u1
Architecture: amd64
Description: high level interface to Linux seccomp filter
 More words about it.
"""


DISTRIBUTIONS = ("pentrap", "structlog", "aiohttp", "attrs", "frozenlist")
"""Those of the environment below; a whole one takes half a minute to hold against the schema."""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """An interpreter whose environment knows a few of our own's distributions."""
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python3*/site-packages")
    for name in DISTRIBUTIONS:
        known = Path(str(distribution(name)._path))  # type: ignore[attr-defined]
        shutil.copytree(known, packages / known.name)
    return folder / "bin" / "python"


def test_it_holds_every_distribution_and_every_debian_package(environment: Path, tmp_path: Path) -> None:
    """The project is what it is for; each distribution and each control file is a component with its package URL."""
    debian = tmp_path / "status.d"
    debian.mkdir()
    (debian / "libseccomp2").write_text(CONTROL)
    output = tmp_path / "sbom.json"
    command = [sys.executable, DEPLOY / "image/sbom.py", "--python", environment, "--debian", debian]
    subprocess.run([*command, "--revision", "0" * 40, "--output", output], check=True, capture_output=True)
    bill = json.loads(output.read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    own = bill["metadata"]["component"]
    assert (own["name"], own["type"]) == ("pentrap", "application")
    assert {"name": "pentrap:revision", "value": "0" * 40} in own["properties"]
    installed = {f"{name}=={version(name)}" for name in DISTRIBUTIONS if name != "pentrap"}
    named = {
        f"{one['name'].lower().replace('_', '-').replace('.', '-')}=={one['version']}"
        for one in bill["components"]
        if one["purl"].startswith("pkg:pypi/")
    }
    assert named == installed
    (package,) = [one for one in bill["components"] if one["purl"].startswith("pkg:deb/")]
    assert package["purl"] == "pkg:deb/debian/libseccomp2@2.5.4-1%2Bdeb12u1?arch=amd64&distro=debian-12"
    assert package["description"] == "high level interface to Linux seccomp filter"
