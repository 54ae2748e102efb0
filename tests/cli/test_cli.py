"""The command as its user meets it: help, answers, errors, exit codes."""

import json
import subprocess
from pathlib import Path

import pytest
from collectors import PENTRAP, SCHEDULE_HEADER, Collector, exchange, get, write_operation


def pentrap(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run([str(PENTRAP), *arguments], capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("verb", ["serve", "check", "status"])
def test_every_verb_has_help_and_wants_its_settings(verb: str) -> None:
    """--help explains and ends with 0; without --config it is bad usage, 2."""
    assert pentrap(verb, "--help").returncode == 0
    without = pentrap(verb)
    assert without.returncode == 2
    assert "--config" in without.stderr


def test_check_explains_a_mistake_as_a_careful_clerk_would(tmp_path: Path) -> None:
    """File, place, found, expected, remedy on stderr; the same as JSON on stdout; exit 2; nothing written."""
    made = Collector(tmp_path)
    made.write_config()
    write_operation(
        tmp_path / "operations",
        schedule=SCHEDULE_HEADER + "localhost,f,redirect,r,,\n",
    )
    told = pentrap("check", "--config", str(made.config))
    assert told.returncode == 2
    assert told.stdout == ""
    for word in (
        "op.csv",
        "line 2",
        "localhost",
        "found:",
        "expected:",
        "remedy:",
        "1 problem; nothing was changed.",
    ):
        assert word in told.stderr
    as_json = pentrap("check", "--json", "--config", str(made.config))
    assert as_json.returncode == 2
    (problem,) = json.loads(as_json.stdout)
    assert set(problem) == {"file", "place", "found", "expected", "remedy"}
    assert not made.data.exists()


def test_a_reader_that_goes_ends_a_command_quietly(tmp_path: Path) -> None:
    """`| head`: no traceback, and the exit code of a program that SIGPIPE ended: what it would have been is not known."""
    made = Collector(tmp_path)
    made.write_config()
    write_operation(tmp_path / "operations")
    line = f"{PENTRAP} check --config {made.config} | true; echo ${{PIPESTATUS[0]}}"
    told = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=False)
    assert (told.stdout, told.stderr) == ("141\n", "")


@pytest.mark.parametrize("command", [("order", "return", "--to", "r.tar"), ("hold",), ("purge",)])
def test_a_word_that_is_no_text_is_told_as_bad_usage(command: tuple[str, ...], tmp_path: Path) -> None:
    """Any bytes can be typed; only a path may have them."""
    line = [str(PENTRAP), *command, "--config", str(tmp_path / "c.toml"), "--order", b"\xff"]
    done = subprocess.run(line, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert b"the word '\\udcff'" in done.stderr
    assert b"Traceback" not in done.stderr


def test_check_says_what_would_be_in_force(tmp_path: Path) -> None:
    """Good files: exit 0, the orders and domains named."""
    made = Collector(tmp_path)
    made.write_config()
    write_operation(tmp_path / "operations")
    told = pentrap("check", "--config", str(made.config))
    assert (told.returncode, told.stderr) == (0, "")
    assert "op-1" in told.stdout


def test_status_of_a_running_collector(collector: Collector) -> None:
    """Answering, recording, every fate, the equation; exit 0. Stopped: exit 1 and what to do."""
    exchange(collector.port, get())
    collector.settled_fates(1)
    told = pentrap("status", "--config", str(collector.config))
    assert told.returncode == 0
    assert "holds" in told.stdout
    as_json = json.loads(pentrap("status", "--json", "--config", str(collector.config)).stdout)
    assert (
        as_json["accepted"],
        as_json["fates"]["recorded"],
        as_json["difference"],
        as_json["recording"],
    ) == (1, 1, 0, True)
    collector.stop()
    gone = pentrap("status", "--config", str(collector.config))
    assert gone.returncode == 1
    assert "pentrap serve" in gone.stderr


def test_serve_refuses_files_that_it_cannot_understand(tmp_path: Path) -> None:
    """A bad operation at the start: every problem told, exit 2."""
    made = Collector(tmp_path)
    made.write_config()
    write_operation(tmp_path / "operations", orders='[[order]]\nid = "x"\n')
    told = pentrap("serve", "--config", str(made.config))
    assert told.returncode == 2
    assert "remedy:" in told.stderr


def test_serve_names_the_port_that_it_cannot_have(tmp_path: Path) -> None:
    """A port in use by a stranger: which, where it is configured, what to do; exit 2."""
    import socket

    made = Collector(tmp_path)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        made.port = stranger.getsockname()[1]
        made.write_config()
        told = pentrap("serve", "--config", str(made.config))
    assert told.returncode == 2
    assert f"tcp://127.0.0.1:{made.port}" in told.stderr
    assert "Address already in use" in told.stderr
    assert "remedy:   stop what has the port" in told.stderr


def test_serve_names_the_address_that_this_machine_has_not(tmp_path: Path) -> None:
    """As [::1] without IPv6: the remedy is to take the line out, not to look for who has the port; exit 2."""
    made = Collector(tmp_path, settings={"intake.listen": ["tcp://192.0.2.1:8080"]})
    made.write_config()
    told = pentrap("serve", "--config", str(made.config))
    assert told.returncode == 2
    assert "tcp://192.0.2.1:8080" in told.stderr
    assert "remedy:   take the line out" in told.stderr
