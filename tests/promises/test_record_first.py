"""Record first, reply after: seen from outside, in the system calls of a real worker."""

import re
import shutil
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from collectors import get, running

from collector.ground.record import FIELDS, RECORD
from collector.journal.format import BLOCK_MAGIC, BLOCK_SIZE

PORT = [field.name for field in FIELDS].index("src_port")
CALLS = "accept4,write,fdatasync,fsync,sendto,shutdown,openat,close"


def traced_lines(text: str):
    """(when it began, when it had ended, call, arguments and result) of each system call; unfinished ones put together."""
    pending: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines()):
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            pending[thread] = (number, rest.removesuffix("<unfinished ...>"))
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", rest)
        began = number
        if resumed:
            began, beginning = pending.pop(thread, (number, ""))
            rest = beginning + resumed[1]
        call = re.match(r"(\w+)\((.*)", rest)
        if call:
            yield began, number, call[1], call[2]


def ports_of(argument: str) -> list[int]:
    """The source ports of the records in a write of a block, from strace's hexadecimal."""
    raw = bytes.fromhex(
        "".join(re.findall(r"\\x([0-9a-f]{2})", argument.partition('"')[2].partition('"')[0]))
    )
    if not raw.startswith(BLOCK_MAGIC):
        return []
    return [RECORD.unpack_from(raw, at)[PORT] for at in range(BLOCK_SIZE, len(raw), RECORD.size)]


def one_check_in(port: int) -> int:
    """A plain check-in; its source port, once it was answered."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        number = sock.getsockname()[1]
        sock.sendall(get())
        answer = b""
        while more := sock.recv(4096):
            answer += more
        assert answer.startswith(b"HTTP/1.1 200 OK")
        return number


def one_split_check_in(port: int) -> int:
    """The same on the slow path."""
    with socket.create_connection(("127.0.0.1", port), 10) as sock:
        number = sock.getsockname()[1]
        sock.sendall(get()[:11])
        time.sleep(0.05)
        sock.sendall(get()[11:])
        while sock.recv(4096):
            continue
        return number


@pytest.mark.parametrize("durability", ["write", "sync"])
def test_the_record_is_durable_before_the_answer_leaves(tmp_path, durability):
    """For each of 60 check-ins: the write of its block (with `sync` the fdatasync too) is over before its answer begins."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; .ci/run installs it")
    with running(tmp_path, settings={"intake.durability": durability}) as collector:
        trace = tmp_path / "trace"
        command = ["strace", "-f", "-qq", "-xx", "-s", "65536", "-o", str(trace), "-e", f"trace={CALLS}"]
        tracer = subprocess.Popen([*command, "-p", str(collector.pids()["child-0"])])
        time.sleep(0.5)
        with ThreadPoolExecutor(8) as crowd:
            sources = list(crowd.map(one_check_in, [collector.port] * 50))
            sources += crowd.map(one_split_check_in, [collector.port] * 10)
        tracer.terminate()
        tracer.wait()
        fates = collector.settled_fates(60)
    assert fates["recorded"] == 60
    recorded: dict[int, int] = {}  # source port: line at which its record was durable
    unsynced: dict[str, list[int]] = {}  # journal descriptor: source ports written and not yet synced
    answered: dict[int, int] = {}
    owner: dict[str, int] = {}  # connection's descriptor: source port
    for began, ended, call, rest in traced_lines(trace.read_text()):
        descriptor = re.match(r"\d+", rest)
        if call == "accept4":
            peer = re.search(r"sin6?_port=htons\((\d+)\).* = (\d+)$", rest)
            if peer:
                owner[peer[2]] = int(peer[1])
        elif call == "write" and descriptor:
            ports = ports_of(rest)
            if durability == "write":
                recorded |= dict.fromkeys(ports, ended)
            elif ports:
                unsynced.setdefault(descriptor[0], []).extend(ports)
        elif call == "fdatasync" and descriptor and rest.endswith("= 0"):
            recorded |= dict.fromkeys(unsynced.pop(descriptor[0], []), ended)
        elif call == "sendto" and descriptor and descriptor[0] in owner:
            answered.setdefault(owner[descriptor[0]], began)
    assert set(sources) <= set(answered)
    assert set(sources) <= set(recorded)
    late = [port for port in sources if recorded[port] >= answered[port]]
    assert late == []
