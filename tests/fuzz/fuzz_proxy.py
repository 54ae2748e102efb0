# Invariant: whatever the bytes, reading them as a PROXY header raises nothing, never claims bytes that are not there,
# and an outcome, once fallen, is the same for every longer read.
"""Coverage-guided fuzzing of the PROXY header: `python tests/fuzz/fuzz_proxy.py -runs=1000000`.

The first byte of an input says what stands before the rest, the second where it is cut.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

try:
    import atheris
except ImportError:
    sys.exit(
        "fuzz_proxy: atheris is not installed; it is no part of the lock file: pip install atheris==3.0.0"
    )

with atheris.instrument_imports(include=["collector.wire"]):
    from collector.wire.proxy import REJECTED, Proxied, read_proxy

STARTS = [b"", b"PROXY TCP4 ", b"PROXY TCP6 ", b"\r\n\r\n\x00\r\nQUIT\n", b"PROXY TCP4 192.0.2.1 192.0.2.2 "]


def one_input(data: bytes) -> None:
    """Check the invariant on one input."""
    start, cut, data = (data[0], data[1], data[2:]) if len(data) > 1 else (0, 0, data)
    data = STARTS[start % len(STARTS)] + data
    whole = read_proxy(data)
    if isinstance(whole, Proxied):
        assert len(whole.src) == len(whole.dst) == 16
        assert 0 < whole.length <= len(data)
        assert read_proxy(data[: whole.length]) == whole
        assert read_proxy(data[: whole.length - 1]) is None
    early = read_proxy(data[:cut])
    assert early is None or early == whole
    if whole is None:
        assert read_proxy(data[:-1]) is None
    if whole is REJECTED:
        assert read_proxy(data + b"\r\n") is REJECTED


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
