# Invariant: whatever the bytes and however they are cut, reading them as HTTP raises nothing, holds at most HEAD_MAX
# bytes, ends in one verdict that the cut does not change, and the fast reader never contradicts the general one.
"""Coverage-guided fuzzing of the HTTP head: `python tests/fuzz/fuzz_http.py -runs=1000000`.

The first byte of an input says where the rest is cut.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))

try:
    import atheris
except ImportError:
    sys.exit(
        "fuzz_http: atheris is not installed; it is no part of the lock file: pip install atheris==3.0.0"
    )

with atheris.instrument_imports(include=["collector.wire"]):
    from collector.wire import http
    from collector.wire.classify import HEAD_MAX, Conversation, classify
    from collector.wire.verdict import NONE, Verdict

WORDS = [
    b"GET / HTTP/1.1\r\n",
    b"\r\nHost: bot.example.org\r\n",
    b"\nhost:",
    b"http://",
    b"CONNECT ",
    b"\r\n ",
    b"\r\n\r\n",
]


def words(data: bytes, max_size: int, seed: int) -> bytes:
    """Put a word of the protocol somewhere, or mutate as libFuzzer would."""
    if seed % 3:
        return atheris.Mutate(data, max_size)
    at = seed // 3 % (len(data) + 1)
    return (data[:at] + WORDS[seed // 7 % len(WORDS)] + data[at + seed % 4 :])[:max_size]


def one_input(data: bytes) -> None:
    """Check the invariant on one input."""
    cut, data = (data[0], data[1:]) if data else (0, data)
    verdict = classify(data, ended=True)
    assert isinstance(verdict, Verdict)
    assert verdict.name is None or verdict.flaw == NONE
    early = classify(data, ended=False)
    assert early is None or early == verdict
    conversation = Conversation()
    for piece in (data[:cut], data[cut : 2 * cut], data[2 * cut :]):
        conversation.feed(piece)
        assert conversation.held <= HEAD_MAX
    assert conversation.end() == verdict
    fast = http.glance(data, HEAD_MAX)
    assert fast is None or fast == Conversation().feed(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input, custom_mutator=words)
    atheris.Fuzz()
