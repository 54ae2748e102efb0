"""The image's bill of materials (CycloneDX 1.6, JSON): what Python's environment holds, and Debian's packages beneath it.

    sbom.py --python /opt/pentrap/bin/python --debian ROOT/var/lib/dpkg/status.d --revision COMMIT --output FILE

cyclonedx-bom reads the environment: each distribution with its licence and what it depends on. The project's own becomes the
thing that the bill is for, and each control file of `--debian` (one a package, in dpkg's form) is added as a package of the
operating system, with the name and version by which scanners look up advisories. The result is held against CycloneDX's
own schema.
"""

import argparse
import json
import subprocess
import sys
from email.parser import HeaderParser
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

PROJECT = "pentrap"
DEBIAN = "debian-12"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, required=True, help="the environment's interpreter")
    parser.add_argument("--debian", type=Path, required=True, help="a folder of control files")
    parser.add_argument("--revision", default="", help="the commit that was built")
    parser.add_argument("--output", type=Path, required=True)
    chosen = parser.parse_args()
    bom = of_environment(chosen.python)
    for path in sorted(chosen.debian.iterdir()):
        bom.components.add(of_control_file(path))
    name_the_whole(bom, chosen.revision)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    wrong = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if wrong is not None:
        print(f"sbom.py: the bill does not follow CycloneDX 1.6: {wrong}", file=sys.stderr)
        return 1
    chosen.output.write_text(text + "\n", encoding="utf-8")
    print(f"sbom.py: {len(bom.components)} components", file=sys.stderr)
    return 0


def of_environment(python: Path) -> Bom:
    """What cyclonedx-bom finds installed. Raises CalledProcessError."""
    tool = [
        str(Path(sys.executable).parent / "cyclonedx-py"),
        "environment",
        "--short-PURLs",
        "--output-reproducible",
        "--no-validate",  # the whole is, below
    ]
    told = subprocess.run([*tool, "--of", "JSON", str(python)], stdout=subprocess.PIPE, check=True)
    return Bom.from_json(json.loads(told.stdout))  # type: ignore[attr-defined,no-any-return]


def of_control_file(path: Path) -> Component:
    """A Debian package, from its control file."""
    control = HeaderParser().parsestr(path.read_text(encoding="utf-8"))
    name, version = control["Package"], control["Version"]
    qualifiers = {"arch": control["Architecture"], "distro": DEBIAN}
    source = (control["Source"] or name).partition(" ")[0]
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=f"deb:{name}",
        description=control["Description"].partition("\n")[0],
        purl=PackageURL("deb", "debian", name, version, qualifiers),
        properties=[Property(name="pentrap:debian:source", value=source)],
    )


def name_the_whole(bom: Bom, revision: str) -> None:
    """Make the project's own distribution what the bill is for. Raises ValueError where it is not installed."""
    (own,) = [component for component in bom.components if component.name == PROJECT]
    bom.components.remove(own)
    own.type = ComponentType.APPLICATION
    if revision:
        own.properties.add(Property(name="pentrap:revision", value=revision))
    bom.metadata.component = own


if __name__ == "__main__":
    sys.exit(main())
