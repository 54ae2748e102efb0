# Invariant: whatever follows 16 03, and however it is cut into records and pieces, reading it raises nothing, holds at
# most HEAD_MAX bytes, and ends in one verdict of TLS that the cut into pieces does not change; a hello whose message
# is whole gives the same verdict in records of any size.
"""Coverage-guided fuzzing of the ClientHello: `python tests/fuzz/fuzz_tls.py -runs=1000000`.

The first byte of an input says where the rest is cut, the second whether it is a message or a stream of records.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

try:
    import atheris
except ImportError:
    sys.exit("fuzz_tls: atheris is not installed; it is no part of the lock file: pip install atheris==3.0.0")

with atheris.instrument_imports(include=["collector.wire"]):
    from collector.wire.classify import HEAD_MAX, Conversation, classify
    from collector.wire.verdict import NONE, TLS, Verdict

SIZE_MAX = 6000  # bytes of a message whose records still fit into HEAD_MAX


def records(message: bytes, size: int) -> bytes:
    """Return the message cut into records of `size` bytes."""
    pieces = [message[at : at + size] for at in range(0, len(message), size)]
    return b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece for piece in pieces)


def hello(body: bytes) -> bytes:
    """Return a ClientHello with its right length; the input is what stands behind the random."""
    body = b"\x03\x03" + bytes(32) + body
    return b"\x01" + len(body).to_bytes(3, "big") + body


def one_input(data: bytes) -> None:
    """Check the invariant on one input."""
    cut, form, data = (data[0], data[1] % 3, data[2:]) if len(data) > 1 else (0, 0, data)
    stream = b"\x16\x03" + data
    if form and len(data) < SIZE_MAX:
        stream = records(hello(data) if form == 1 else data, 1 << 14)
    verdict = classify(stream, ended=True)
    assert isinstance(verdict, Verdict)
    assert not stream or verdict.application == TLS
    assert verdict.name is None or verdict.flaw == NONE
    conversation = Conversation()
    for piece in (stream[:cut], stream[cut : 2 * cut], stream[2 * cut :]):
        conversation.feed(piece)
        assert conversation.held <= HEAD_MAX
    assert conversation.end() == verdict
    if form == 1 and len(data) < SIZE_MAX:
        assert (
            classify(records(hello(data), 16 + cut), ended=False) == classify(stream, ended=False) == verdict
        )


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
