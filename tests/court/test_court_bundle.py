"""The return as an act: the same bytes from the same input, nothing of other courts, refused while anything is open."""

import errno
import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pyrage
import pytest
from return_world import STORY, World, make_world, operation_file, order_block, us, verify

from collector.audit import texts
from collector.audit.ledger import Ledger
from collector.court import verifier
from collector.court.collected import digest
from collector.court.log import natural_size
from collector.court.tar import BundleTar, HashingSink

KILLER = """
import os, signal, sys
calls, wanted = 0, int(sys.argv[1])
def struck(function):
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call
for name in ("fsync", "fdatasync", "rename", "replace", "unlink", "write"):
    setattr(os, name, struck(getattr(os, name)))
from collector.cli import main
code = main(sys.argv[2:])
print("calls", calls)
sys.exit(code)
"""
"""Dies just before its N-th call that makes something durable or visible."""


def contents(path: Path) -> dict[str, bytes]:
    """A bundle's files by name."""
    with tarfile.open(path) as tar:
        return {member.name.partition("/")[2]: tar.extractfile(member).read() for member in tar}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> World:
    """A world that no test changes but by making returns."""
    return make_world(tmp_path_factory.mktemp("made") / "w", rows=12)


@pytest.fixture
def world(made, tmp_path) -> World:
    """A copy of it."""
    shutil.copytree(made.folder, tmp_path / "w")
    return World(tmp_path / "w")


def test_the_same_input_gives_the_same_bytes(world, tmp_path):
    """Another locale, time zone, umask, hash seed, folder, order id of the chain, hour and earlier returns: the same bundle."""
    first = world.make(tmp_path / "a.tar")
    elsewhere = World(tmp_path / "elsewhere" / "deep")
    shutil.copytree(world.folder, elsewhere.folder)
    old = os.umask(0o077)
    try:
        second = elsewhere.make(
            tmp_path / "b.tar", order="avalanche-2", LC_ALL="de_DE.UTF-8", TZ="Pacific/Chatham", PYTHONHASHSEED="77", LANG="C",
            PYTHONUTF8="0", COLUMNS="40",
        )  # fmt: skip
    finally:
        os.umask(old)
    third = world.make(tmp_path / "c.tar", PYTHONHASHSEED="0")
    assert first == second == third
    assert (
        (tmp_path / "a.tar").read_bytes()
        == (tmp_path / "b.tar").read_bytes()
        == (tmp_path / "c.tar").read_bytes()
    )
    with tarfile.open(tmp_path / "a.tar") as tar:
        for member in tar:
            assert (member.uid, member.gid, member.uname, member.gname, member.mode) == (0, 0, "", "", 0o644)
            assert member.name.startswith("return-avalanche-1/")
            assert member.mtime == natural_mtime(world)


def natural_mtime(world: World) -> int:
    """The time of the last entry that the return covers, in seconds."""
    entries = world.entries()
    return entries[natural_size(entries) - 1].time_us // 1_000_000


def test_an_earlier_bundle_can_be_made_again(world, tmp_path):
    """Later entries change the return; --entries N gives the earlier one back, byte for byte."""
    first = world.make(tmp_path / "a.tar")
    size = natural_size(world.entries())
    log = world.log()
    log.append(
        "hold_set",
        us("2026-11-20T00:00:00Z"),
        operation="avalanche",
        order="avalanche-1",
        actor="p-1",
        reason="x",
    )
    log.close()
    assert world.make(tmp_path / "b.tar") != first
    assert world.make(tmp_path / "c.tar", "--entries", str(size)) == first
    assert (tmp_path / "c.tar").read_bytes() == (tmp_path / "a.tar").read_bytes()
    assert "cannot cover 99" in refused(world, "--entries", "99")


