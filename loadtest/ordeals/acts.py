"""kill -9 at every durable system call of every act: never an effect without its entry, and the act done again completes it.

An act is a command that changes or gives away what was collected, run on a small data directory of two courts (days
sealed, a return made, a segment aside: whatever it needs) that is copied anew for each death. First its calls are listed with
strace, every thread of every process of it; then each call is struck once, by its how-manieth of its name in its thread. After
each death the files alone are asked:

    the audit log opens with its key, and nothing is wrong with it
    whatever left, entered or changed its place in the data directory is named by an entry; a return that stands under its name,
    rows that were shown, a name that was forgotten likewise
    the same command, run again, ends well and leaves what an undisturbed run leaves, no file deleted twice, no reading open
"""

import json
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from return_world import SENSOR, World, make_world

from collector.audit.check import check_log
from collector.audit.key import checkpoint_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.ground.clock import now_us
from collector.orders.docket import read_operations
from collector.service import settings as service_settings
from collector.service.changes import changes
from collector.service.loader import _facts
from ordeals.points import Point, Strike, calls_in, strace, strike_all, struck_in

SERIES_EVERY = 20
"""Of more than this many calls of one name on one file in a row, the first, the last and every 20th are struck."""
SECONDS_MAX = 60


class Act(NamedTuple):
    """A command, and what has to have happened before it. `{folder}` stands for the copy's own folder."""

    name: str
    enters: str
    """What stands in the log after it; an act that entered nothing would show nothing."""
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    """Acts by name, in order."""


SEGMENT = "{segment}"
CHAIN = "avalanche-1"
ACTS = (
    Act("hold", "hold_set", ("hold", "--order", CHAIN, "--reason", "appeal")),
    Act("lift", "hold_lifted", ("hold", "--lift", "--order", CHAIN, "--reason", "over"), ("hold",)),
    Act("quarantine", "quarantined", ("quarantine", SEGMENT, "--reason", "content")),
    Act("release", "released", ("quarantine", SEGMENT, "--release", "--reason", "none"), ("quarantine",)),
    Act("destroy", "deleted", ("quarantine", SEGMENT, "--destroy", "--reason", "content"), ("quarantine",)),
    Act(
        "open",
        "access_opened",
        ("open", "--order", CHAIN, "--reason", "count", "-c", "SELECT src_ip, src_port FROM events"),
    ),
    Act("return", "returned", ("order", "return", "--order", CHAIN, "--to", "{folder}/return.tar")),
    Act(
        "delivered",
        "delivered",
        ("order", "delivered", "--order", CHAIN, "--bundle", "{folder}/return.tar", "--reason", "filed"),
        ("return",),
    ),
    Act("purge", "deleted", ("purge", "--reason", "by hand"), ("return", "delivered")),
    Act("erase", "name_erased", ("people", "--erase", "{person}", "--actor", "somebody else")),
    Act("uninstall", "uninstalled", ("uninstall", "--reason", "closed")),
)


