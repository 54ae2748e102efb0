"""L-14: whatever goes wrong, no output holds input: only the exception's type and place."""

import contextlib
import json
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from test_l12_canaries import PLAIN, talking

ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "canary7f3a91c0"
RAISED = {
    "int": "int(SECRET)",
    "KeyError": "{}[SECRET]",
    "UnicodeDecodeError": "(SECRET.encode() + bytes([255])).decode()",
    "json": "__import__('json').loads(SECRET)",
    "ValueError": "raise ValueError(SECRET)",
    "chained": "chained()",
    "group": "raise ExceptionGroup(SECRET, [ValueError(SECRET)])",
    "note": "noted()",
    "BaseException": "raise Odd(SECRET)",
    "OSError": "open('/nowhere/' + SECRET)",
}
PROGRAM = """
    import asyncio, gc, logging, sys, threading, warnings
    import uvloop
    from collector.ground import logs

    SECRET = "canary7f3a91c0"

    class Odd(BaseException):
        pass

    def chained():
        try:
            int(SECRET)
        except ValueError as error:
            raise RuntimeError(SECRET) from error

    def noted():
        error = ValueError(SECRET)
        error.add_note(SECRET)
        raise error

    def fails(*_):
        {raised}

    logs.configure("debug")
    warnings.simplefilter("always")
    {body}
"""
PLACES = {
    "the main thread": "fails()",
    "a thread": "t = threading.Thread(target=fails, name=SECRET); t.start(); t.join()",
    "a destructor": "type(SECRET, (), {'__del__': fails})(); gc.collect()",
    "a callback of asyncio": "run(asyncio.new_event_loop(), lambda loop: loop.call_soon(fails))",
    "a callback of uvloop": "run(uvloop.new_event_loop(), lambda loop: loop.call_soon(fails))",
    "a timer of uvloop": "run(uvloop.new_event_loop(), lambda loop: loop.call_later(0.01, fails))",
    "a task that nobody awaits": "run(uvloop.new_event_loop(), lambda loop: loop.create_task(task()))",
}
HELPERS = """
    import time
    def run(loop, begin):
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(logs.report_from_loop)
        begin(loop)
        loop.call_later(0.05, loop.stop)
        loop.run_forever()
        gc.collect()
        loop.run_until_complete(asyncio.sleep(0.01))
    async def task():
        fails()
"""


def outcome(raised: str, body: str) -> str:
    """Everything that a program says in which `raised` happens in `body`."""
    program = textwrap.dedent(PROGRAM).replace("{raised}", raised)
    program = program.replace("{body}", textwrap.dedent(HELPERS) + body)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False, timeout=30
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("place", PLACES)
def test_l14_an_exception_shows_its_type_and_place_only(place):
    """In each place of a process that can fail: it is reported, and neither its text nor its chain is."""
    for raised in (
        ("fails_int()", *RAISED.values())
        if place == "the main thread"
        else (RAISED["int"], RAISED["chained"])
    ):
        said = outcome("int(SECRET)" if raised == "fails_int()" else raised, PLACES[place])
        assert SECRET not in said, (raised, said)
        reports = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert [report["event"] for report in reports] == ["unexpected_exception"], said
        assert " at " in reports[0]["place"]


def test_l14_libraries_own_voices_are_silent():
    """Logging of libraries, asyncio's debug reports and warnings may quote a client: none of them speaks."""
    body = """logging.getLogger("asyncio").error(SECRET)
logging.getLogger("aiohttp.access").critical(SECRET)
logging.warning(SECRET)
warnings.warn(SECRET, RuntimeWarning)
warnings.warn(SECRET, ResourceWarning)
"""
    assert SECRET not in outcome("pass", body)


def test_l14_place_is_all_that_is_logged_of_an_exception():
    """`logs.place` of any exception, raised or not, holds no part of its text."""
    from collector.ground import logs

    for error in (
        ValueError(SECRET),
        KeyError(SECRET),
        OSError(5, SECRET, SECRET),
        UnicodeDecodeError("utf-8", b"x", 0, 1, SECRET),
    ):
        assert SECRET not in logs.place(error)
        with pytest.raises(type(error)) as caught:
            raise error
        assert re.fullmatch(
            rf"{type(error).__name__} at test_l14_exception_texts.py:\d+", logs.place(caught.value)
        )
    assert logs.place(None) == "nowhere"


