"""Write the cases of the decision table as seeds for the fuzz targets: `python tests/fuzz/seeds.py FOLDER`."""

import hashlib
import os
import sys

HERE = os.path.dirname(__file__)
sys.path[:0] = [os.path.join(HERE, "..", room) for room in ("..", "wire", "audit")]

from audit_world import NOON_US, PETER, PETER_LINE, PETER_TEXT  # noqa: E402
from test_wire_proxy import HEADERS  # noqa: E402
from wire_cases import CASES  # noqa: E402

from collector.audit.log import make_entry  # noqa: E402

AUDIT = (
    f"{PETER_TEXT}\n{PETER_LINE}".encode(),
    b"pentrap/a\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    PETER.text.encode(),
    make_entry(1, NOON_US, "hold_set", {"operation": "o", "facts": [1.5, None, {"a": "\u00fc"}]}).line,
    b"\0\0\0\2ab\0\1c",
    b"tile/0/x001/234.p/17",
)
"""One seed for each reader of fuzz_audit, in its order."""


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
    for number, data in enumerate(AUDIT):
        write(os.path.join(folder, "audit"), bytes([number]) + data)
    for header in HEADERS:
        write(os.path.join(folder, "proxy"), b"\x00\x20" + header)


if __name__ == "__main__":
    main(sys.argv[1])