def run(folder: Path, *, points_max: int = 0, only: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Every act, or of those named `points_max` points spread over each."""
    first = prepared(folder / "world")
    return {
        act.name: ordeal(act, first, folder / act.name, points_max)
        for act in ACTS
        if not only or act.name in only
    }


def prepared(folder: Path) -> World:
    """Two courts' operations, sealed days; rows whose retention is over."""
    return make_world(folder, rows=12)


def ordeal(act: Act, first: World, folder: Path, points_max: int) -> dict[str, Any]:
    """List the calls of an act, strike each."""
    folder.mkdir(parents=True)
    ready = copy(first, folder / "ready")
    for name in act.after:
        earlier = next(one for one in ACTS if one.name == name)
        done = command(earlier, ready)
        assert done.returncode == 0, (name, done.stderr)
    if act.name == "purge":
        for path in ready.folder.glob("operations/*.toml"):
            path.write_text(re.sub(r"retention_days = \d+", "retention_days = 1", path.read_text()))
        load(ready)
    clean = copy(ready, folder / "clean")
    done, trace = traced(act, clean, "")
    assert done.returncode == 0, (act.name, done.stderr)
    if wrong := problems_of(ready, clean, done.stdout):
        raise AssertionError(f"{act.name}, undisturbed: {wrong}")
    if act.enters not in {entry.event for entry in entries_since(ready, clean)}:
        raise AssertionError(f"{act.name}, undisturbed: {act.enters} is not entered")
    points = calls_in(trace, clean.folder)

    def strike(point: Point, when: int, where: Path) -> Strike:
        world = copy(ready, where)
        dead, trace = traced(act, world, f"{point.call}:signal=KILL:when={when}")
        if dead.returncode not in (-9, 137):
            return Strike(None, [], [])
        struck = struck_in(trace, world.folder, point.call, when)
        standing = problems_of(ready, world, dead.stdout)
        again = command(act, world)
        wrong = [f"exit {again.returncode}: {again.stderr.strip()[-200:]}"] if again.returncode else []
        wrong += problems_of(ready, world, again.stdout) + differences(clean, world)
        return Strike(struck, standing, wrong)

    return strike_all(points, strike, folder, act.name, every=SERIES_EVERY, points_max=points_max)


def load(world: World) -> None:
    """Enter what changed in the operation files, as a collector that loads them does."""
    log = world.log()
    audit = world.data / "audit"
    operations = read_operations(service_settings.load(world.config).operation_files())
    facts = [_facts(operation, audit, schedules=True) for operation in operations]
    for event, more in list(changes(Ledger.of(world.entries()), facts)):
        log.append(event, now_us(), **more)
    log.close()


def copy(world: World, target: Path) -> World:
    """A data directory of its own, times of files kept."""
    shutil.copytree(world.folder, target, copy_function=shutil.copy2)
    return World(target)


def words_of(act: Act, world: World) -> list[str]:
    """The command line, on this copy."""
    segment = min(path.name for path in first_segments(world))
    person = next(iter(json.loads((world.data / "access/people.json").read_text())))
    values = {"{folder}": str(world.folder), SEGMENT: segment, "{person}": person}
    words = []
    for word in act.words:
        for name, value in values.items():
            word = word.replace(name, value)  # noqa: PLW2901
        words.append(word)
    head = 2 if words[0] == "order" else 1
    from collectors import PENTRAP

    return [str(PENTRAP), *words[:head], "--config", str(world.config), *words[head:]]


def first_segments(world: World) -> list[Path]:
    """The first day's segments, wherever they stand; their names are known from the marker once they are gone."""
    marker = min(world.data.glob("segments/date=*/sealed-*.json"))
    return [Path(entry["name"]) for entry in json.loads(marker.read_text())["segments"]]


def command(act: Act, world: World) -> subprocess.CompletedProcess[str]:
    """Run it undisturbed."""
    return subprocess.run(
        words_of(act, world), capture_output=True, text=True, check=False, timeout=SECONDS_MAX
    )


def traced(act: Act, world: World, inject: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run it under strace, with an injection or without."""
    trace = world.folder / "trace"
    command_line = [*strace(trace, inject), *words_of(act, world)]
    done = subprocess.run(command_line, capture_output=True, text=True, check=False, timeout=SECONDS_MAX)
    return done, trace


def collected(world: World) -> dict[str, bytes]:
    """The content of each file of the custody set and of the compiled rules, by its name below data_dir."""
    return {
        str(path.relative_to(world.data)): path.read_bytes()
        for part in ("segments", "quarantine", "journal", "rules")
        for path in (world.data / part).rglob("*")
        if path.is_file() and path.name != "lock" and not path.name.startswith(".tmp-")
    }


def changed(before: World, after: World) -> set[str]:
    """The names of files that came, went or became others."""
    left, right = collected(before), collected(after)
    return {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}


def entries_since(before: World, after: World) -> list[Entry]:
    """What was entered."""
    return read_entries(after.data / "audit")[len(read_entries(before.data / "audit")) :]


def problems_of(before: World, after: World, shown: str) -> list[str]:
    """What is wrong with the files as they stand."""
    settings = service_settings.load(after.config)
    key = checkpoint_key(settings.signing_key, SENSOR)
    audit = after.data / "audit"
    log = AuditLog(audit, key)
    log.sign()
    log.close()
    found = [f"log: {finding}" for finding in check_log(audit, key.verifier).findings]
    entries = entries_since(before, after)
    named = {name for entry in entries for name in names_in(entry)}
    found += [
        f"changed without an entry: {name}"
        for name in changed(before, after)
        if name not in named and f"segments/{name.partition('/')[2]}" not in named
    ]
    events = Counter(entry.event for entry in entries)
    tar = after.folder / "return.tar"
    if tar.exists() and not (before.folder / "return.tar").exists() and not events["returned"]:
        found.append("a return without its entry")
    if ("192." in shown or "198." in shown) and not events["access_opened"]:
        found.append("rows shown without an entry")
    if (before.data / "access/people.json").read_bytes() != (after.data / "access/people.json").read_bytes():
        erased = '"erased": true' in (after.data / "access/people.json").read_text()
        if erased and not events["name_erased"]:
            found.append("a name erased without an entry")
    return found


def names_in(entry: Entry) -> set[str]:
    """Files that an entry names."""
    names = (
        {file["name"] for file in entry.facts.get("files", ()) if isinstance(file, dict)}
        if isinstance(entry.facts.get("files"), list)
        else set()
    )
    return names | ({entry.facts["segment"]} if "segment" in entry.facts else set())


def differences(clean: World, world: World) -> list[str]:
    """Where the repeated act left something else than an undisturbed one."""
    found = [f"left otherwise than undisturbed: {name}" for name in changed(clean, world)]
    left, right = (Ledger.of(read_entries(one.data / "audit")) for one in (clean, world))
    found += [
        f"{what}: {sorted(getattr(right, what))}, undisturbed {sorted(getattr(left, what))}"
        for what in ("holds", "quarantined", "deleted", "delivered")
        if set(getattr(left, what)) != set(getattr(right, what))
    ]
    if (left.uninstalled is None) != (right.uninstalled is None):
        found.append("uninstalled or not")
    if right.open_sessions:
        found.append(f"readings left open: {sorted(right.open_sessions)}")
    gone = Counter(
        name
        for entry in read_entries(world.data / "audit")
        if entry.event == "deleted"
        for name in names_in(entry)
    )
    found += [f"deleted {count} times: {name}" for name, count in gone.items() if count > 1]
    tars = [one.folder / "return.tar" for one in (clean, world)]
    if tars[0].exists() != tars[1].exists():
        found.append("the return is missing")
    return found
