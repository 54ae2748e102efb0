"""The image's bill of materials follows CycloneDX and names everything that is there."""

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from deployment import DEPLOY

CONTROL = """Package: libseccomp2
Source: libseccomp
Version: 2.5.4-1+deb12u1
Architecture: amd64
Description: high level interface to Linux seccomp filter
 More words about it.
"""


def test_it_holds_every_distribution_and_every_debian_package(tmp_path: Path) -> None:
    """The project is what it is for; each distribution and each control file is a component with its package URL."""
    debian = tmp_path / "status.d"
    debian.mkdir()
    (debian / "libseccomp2").write_text(CONTROL)
    output = tmp_path / "sbom.json"
    command = [sys.executable, DEPLOY / "image/sbom.py", "--python", sys.executable, "--debian", debian]
    subprocess.run([*command, "--revision", "0" * 40, "--output", output], check=True, capture_output=True)
    text = output.read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bill = json.loads(text)
    own = bill["metadata"]["component"]
    assert (own["name"], own["type"]) == ("pentrap", "application")
    assert {"name": "pentrap:revision", "value": "0" * 40} in own["properties"]
    installed = {
        f"{one.name.lower().replace('_', '-').replace('.', '-')}=={one.version}"
        for one in distributions()
        if one.name != "pentrap"
    }
    named = {
        f"{one['name'].lower().replace('_', '-').replace('.', '-')}=={one['version']}"
        for one in bill["components"]
        if one["purl"].startswith("pkg:pypi/")
    }
    assert named == installed
    (package,) = [one for one in bill["components"] if one["purl"].startswith("pkg:deb/")]
    assert package["purl"] == "pkg:deb/debian/libseccomp2@2.5.4-1%2Bdeb12u1?arch=amd64&distro=debian-12"
    assert package["description"] == "high level interface to Linux seccomp filter"