def test_no_return_ends_the_log_earlier_than_one_that_was_made(world, tmp_path):
    """--entries makes only what was made before, of the same orders and kind; what leaves entries out is not delivered."""
    assert "covers 9 entries was ever made here (made were: none)" in refused(world, "--entries", "9")
    assert "made were: none" in refused(world, "--entries", "9", "--interim")
    world.make(tmp_path / "i.tar", "--interim")
    size = Ledger.of(world.entries()).returned[digest(tmp_path / "i.tar")].facts["entries"]
    assert "made were: none" in refused(world, "--entries", str(size))
    world.make(tmp_path / "again.tar", "--interim", "--entries", str(size))
    assert (tmp_path / "again.tar").read_bytes() == (tmp_path / "i.tar").read_bytes()
    log = world.log()
    log.append(
        "returned", us("2026-11-01T00:00:00Z"), operation="avalanche", orders=["avalanche-1", "avalanche-2"],
        actor="p-1", bundle_sha256="a" * 64, entries=9, encrypted=False, files=1, rows=1, interim=False, with_rows=True,
    )  # fmt: skip
    log.close()
    done = world.pentrap(
        "order", "delivered", "--order", "avalanche-1", "--reason", "x", "--sha256", "a" * 64
    )
    assert (done.returncode, "covers 9 entries of the log and leaves out" in done.stderr) == (1, True), (
        done.stderr
    )
    final = world.make(tmp_path / "a.tar")
    words = ("order", "delivered", "--order", "avalanche-1", "--reason", "x", "--sha256", final)
    assert world.pentrap(*words).returncode == 0


def test_nothing_of_another_court_is_in_the_bundle(world, tmp_path):
    """Names, orders, families, domains, dockets and rows of the second operation are nowhere; its entries are hashes."""
    world.make(tmp_path / "a.tar")
    files = contents(tmp_path / "a.tar")
    for name, content in files.items():
        for word in (b"zero", b"secret", b"afilias"):
            assert word not in name.encode()
            assert word not in content.lower(), (name, word)
    lines = [json.loads(line) for line in files["audit/log.jsonl"].splitlines()]
    shown = [line["event"] for line in lines if "event" in line]
    assert len(lines) - len(shown) == 4  # operation_loaded, order_loaded, and two of its reading
    assert {"installed", "started", "stopped", "operation_loaded", "access_opened"} <= set(shown)
    assert not any(name.startswith("audit/tile/entries") for name in files)
    rows = [
        pq.read_table(path, partitioning=None)
        for path in unpacked(tmp_path / "a.tar", tmp_path).glob("collected/*/*.parquet")
    ]
    assert {order for table in rows for order in table.column("order_id").to_pylist()} == {
        "avalanche-1",
        "avalanche-2",
    }


def unpacked(path: Path, folder: Path) -> Path:
    """Where the bundle's files stand."""
    with tarfile.open(path) as tar:
        tar.extractall(folder)
    return next(folder.glob("return-*"))


def test_rows_are_the_collected_ones_and_the_figures_are_theirs(world, tmp_path):
    """Every row of the chain is in the bundle once; whole segments byte for byte; the counts are counts of these rows."""
    world.make(tmp_path / "a.tar")
    files = contents(tmp_path / "a.tar")
    folder = unpacked(tmp_path / "a.tar", tmp_path)
    collected = json.loads(files["collected.json"])
    ours = [
        table
        for path in sorted(world.data.glob("segments/*/*.parquet"))
        if (
            table := pq.read_table(
                path, partitioning=None, filters=[("order_id", "in", ["avalanche-1", "avalanche-2"])]
            )
        ).num_rows
    ]
    returned = [
        pq.read_table(path, partitioning=None) for path in sorted(folder.glob("collected/*/*.parquet"))
    ]
    assert [table.to_pylist() for table in returned] == [table.to_pylist() for table in ours]
    record = json.loads(files["record.json"])["iv_collected"]
    assert record["rows"] == sum(table.num_rows for table in ours) == 37
    assert [(day["day"], day["rows"]) for day in record["by_day"]] == [
        ("2026-09-01", 12), ("2026-09-02", 13), ("2026-09-03", 0), ("2026-09-04", 12),
    ]  # fmt: skip
    assert record["hosts"] == len({host for table in ours for host in table.column("src_ip").to_pylist()})
    for file in collected["files"]:
        if file["included"] and not file["included"]["extract"]:
            path = file["path"].removeprefix("segments/")
            assert files[f"collected/{path}"] == (world.data / file["path"]).read_bytes()
    assert [file["included"]["extract"] for file in collected["files"] if file["included"]] == [
        False,
        False,
        True,
    ]


