"""Leave out of an environment what no command of Pentrap calls: headers, tests, Arrow Flight: slim.py ENVIRONMENT

What is left out is a list, not a guess: `make image-test` runs the collector, its exports and an officer's reading in the
image that comes out, and a pattern that finds nothing is an error, so that the list follows its packages.
"""

import shutil
import subprocess
import sys
from pathlib import Path

UNUSED = (
    "pyarrow/include",
    "pyarrow/includes",
    "pyarrow/src",
    "pyarrow/tests",
    "pyarrow/*.pyx",
    "pyarrow/*.pxi",
    "pyarrow/*.pxd",
    "pyarrow/_flight.*.so",
    "pyarrow/libarrow_flight.so.*",
    "pyarrow/libarrow_python_flight.so*",
    "pyarrow/_s3fs.*.so",
    "pyarrow/libarrow_s3.so.*",
    # The loader asks for .so.2600; these are the same file twice more.
    "pyarrow/libarrow_python*.so",
    "pyarrow/libarrow_python*.so.*.*",
    "numpy/_core/include",
    "numpy/f2py",
    "numpy/**/tests",
    "uvloop/**/*.pyx",
    "aiohttp/*.pyx",
)
"""Below site-packages."""
STILL_THERE = (
    "pyarrow.dataset",
    "pyarrow.parquet",
    "duckdb",
    "numpy",
    "aiohttp",
    "uvloop",
    "cryptography.fernet",
    "pyrage",
)
"""What must import afterwards."""
SCRIPTS_KEPT = ("pentrap", "python", "python3", "python3.11")


def main() -> int:
    environment = Path(sys.argv[1])
    (packages,) = environment.glob("lib/python3*/site-packages")
    before = size(environment)
    idle = [pattern for pattern in UNUSED if not remove(packages, pattern)]
    for script in (environment / "bin").iterdir():
        if script.name not in SCRIPTS_KEPT:
            script.unlink()
    shutil.rmtree(environment / "include", ignore_errors=True)
    print(f"slim.py: {before / 1e6:.0f} MB, {size(environment) / 1e6:.0f} MB left", file=sys.stderr)
    for pattern in idle:
        print(f"slim.py: {pattern}: found nothing in {packages}; correct the list", file=sys.stderr)
    python = environment / "bin" / "python"
    subprocess.run([python, "-c", f"import {', '.join(STILL_THERE)}"], check=True)
    return 1 if idle else 0


def remove(packages: Path, pattern: str) -> bool:
    """Delete what a pattern finds; whether it found something."""
    found = sorted(packages.glob(pattern))
    for path in found:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return bool(found)


def size(folder: Path) -> int:
    """Bytes in files below it."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
