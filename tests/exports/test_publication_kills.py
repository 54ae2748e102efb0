"""kill -9 at every durable call of publishing and of deleting copies: whole or not at all, no gap, nothing twice."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from publication_world import DAY, NOW_US, ORDER, PARTNER, Exports, contents, written

from collector.audit.check import check_log
from collector.audit.key import checkpoint_key
from collector.exports.expiry import expire
from collector.exports.manifest import OWN_NAMES
from collector.exports.proof import verify_tree
from collector.exports.publication import publications, publish, stage

CALLS = "fsync,fdatasync,rename,mkdir,rmdir,unlink,unlinkat,fchmod,ftruncate,write,openat,flock"
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs Debian's strace")
LATER_US = NOW_US + 95 * 86_400_000_000


def act_publish(world: Exports) -> None:
    """A second publication of two files that are always the same."""
    with stage(world.data, PARTNER) as staged:
        files = []
        for part in (1, 2):
            path = staged / f"{DAY}-event4_sinkhole-{ORDER}-s1-p00{part}.csv"
            path.write_bytes(b'"timestamp"\n' + b'"2026-11-21 00:00:00"\n' * 1000 * part)
            files.append(written(path, 1000 * part, "shadowserver-csv"))
        said = contents(files, supplement=1, kind="supplement")
        publish(world.log, world.data, world.key, staged, said, "avalanche", NOW_US)


def act_expire(world: Exports) -> None:
    """The first publication's copies, and nothing else."""
    expire(world.log, world.data, [], LATER_US)


def state(world: Exports) -> dict:
    """What stands: each publication's copies by hash, and what the log says."""
    return {
        "copies": {
            one.sequence: {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in one.folder.iterdir()
                if path.name not in OWN_NAMES
            }
            for one in publications(world.data, PARTNER)
        },
        "named": [[file.name for file in one.manifest.files] for one in publications(world.data, PARTNER)],
        "listing": world.numbers(),
        "exported": [entry.facts["sequence"] for entry in world.entries("exported")],
        "deleted": [len(entry.facts["files"]) for entry in world.entries("deleted")],
    }


def problems(world: Exports) -> list:
    """What is wrong with the files as a death left them, opened by nobody since."""
    ledger = world.ledger()
    start = f"exports/{PARTNER}/"
    entered = {number: entry.facts["manifest_sha256"] for (_, number), entry in ledger.exported.items()}
    gone = {name.removeprefix(start): "log" for name in ledger.deleted}
    found = verify_tree(world.tree, [world.public], entered=entered, gone=gone).findings
    for one in publications(world.data, PARTNER):
        there = {path.name for path in one.folder.iterdir()}
        if not set(OWN_NAMES) <= there:
            found.append(f"{one.folder} is not whole")
    return found


def strike(world: Exports, act: str, inject: str = "") -> tuple[subprocess.CompletedProcess, Path]:
    trace = world.folder / "trace"
    words = ["strace", "-y", "-s", "0", "-e", f"trace={CALLS}", "-o", str(trace)]
    words += ["-e", f"inject={inject}"] if inject else []
    words += [sys.executable, __file__, act, str(world.folder)]
    path = f"{Path(__file__).parents[2]}:{Path(__file__).parent}"
    environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment, timeout=60
    ), trace


def points(trace: Path, folder: Path) -> list[tuple[str, int, str]]:
    """(call, how-manieth of its name, on what) for each call that may leave something behind in the folder."""
    counted: dict[str, int] = {}
    found = []
    for line in trace.read_text().splitlines():
        match = re.match(r"(\w+)\((.*)", line)
        if match:
            call, rest = match.groups()
            counted[call] = counted.get(call, 0) + 1
            if f"{folder}/" in rest and not (call == "openat" and "O_CREAT" not in rest):
                found.append((call, counted[call], rest[:150]))
    return found


@needs_strace
@pytest.mark.timeout(500)
@pytest.mark.parametrize("act", ["publish", "expire"])
def test_l32_killed_at_every_durable_call_it_is_whole_or_not_there(tmp_path, act):
    """After each death the tree verifies against the log, and the act done again leaves what an undisturbed one leaves."""
    first = Exports(tmp_path / "first")
    first.publish(-1)
    if act == "expire":
        first.publish(now_us=NOW_US + 50 * 86_400_000_000)
    first.log.sign()
    first.log.close()

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(first.folder, tmp_path / name))

    undisturbed = Exports(fresh("undisturbed"))
    done, trace = strike(undisturbed, act)
    assert done.returncode == 0, done.stderr
    expected = state(undisturbed)
    listed = points(trace, undisturbed.folder)
    assert len(listed) > (40 if act == "publish" else 15)
    killed = 0
    for number, (call, when, what) in enumerate(listed):
        folder = fresh(str(number))
        world = Exports.__new__(Exports)
        world.folder, world.data, world.public = folder, folder / "data", first.public
        done, _ = strike(world, act, f"{call}:signal=KILL:when={when}")
        killed += done.returncode != 0
        assert not problems(world), (call, when, what)
        again = Exports(folder)
        globals()[f"act_{act}"](again)
        now = state(again)
        assert now == expected, (call, when, what)
        again.log.sign()
        key = checkpoint_key(again.key_file, "sinkhole-1")
        assert not check_log(again.data / "audit", key.verifier).findings
        again.log.close()
        shutil.rmtree(folder)
    assert killed >= len(listed) - 2
    print(f"{act}: {killed} of {len(listed)} calls struck")


if __name__ == "__main__":
    globals()[f"act_{sys.argv[1]}"](Exports(Path(sys.argv[2])))
