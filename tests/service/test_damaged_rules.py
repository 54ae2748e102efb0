"""Compiled rules that were damaged on disk: no worker can start on them, everybody says so, and a reload makes them anew."""

import contextlib
import json
import time
import urllib.error
from pathlib import Path

import pytest
from collectors import Collector, exchange, get, running


def ready(made: Collector) -> dict:
    """/readyz, whichever status it has."""
    try:
        return made.ready()
    except urllib.error.HTTPError as error:
        return json.loads(error.read())


def until(condition, made: Collector) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end, made.log_file.read_text()[-2000:]
        time.sleep(0.05)


@pytest.mark.parametrize("kind", ["json", "index"])
def test_a_worker_that_cannot_start_is_seen_and_a_reload_helps(tmp_path: Path, kind: str) -> None:
    """The only worker dies and finds its rules cut: /readyz says that no worker answers and nothing is recorded, and so do the
    metrics; SIGHUP compiles them again, machines are answered and recorded as before.
    """
    with running(tmp_path) as made:
        exchange(made.port, get())
        for path in (made.data / "rules").glob(f"*.{kind}"):
            # Another file of that name: cut short in place, it would be taken from under processes that have it mapped.
            short = path.with_name(path.name + ".short")
            short.write_bytes(path.read_bytes()[:-10])
            short.replace(path)
        made.kill_child("intake-0")
        until(lambda: not ready(made)["ready"], made)
        state = ready(made)
        assert (state["recording"], state["not_recording_because"]) == (False, ["no worker answers"])
        until(lambda: made.metrics()["pentrap_process_restarts_total{process=intake-0}"] >= 2, made)
        samples = made.metrics()
        assert samples["pentrap_recording"] == samples["pentrap_process_up{process=intake-0}"] == 0
        made.reload()
        until(lambda: ready(made)["ready"] and ready(made)["recording"], made)
        answer = b""
        with contextlib.suppress(OSError):
            answer = exchange(made.port, get())
        assert b"malware" in answer
        assert made.settled_fates(2)["recorded"] == 2
        assert made.stop() == 0