def test_the_four_parts_are_there(world, tmp_path):
    """(i) officers, (ii) times, accesses and their length, a run of unknown end, (iii) texts, (iv) counts; and the notice."""
    world.make(tmp_path / "a.tar", "--reason", "for the judge")
    files = contents(tmp_path / "a.tar")
    record = json.loads(files["record.json"])
    assert record["i_officers"]["installed"] == [
        {"actor": world.entries()[0].facts["actor"], "name": "olga.officer"}
    ]
    assert record["i_officers"]["accessed"][0]["name"] == "olga.officer"
    times = record["ii_times"]
    assert times["installed"] == ["2026-08-31T10:00:00Z"]
    assert [run["end"] for run in times["runs"]] == ["cut off", "stopped"]
    assert [access["reason"] for access in times["accesses"]] == ["looking at avalanche-1"]
    assert times["accesses"][0]["duration_us"] is not None
    assert [(span["order"], span["from"], span["until"]) for span in times["recording_possible"]] == [
        ("avalanche-1", "2026-09-01T06:00:00Z", "2026-09-02T12:00:00Z"),
        ("avalanche-1", "2026-09-02T12:00:00Z", "2026-09-03T00:00:00Z"),
        ("avalanche-2", "2026-09-04T00:00:00Z", "2026-09-05T00:00:00Z"),
    ]
    assert record["not_covered"] == [
        {"from": "2026-09-03T00:00:00Z", "until": "2026-09-04T00:00:00Z", "before": "avalanche-2"}
    ]
    loaded = next(
        said for said in record["iii_configuration"]["at_installation"] if said["event"] == "operation_loaded"
    )
    assert files[f"configuration/{loaded['configuration']}"].decode() == operation_file("avalanche")
    assert files[f"configuration/{loaded['schedules'][0]['sha256']}"].startswith(b"domain,family")
    assert record["not_recorded"]["fates"]["suppressed_window"] == 33
    assert record["not_recorded"]["kernel_dropped"] == {"tcp": 6, "udp": 0}
    assert record["notice"] | {"answers": 1} == {
        "answers": 1, "count": 1234, "since": "2026-09-01T06:00:00Z", "until": "2026-09-04T23:00:00Z",
    }  # fmt: skip
    second = json.loads(contents(tmp_path / "b.tar")["record.json"]) if world.make(tmp_path / "b.tar") else {}
    assert second == record  # the reading for the first return is not part of the second


def test_without_rows_the_hashes_stay(world, tmp_path):
    """--without-rows leaves the Parquet out and every hash in; the verifier says that it holds."""
    world.make(tmp_path / "a.tar", "--without-rows")
    files = contents(tmp_path / "a.tar")
    assert not [name for name in files if name.endswith(".parquet")]
    collected = json.loads(files["collected.json"])
    assert collected["rows_of_return"] == 37
    assert all(file["included"] is None and len(file["sha256"]) == 64 for file in collected["files"])
    assert verify(unpacked(tmp_path / "a.tar", tmp_path)).returncode == 0


def test_encrypted_to_the_courts_key(world, tmp_path):
    """FILE.tar.age opens with the key to the very bundle; the plain tar never stood on the disk; the log has both hashes."""
    identity = pyrage.x25519.Identity.generate()
    plain = world.make(tmp_path / "plain" / "a.tar") if (tmp_path / "plain").mkdir() is None else ""
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "court.pub").write_text(f"# the court\n{identity.to_public()}\n")
    sealed = world.make(out / "a.tar", "--encrypt-to", str(tmp_path / "court.pub"))
    assert sealed == plain
    assert [path.name for path in out.iterdir()] == ["a.tar.age"]
    assert (
        pyrage.decrypt((out / "a.tar.age").read_bytes(), [identity])
        == (tmp_path / "plain/a.tar").read_bytes()
    )
    facts = [entry for entry in world.entries() if entry.event == "returned"][-1].facts
    assert facts["encrypted"] is True
    assert facts["recipient"] == str(identity.to_public())
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id")], check=True)
    world.make(out / "b.tar", "--encrypt-to", (tmp_path / "id.pub").read_text())
    key = pyrage.ssh.Identity.from_buffer((tmp_path / "id").read_bytes())
    assert pyrage.decrypt((out / "b.tar.age").read_bytes(), [key]) == (tmp_path / "plain/a.tar").read_bytes()
    for wrong in ("age1nonsense", "ssh-ed25519 AAAA", "ssh-rsa AAAA", ""):
        words = (
            "order",
            "return",
            "--order",
            "avalanche-1",
            "--to",
            str(out / "c.tar"),
            "--encrypt-to",
            wrong or "x",
        )
        done = world.pentrap(*words)
        assert (done.returncode, "expected: an age recipient" in done.stderr) == (2, True), done.stderr
    assert not (out / "c.tar").exists()
    words = (
        "order",
        "delivered",
        "--order",
        "avalanche-1",
        "--reason",
        "x",
        "--bundle",
        str(out / "a.tar.age"),
    )
    assert world.pentrap(*words).returncode == 0
    assert Ledger.of(world.entries()).delivered["avalanche-1"].facts["bundle_sha256"] == plain


