"""Print a pip.conf that says from which index this machine's pip takes packages, and nothing else of its settings.

Folders of this machine are left out: a build does not see them (build.sh's BUILD_OPTIONS can give it one).
"""

import subprocess
import sys

KEPT = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy")


def main() -> int:
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    print("[global]")
    for line in told.stdout.splitlines():
        setting, _, quoted = line.partition("=")
        key = setting.rpartition(".")[2]
        values = [word for word in quoted.strip("'").replace("\\n", " ").split() if not local(word)]
        if key in KEPT and values:
            print(f"{key} = {' '.join(values)}")
    return 0


def local(value: str) -> bool:
    """Whether it is a place on this machine's disk."""
    return value.startswith(("/", "file:"))


if __name__ == "__main__":
    sys.exit(main())
