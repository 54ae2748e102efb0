"""L-13: reading stops at the end of the head. What follows names nobody, is not kept, and later bytes never come in."""

import random
import re
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from collectors import exchange, get, running
from data_plane import DataPlane
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
from wire_cases import HELLO, NAME, OTHER, SNI_OTHER, hello, records

from collector.wire.classify import Conversation, classify

NAMELESS = b"POST /gate HTTP/1.1\r\nContent-Length: 60\r\n\r\n"
NAMED = b"POST /gate HTTP/1.1\r\nHost: bot.example.org\r\n\r\n"
BAIT = st.one_of(
    st.binary(max_size=300),
    st.just(b"Host: other.example.net\r\n\r\n"),
    st.just(b"GET / HTTP/1.1\r\nHost: other.example.net\r\n\r\n"),
    st.just(records(hello(SNI_OTHER))),
    st.just(b"\r\nHost: other.example.net\n\n"),
)


@given(body=st.lists(BAIT, max_size=4).map(b"".join))
def test_l13_a_body_in_the_same_read_is_not_scanned(body):
    """Whatever follows the empty line, further requests and Host lines included, the verdict is the head's alone."""
    for head in (NAMELESS, NAMED):
        assert classify(head + body, False) == classify(head, False) == classify(head + body, True)
    assert classify(NAMELESS + body, False).name is None
    assert classify(NAMED + body, False).name == NAME


@given(rest=st.lists(BAIT, max_size=4).map(b"".join))
def test_l13_bytes_after_the_client_hello_are_not_scanned(rest):
    """A second hello, an early request, anything: the first ClientHello alone decides."""
    assert classify(HELLO + rest, False) == classify(HELLO, False)
    nameless = records(hello())
    assert classify(nameless + rest, False).name is None
    assert OTHER not in repr(classify(nameless + rest, True)).encode()


@given(rest=st.binary(min_size=1, max_size=300), step=st.integers(1, 50))
def test_l13_nothing_is_held_after_the_verdict(rest, step):
    """Once the verdict has fallen the conversation holds no byte, takes none, and does not change its mind."""
    conversation = Conversation()
    whole = NAMED + rest
    verdict = None
    for at in range(0, len(whole), step):
        found = conversation.feed(whole[at : at + step])
        if verdict is not None:
            assert found == verdict
            assert conversation.held == 0
        verdict = found or verdict
    assert verdict.name == NAME


def test_l13_what_the_last_machine_sent_is_not_read_again(tmp_path):
    """A head cut anywhere, after the same head whole: judged as if nobody had been there before (they share a buffer)."""
    whole = b"GET /gate HTTP/1.1\r\nUser-Agent: x\r\nHost: evil-one.com\r\n\r\n"
    now_us = 1_795_348_800_000_000
    window = {"starts": datetime(2026, 11, 1, tzinfo=UTC), "ends": datetime(2026, 12, 1, tzinfo=UTC)}
    plane = DataPlane(tmp_path, now_us, volume=True, **window)
    named = (
        len(whole) - 2
    )  # with the Host line's end there, the name is complete, and FIN after it leaves no doubt
    for cut in range(1, len(whole) + 1):
        assert plane.check_in([whole + b"z" * 500]).counted["fate_recorded"] == 1
        left = plane.check_in([whole[:cut]])
        assert ("fate_recorded" in left.counted) == (cut >= named), whole[:cut]
    plane.close()


def test_l13_a_host_in_the_body_is_recorded_for_nobody(collector):
    """On real sockets: a listed name in the body, in the same segment or the next, records nothing."""
    bait = b"Host: evil-one.com\r\n\r\n"
    for pieces in (
        [NAMELESS + bait],
        [NAMELESS, bait],
        [NAMELESS[:-2], b"\r\n" + bait],
        [records(hello()) + get()],
    ):
        exchange(collector.port, *pieces)
    assert collector.settled_fates(4) == {"accepted": 4, "suppressed_scope": 4, "open": 0}


def test_l13_later_bytes_are_discarded_in_the_kernel(tmp_path):
    """Traced: after the head every read says MSG_TRUNC, and not one byte of a later body reaches the process."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; .ci/run installs it")
    secret = bytes(random.Random(5).choices(b"abcdefghijklmnopqrstuvwxyz", k=40))
    with running(tmp_path) as collector:
        trace = tmp_path / "trace"
        command = [
            "strace",
            "-f",
            "-qq",
            "-s",
            "65536",
            "-o",
            str(trace),
            "-e",
            "trace=recvfrom,recvmsg,read",
        ]
        tracer = subprocess.Popen([*command, "-p", str(collector.pids()["child-0"])])
        time.sleep(0.5)
        for _ in range(3):
            exchange(collector.port, get(more=b"Content-Length: 40\r\n"), secret, secret)
        exchange(collector.port, get()[:20], get()[20:] + b"the same read", secret)
        tracer.terminate()
        tracer.wait()
    text = trace.read_text()
    assert secret.decode() not in text
    calls = re.findall(r"recvfrom(?:\(\d+, | resumed>)(.*)", text)
    reads = [line for line in calls if not line.endswith("<unfinished ...>")]  # another thread came between
    discarding = [line for line in reads if "MSG_TRUNC" in line]
    assert any("= 40" in line or "= 80" in line for line in discarding)
    assert all(
        "evil-one.com" in line or "= -1" in line or "GET / " in line
        for line in reads
        if line not in discarding
    )