def refused(world: World, *more: str, order: str = "avalanche-1", target: str = "/tmp/never.tar") -> str:
    """Why a return is refused."""
    done = world.pentrap("order", "return", "--order", order, "--to", target, *more)
    assert (done.returncode, done.stdout) == (1, ""), (done.stdout, done.stderr)
    assert not Path(target).exists()
    return done.stderr


def test_refused_while_something_is_open(world, tmp_path):
    """An unknown order, an order in force, a day not sealed, a changed operation file: each with what to do; --interim helps
    where it may.
    """
    assert "never loaded an order 'nothing'" in refused(world, order="nothing")
    marker = world.data / "segments/date=2026-09-02/sealed-sinkhole-1.json"
    content = marker.read_bytes()
    marker.unlink()
    assert "2026-09-02 is not sealed" in refused(world)
    world.make(tmp_path / "interim.tar", "--interim")
    assert json.loads(contents(tmp_path / "interim.tar")["record.json"])["interim"] is True
    assert verify(unpacked(tmp_path / "interim.tar", tmp_path)).returncode == 0
    marker.write_bytes(content)
    file = world.folder / "operations/avalanche.toml"
    text = file.read_text()
    file.write_text(text.replace("2026-09-05", "2026-09-06"))
    assert "was changed after the collector last loaded it" in refused(world)
    file.write_text(text)
    world.make(tmp_path / "good.tar")


def test_a_running_collectors_quiet_log_does_not_end_the_record(tmp_path):
    """No entry since the start, days before the end: all days to the orders' end must be sealed, recording was possible to
    then, and the same bytes come again. What is made in between ends with the last entry.
    """
    quiet = make_world(tmp_path / "w", rows=3, quiet=True)
    markers = {
        day: quiet.data / f"segments/date={day}/sealed-sinkhole-1.json"
        for day in ("2026-09-02", "2026-09-04")
    }
    content = markers["2026-09-04"].read_bytes()
    markers["2026-09-04"].unlink()
    assert "2026-09-04 is not sealed" in refused(quiet)
    quiet.make(tmp_path / "i.tar", "--interim")
    markers["2026-09-04"].write_bytes(content)
    first = quiet.make(tmp_path / "a.tar")
    assert quiet.make(tmp_path / "b.tar") == first
    size = Ledger.of(quiet.entries()).returned[first].facts["entries"]
    assert quiet.make(tmp_path / "c.tar", "--entries", str(size)) == first
    last = {}
    for name in ("a", "i"):
        record = json.loads(contents(tmp_path / f"{name}.tar")["record.json"])
        last[name] = record["ii_times"]["recording_possible"][-1]
        assert record["ii_times"]["runs"][-1]["end"] == "running"
    assert last["a"] == {
        "order": "avalanche-2",
        "from": "2026-09-04T00:00:00Z",
        "until": "2026-09-05T00:00:00Z",
    }
    assert last["i"]["until"] == "2026-09-02T12:00:00Z"
    assert verify(unpacked(tmp_path / "a.tar", tmp_path)).returncode == 0


def test_refused_when_the_set_is_not_complete(world):
    """A collected file that is gone, changed or strange, and nobody entered why: no return."""
    segment = min(world.data.glob("segments/date=2026-09-01/*.parquet"))
    content = segment.read_bytes()
    segment.unlink()
    assert "not complete" in refused(world)
    segment.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert "restore it from a copy" in refused(world)
    segment.write_bytes(content)
    (segment.parent / "strange.parquet").write_bytes(b"x")
    assert "not complete" in refused(world)


def test_refused_when_the_log_does_not_verify(world):
    """One changed byte in an entry: no return is made from such a log."""
    path = world.data / "audit/log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"cut off", b"cut oft", 1))
    done = world.pentrap("order", "return", "--order", "avalanche-1", "--to", "/tmp/never.tar")
    assert done.returncode == 1
    assert "evidence" in done.stderr


