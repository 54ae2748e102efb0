"""Write the cases of the decision table as seeds for the fuzz targets: `python tests/fuzz/seeds.py FOLDER`."""

import hashlib
import os
import sys

HERE = os.path.dirname(__file__)
sys.path[:0] = [os.path.join(HERE, "..", ".."), os.path.join(HERE, "..", "wire")]

from test_wire_proxy import HEADERS  # noqa: E402
from wire_cases import CASES  # noqa: E402


def write(folder: str, data: bytes) -> None:
    """Write one seed under the name that libFuzzer would give it."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha1(data).hexdigest()), "wb") as file:
        file.write(data)


def main(folder: str) -> None:
    """Write a folder of seeds for each target; the first bytes steer the target, see there."""
    for cases in CASES.values():
        for case in cases:
            data = case[0] if isinstance(case, tuple) else case
            if data.startswith(b"\x16\x03"):
                write(os.path.join(folder, "tls"), b"\x20\x00" + data[2:])
                if len(data) < 1000:
                    write(os.path.join(folder, "tls"), b"\x20\x01" + data[43:])
            elif len(data) < 1000:
                write(os.path.join(folder, "http"), b"\x20" + data)
    for header in HEADERS:
        write(os.path.join(folder, "proxy"), b"\x00\x20" + header)


if __name__ == "__main__":
    main(sys.argv[1])
