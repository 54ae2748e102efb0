"""L-21: an audit entry is on disk before the act that it records takes effect, wherever the process dies.

The act here is the smallest there is: append an entry, then make a file that stands for the effect. What is true of `append`
is true of every act that appends first; that each command does is held by its own tests.
"""

import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "audit"))
from audit_world import fill, key_of, python

from collector.audit.check import check_log
from collector.audit.log import AuditLog, read_entries

KEY = key_of()
CALLS = (
    "openat,write,pwrite64,pread64,read,close,fstat,newfstatat,lseek,fsync,fdatasync,ftruncate,rename,unlink,fchmod,flock,mkdir,"
    "fcntl,getdents64,rmdir"
)
"""What the kernel does for an append; the counts come from a first run, so none of these is left out."""
CHANGING = {"write", "fsync", "fdatasync", "rename", "unlink", "mkdir", "rmdir", "fchmod", "ftruncate"}
ACT = """
import os, sys
from pathlib import Path
sys.path.insert(0, "tests/audit")
from audit_world import NOON_US, key_of
from collector.audit.log import AuditLog
folder = Path(sys.argv[1])
log = AuditLog(folder / "audit", key_of() if sys.argv[2] == "key" else None)
os.getppid()  # the act begins: strace counts from here
log.append("configuration_refused", NOON_US, problems=999)
os.close(os.open(folder / "effect", os.O_CREAT | os.O_WRONLY))
os.getpgrp()  # the act is done
"""


def act(folder: Path, key: str, inject: str = "", trace: Path | None = None):
    """Append and take effect, under strace."""
    filters = ["-e", f"trace={CALLS},getppid,getpgrp"]
    where = str(trace or "/dev/null")
    before = ("strace", "-f", "-y", "-o", where, *filters, *(("-e", f"inject={inject}") if inject else ()))
    process = python(ACT, folder, key, before=before)
    process.communicate(timeout=120)
    return process.returncode


def traced(folder: Path, key: str) -> tuple[list[str], list[str]]:
    """The calls of a run without a death: all of them, and those of the act alone, in order of their return."""
    trace = folder / "trace"
    assert act(folder, key, trace=trace) == 0
    lines = [line for line in trace.read_text().splitlines() if re.match(r"\d+ +\w+\(", line)]
    calls = [re.sub(r"^\d+ +", "", line) for line in lines]
    first = next(at for at, call in enumerate(calls) if call.startswith("getppid("))
    last = next(at for at, call in enumerate(calls) if call.startswith("getpgrp("))
    return calls, calls[first + 1 : last]


@pytest.mark.parametrize("key", ["none", "key"])
def test_l21_the_entry_is_synced_before_the_effect_begins(tmp_path, key):
    """By strace: the line's write, then its fdatasync with result 0, then all else (tiles, checkpoint), then the effect."""
    fill(AuditLog(tmp_path / "audit", KEY), 3)
    _, calls = traced(tmp_path, key)
    written = next(at for at, call in enumerate(calls) if call.startswith("write(") and "log.jsonl" in call)
    synced = next(
        at for at, call in enumerate(calls) if call.startswith("fdatasync(") and "log.jsonl" in call
    )
    effect = next(at for at, call in enumerate(calls) if '/effect"' in call)
    assert written < synced < effect
    assert calls[synced].endswith("= 0")
    signs = [at for at, call in enumerate(calls) if call.startswith("rename") and "checkpoint" in call]
    assert len(signs) == (key == "key")
    assert all(synced < at < effect for at in signs)


@pytest.mark.parametrize(("key", "entries"), [("none", 3), ("key", 3), ("key", 255)])
def test_l21_killed_at_every_call_of_an_append(tmp_path, key, entries):
    """`kill -9` at each system call of the act in turn: afterwards the log opens, the entry is whole or absent, and never
    is the effect there without it; the next entry has the next number, and the whole log verifies.

    At 255 entries the append completes a tile and begins another level; there only calls that change something are struck.
    """
    begin = tmp_path / "begin"
    fill(AuditLog(begin / "audit", KEY), entries)
    shutil.copytree(begin, tmp_path / "plain")
    calls, mine = traced(tmp_path / "plain", key)
    start = len(calls) - 1 - calls[::-1].index(next(c for c in calls if c.startswith("getppid(")))
    before: dict[str, int] = {}
    for call in calls[:start]:
        name = call.partition("(")[0]
        before[name] = before.get(name, 0) + 1
    outcomes = {"absent": 0, "entered": 0, "done": 0}
    for number, call in enumerate(mine):
        name = call.partition("(")[0]
        before[name] = before.get(name, 0) + 1
        if entries == 255 and not (name in CHANGING or "O_CREAT" in call):
            continue
        folder = tmp_path / f"kill{number}"
        shutil.copytree(begin, folder)
        code = act(folder, key, f"{name}:signal=KILL:when={before[name]}")
        assert code != 0, f"nothing died at {call}"
        effect = (folder / "effect").exists()
        log = AuditLog(folder / "audit", KEY)
        found = read_entries(folder / "audit")
        entered = any(entry.facts["problems"] == 999 for entry in found)
        assert entered or not effect, f"an effect without its entry, killed at {call}"
        assert len(found) == entries + entered == log.size
        fill(log, 1, 1000)
        log.sign()
        check = check_log(folder / "audit", KEY.verifier)
        assert not check.findings, f"killed at {call}: {check.findings}"
        assert check.signed == len(check.entries) == entries + entered + 1
        assert [entry.number for entry in check.entries] == list(range(1, check.signed + 1))
        outcomes["done" if effect else "entered" if entered else "absent"] += 1
        shutil.rmtree(folder)
    assert outcomes["absent"], "deaths before the entry were met"
    assert outcomes["entered"], "deaths between entry and effect were met"
    print(f"{sum(outcomes.values())} of {len(mine)} calls: {outcomes}")
