"""First flights of 300 real clients, many evasive or malformed, against what a protocol analyser decoded.

The captures are read where they lie, beside the repository; they are not part of it.
"""

import base64
import json
import os

import pytest

from collector.wire.classify import Conversation, classify
from collector.wire.verdict import HTTP, NONE, NOT_OURS, TLS, Verdict

PATH = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "captures", "streams.jsonl")
APPLICATIONS = {"http": HTTP, "tls": TLS}

EXPLAINED = {
    "38e72bae7cab": (
        NOT_OURS,
        "EHLO and STARTTLS come first: what begins as mail stays opaque, whatever follows (O01)",
    ),
    "827629881cd7": (
        NOT_OURS,
        "the hello stands behind 32 bytes of DE AD BE EF, with which nothing begins (O02)",
    ),
}
"""Streams of which we say something else than the analyser: id, our verdict, why."""


def streams():
    """Return the captures, or nothing where the file is absent."""
    if not os.path.exists(PATH):
        return []
    with open(PATH, encoding="utf-8") as file:
        return [json.loads(text) for text in file]


def host_of(stream):
    """Return the analyser's host as a canonical name: it kept port and case."""
    host = (stream["host"] or "").lower().encode()
    return (host if host.startswith(b"[") else host.partition(b":")[0]) or None


@pytest.mark.skipif(not os.path.exists(PATH), reason="the captures are not beside this repository")
def test_real_streams_get_the_analysers_host_or_the_difference_is_explained():
    """For every stream our name and protocol are the analyser's, but for the differences in the table above."""
    differing = {}
    for stream in streams():
        data = b"".join(map(base64.b64decode, stream["segments"]))
        verdict = classify(data, ended=True)
        if verdict != Verdict(APPLICATIONS[stream["kind"]], host_of(stream), NONE):
            differing[stream["id"]] = verdict
    assert differing == {key: verdict for key, (verdict, _) in EXPLAINED.items()}


@pytest.mark.skipif(not os.path.exists(PATH), reason="the captures are not beside this repository")
def test_real_streams_get_one_verdict_in_their_segments_and_byte_by_byte():
    """As captured, byte by byte, or whole: the same verdict."""
    for stream in streams():
        segments = [base64.b64decode(segment) for segment in stream["segments"]]
        data = b"".join(segments)
        verdict = classify(data, ended=True)
        for pieces in (segments, [data[at : at + 1] for at in range(len(data))]):
            conversation = Conversation()
            for piece in pieces:
                conversation.feed(piece)
            assert conversation.end() == verdict