def test_what_stands_at_the_target_is_not_overwritten(world, tmp_path):
    """Somebody's file stays; an earlier return of ours may be made again in its place."""
    target = tmp_path / "thesis.tar"
    target.write_text("my thesis")
    done = world.pentrap("order", "return", "--order", "avalanche-1", "--to", str(target))
    assert (done.returncode, target.read_text()) == (1, "my thesis")
    first = world.make(tmp_path / "a.tar")
    assert world.make(tmp_path / "a.tar") == first
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o600
    assert (
        world.pentrap("order", "return", "--order", "avalanche-1", "--to", "/nowhere/a.tar").returncode == 1
    )


def test_delivered_only_what_was_returned_for_good(world, tmp_path):
    """A bundle that the log knows, final, of these orders: entered once. Anything else is refused with its reason."""
    words = ("order", "delivered", "--order", "avalanche-2", "--reason", "by hand to the clerk")
    unknown = world.pentrap(*words, "--sha256", "0" * 64)
    assert (unknown.returncode, "was ever made here" in unknown.stderr) == (1, True)
    interim = world.make(tmp_path / "i.tar", "--interim")
    assert "--interim" in world.pentrap(*words, "--sha256", interim).stderr
    other = world.make(tmp_path / "z.tar", "--interim", order="zero-secret")
    assert "not of avalanche-2" in world.pentrap(*words, "--sha256", other).stderr
    empty = world.make(tmp_path / "e.tar", "--without-rows")
    assert "made without rows" in world.pentrap(*words, "--sha256", empty).stderr
    final = world.make(tmp_path / "a.tar")
    assert not Ledger.of(world.entries()).delivered
    done = world.pentrap(*words, "--bundle", str(tmp_path / "a.tar"))
    assert done.returncode == 0, done.stderr
    again = world.pentrap(*words, "--sha256", final)
    assert "Noted before" in again.stdout
    entered = [entry.facts for entry in world.entries() if entry.event == "delivered"]
    assert [facts["orders"] for facts in entered] == [["avalanche-1", "avalanche-2"]]
    assert entered[0]["bundle_sha256"] == final
    assert set(Ledger.of(world.entries()).delivered) == {"avalanche-1", "avalanche-2"}


def load(world: World, text: str) -> None:
    """Enter that the collector put this operation file in force."""
    log = world.log()
    facts = Ledger.of(world.entries()).operations["avalanche"].facts
    digest = texts.keep(world.data / "audit", text.encode())
    log.append("operation_loaded", us("2026-09-05T01:00:00Z"), **(facts | {"configuration": digest}))
    log.close()


def test_an_extension_after_the_return_has_to_be_returned_too(world, tmp_path):
    """A return that does not cover the chain as it stands is not what the court has to have."""
    final = world.make(tmp_path / "a.tar")
    extension = order_block(
        "avalanche-3", "2026-09-06T00:00:00Z", "2026-09-07T00:00:00Z", 'extends = "avalanche-2"'
    )
    load(world, operation_file("avalanche") + extension)
    done = world.pentrap("order", "delivered", "--order", "avalanche-1", "--reason", "x", "--sha256", final)
    assert (done.returncode, "does not cover avalanche-3" in done.stderr) == (1, True), done.stderr


def test_a_row_beyond_the_final_window_is_told(world, tmp_path):
    """A termination entered late: rows after it were collected, stay, and are counted as outside."""
    old = 'extends = "avalanche-1"'
    text = operation_file("avalanche").replace(old, f"{old}\nterminated = 2026-09-04T07:00:05Z")
    (world.folder / "operations/avalanche.toml").write_text(text)
    load(world, text)
    world.make(tmp_path / "a.tar")
    files = contents(tmp_path / "a.tar")
    assert json.loads(files["record.json"])["iv_collected"]["rows_outside_window"] == {"avalanche-2": 7}
    assert b"7 of them lie outside" in files["summary.html"]


@pytest.mark.timeout(600)
def test_killed_at_any_durable_call(made, tmp_path):
    """Killed before a call that makes anything durable, each of the last 20 and every fifth before: never half a bundle,
    never a bundle without its entry; the same command completes the act with the same bytes.
    """
    counted = World(tmp_path / "counted")
    shutil.copytree(made.folder, counted.folder)  # the log of `made` must not know any return
    last = int(struck(counted, tmp_path, 0).stdout.split()[-1])
    reference = digest(tmp_path / "out" / "a.tar")
    assert last > 20
    standing = 0
    for call in (*range(1, last - 19, 5), *range(last - 19, last + 1)):
        world = World(tmp_path / "w")
        shutil.copytree(made.folder, world.folder)
        assert struck(world, tmp_path, call).returncode == -signal.SIGKILL
        target = tmp_path / "out" / "a.tar"
        entries = world.entries()
        if target.exists():
            standing += 1
            assert digest(target) == reference
            assert reference in [
                entry.facts["bundle_sha256"] for entry in entries if entry.event == "returned"
            ]
        assert world.make(target) == reference
        assert verify(target, program=Path(verifier.__file__)).returncode == 0
        assert [path.name for path in target.parent.iterdir()] == ["a.tar"]
        assert not Ledger.of(world.entries()).open_sessions
        shutil.rmtree(world.folder)
    assert standing > 2  # some were struck between the name and the end of the reading