@pytest.mark.parametrize("point", ["classify_raises", "settle_raises", "commit_raises"])
def test_l14_a_collector_that_breaks_says_nothing_of_what_broke_it(tmp_path, point):
    """A bug in the parser, the desk or the journal that raises with content in its text: the log has type and place."""
    from canaries import Canaries
    from conversations import Talk

    broken = Path(__file__).with_name("broken")
    environment = {"PYTHONPATH": str(broken), "PLANTED_BUG": point, "PYTHONDONTWRITEBYTECODE": "1"}
    canaries = Canaries(14)
    with talking(tmp_path, environment=environment, settings=PLAIN) as collector:
        collector.start()
        talk = Talk(collector, canaries)
        for _ in range(3):
            talk.tcp(talk.request("x", talk.word("label") + b".evil-one.com") + b"PLANTED", wait=0.5)
        collector.kill()
    log = collector.log_file.read_text()
    assert "unexpected_exception" in log
    assert "sitecustomize.py" in log
    assert canaries.search(tmp_path) == []


BREAKABLE = (
    "collector.wire.classify:classify",
    "collector.wire.classify:Conversation.feed",
    "collector.intake.sockets:pack_address",
    "collector.intake.desk:Desk.settle",
    "collector.intake.desk:Desk.look_at_clock",
    "collector.intake.desk:Desk.adopt",
    "collector.intake.unfinished:Unfinished.wait",
    "collector.intake.commit:Committer.flush",
    "collector.intake.commit:Committer.release",
    "collector.intake.commit:Committer.tick",
    "collector.intake.farewell:Farewell.add",
    "collector.intake.farewell:Farewell._look",
    "collector.intake.datagrams:Datagrams.take",
    "collector.intake.worker:Worker._tick",
    "collector.intake.worker:Worker.reload",
    "collector.intake.worker:Worker.stop",
    "collector.journal.writer:Journal.commit",
    "collector.journal.writer:Journal.roll",
    "collector.journal.stream:Stream.append",
    "collector.journal.stream:Stream.seal",
    "collector.orders.rules:Rules.load",
    "collector.ground.clock:ClockWatch.unsure",
    "collector.ground.counters:Page.publish",
    "collector.segments.table:rows_to_table",
    "collector.service.clerk:Clerk.work",
    "collector.service.clerk:Clerk.snapshot",
    "collector.service.clerk:Clerk.readiness",
    "collector.service.clerk:Clerk.reload",
    "collector.service.sealer:Sealer.work",
)
"""One function at least of each room that a check-in, or what comes of it, passes through."""


@pytest.mark.parametrize("place", BREAKABLE)
def test_l14_any_function_may_raise_with_content_in_hand(tmp_path, place):
    """Each room's functions raise an exception made of a check-in's bytes, cause and note: no log, file or answer has them."""
    from canaries import Canaries
    from conversations import Talk, ask_the_operators_side

    module, _, name = place.partition(":")
    found = __import__(module, fromlist=["x"])
    for step in name.split("."):
        if not hasattr(found, step):
            pytest.skip(f"{place} is no more")
        found = getattr(found, step)
    broken = Path(__file__).with_name("broken")
    environment = {
        "PYTHONPATH": str(broken),
        "PLANTED_BUG": place,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONFAULTHANDLER": "1",
    }
    canaries = Canaries(140)
    settings = PLAIN | {"intake.head_deadline_seconds": 0.1, "segments.seal_seconds": 0.1}
    with talking(tmp_path, environment=environment, settings=settings) as collector:
        collector.start()
        talk = Talk(collector, canaries)
        talk.tcp(talk.request("first", talk.word("label") + b".evil-one.com") + b"PLANTED", wait=0.3)
        for request in (
            talk.request("then", talk.word("other label") + b".evil-one.com"),
            b"\0" + talk.word("opaque"),
            b"GET /" + talk.word("unfinished"),
        ):
            with contextlib.suppress(OSError):
                talk.tcp(request, wait=0.3)
        talk.udp(talk.word("datagram"))
        with (tmp_path / "operations" / "op.csv").open("a") as schedule:
            schedule.write("evil-three.org,andromeda,redirect,reg-a,,\n")
        collector.reload()
        time.sleep(1.2)  # a tick of the worker, a round of the clerk
        with contextlib.suppress(OSError):
            assert canaries.hits(ask_the_operators_side(collector, canaries), "the operator's side") == []
        collector.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            collector.process.wait(2)
        collector.kill()
    assert canaries.hits(talk.answers, "answers") == []
    assert canaries.search(tmp_path) == []
    log = collector.log_file.read_text()
    assert "Traceback" not in log
    told = re.findall(r'"place": "(\w+) at ([\w.]+):\d+"', log)
    assert ("KeyError", "sitecustomize.py") in told, log[-2000:]