def struck(world: World, folder: Path, call: int) -> subprocess.CompletedProcess[str]:
    """Make the return into an empty folder, and die before this call."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    words = [
        "order",
        "return",
        "--config",
        str(world.config),
        "--order",
        "avalanche-1",
        "--to",
        str(folder / "out/a.tar"),
    ]
    return subprocess.run(
        [sys.executable, "-c", KILLER, str(call), *words], capture_output=True, text=True, check=False
    )


def test_the_story_has_what_these_tests_need():
    """Two operations, one chain of two: else the tests above would show nothing."""
    assert len({row[0] for row in STORY}) == 2
    assert [row[1] for row in STORY if row[4]] == ["avalanche-2"]


def test_a_disk_that_refuses_is_heard_of_once(monkeypatch):
    """Nothing is left that would be written, and fail again, when what was begun is thrown away."""
    unheard = []
    monkeypatch.setattr(sys, "unraisablehook", unheard.append)

    class Full:
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        BundleTar(HashingSink(Full()), "return-a", 0).add("big", bytes(100_000))
    gc.collect()
    assert unheard == []


def test_every_checkpoint_that_is_given_is_held_against_the_return(world, tmp_path):
    """Wherever the bad one stands in the line; one that cannot be decided is told where nothing is wrong otherwise."""
    target, good, bad = tmp_path / "r.tar", world.data / "audit/checkpoint", tmp_path / "bad"
    world.make(target)
    lines = good.read_text().splitlines(keepends=True)
    bad.write_text("".join([*lines[:2], "A" * 43 + "=\n", *lines[3:]]))
    early = tmp_path / "early"
    with tarfile.open(target) as tar:
        name = next(name for name in tar.getnames() if name.endswith("audit/checkpoint"))
        early.write_bytes(tar.extractfile(name).read())

    def told(*checkpoints):
        words = [f"--checkpoint={path}" for path in checkpoints]
        done = world.pentrap("verify", str(target), *words, "--json")
        return done.returncode, done.stdout + done.stderr

    assert told(early)[0] == told(early, early)[0] == 0
    for line in ((early, bad), (bad, early), (early, early, bad), (good, bad)):
        code, words = told(*line)
        assert (code, f"checkpoint {bad}" in words) == (1, True), words
    code, words = told(early, good)
    assert (code, "this log ends at" in words) == (2, True)


@pytest.mark.parametrize("act", ["--release", "--destroy"])
def test_words_that_name_another_courts_order_are_withheld(world, tmp_path, act):
    """An officer's reason names it: of that entry the court has the hash, of others all, and the verifier accepts it."""
    name = min((world.data / "segments/date=2026-09-01").glob("*.1.*")).name  # zero's own
    for words in (("--reason", "rows of Zero-Secret: content"), (act, "--reason", "checked, zero-secret")):
        done = world.pentrap("quarantine", name, *words)
        assert done.returncode == 0, done.stderr
    own = min((world.data / "segments/date=2026-09-01").glob("*.0.*")).name
    assert world.pentrap("quarantine", own, "--reason", "zeroes only").returncode == 0
    assert world.pentrap("quarantine", own, "--release", "--reason", "nothing wrong").returncode == 0
    world.make(tmp_path / "r.tar")
    bundle = contents(tmp_path / "r.tar")
    assert [path for path, content in bundle.items() if b"zero-secret" in content.lower()] == []
    assert json.loads(bundle["record.json"])["holds_and_quarantine"][0]["reason"] == "zeroes only"
    with tarfile.open(tmp_path / "r.tar") as tar:
        tar.extractall(tmp_path / "court")
    done = verify(next((tmp_path / "court").iterdir()))
    assert done.returncode == 0, done.stdout
    assert ("deleted by entries that are withheld" in done.stdout) == (act == "--destroy")
