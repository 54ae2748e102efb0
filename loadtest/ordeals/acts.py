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
from collector.service import settings as service_settings
from ordeals.every_call import CALLS

LINE = re.compile(r"^(?P<thread>\d+) +(?P<call>\w+)\((?P<rest>.*)")
SERIES_EVERY = 20
"""Of more than this many calls of one name on one file in a row, the first, the last and every 20th are struck."""
SECONDS_MAX = 60


class Act(NamedTuple):
    """A command, and what has to have happened before it. `{folder}` stands for the copy's own folder."""

    name: str
    words: tuple[str, ...]
    after: tuple[str, ...] = ()
    """Acts by name, in order."""


SEGMENT = "{segment}"
CHAIN = "avalanche-1"
ACTS = (
    Act("hold", ("hold", "--order", CHAIN, "--reason", "appeal")),
    Act("lift", ("hold", "--lift", "--order", CHAIN, "--reason", "over"), ("hold",)),
    Act("quarantine", ("quarantine", SEGMENT, "--reason", "content")),
    Act("release", ("quarantine", SEGMENT, "--release", "--reason", "none"), ("quarantine",)),
    Act("destroy", ("quarantine", SEGMENT, "--destroy", "--reason", "content"), ("quarantine",)),
    Act("open", ("open", "--order", CHAIN, "--reason", "count", "-c", "SELECT src_ip, src_port FROM events")),
    Act("return", ("order", "return", "--order", CHAIN, "--to", "{folder}/return.tar")),
    Act(
        "delivered",
        ("order", "delivered", "--order", CHAIN, "--bundle", "{folder}/return.tar", "--reason", "filed"),
        ("return",),
    ),
    Act("purge", ("purge", "--reason", "by hand"), ("return", "delivered")),
    Act("erase", ("people", "--erase", "{person}", "--actor", "somebody else")),
    Act("uninstall", ("uninstall", "--reason", "closed")),
)


class Point(NamedTuple):
    """One call of an act: `when` is its how-manieth of that name in its thread."""

    call: str
    when: int
    what: str


def run(folder: Path, *, points_max: int = 0, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """Every act, or of those named `points_max` points spread over each."""
    first = prepared(folder / "world")
    found = {}
    for act in ACTS:
        if only and act.name not in only:
            continue
        found[act.name] = ordeal(act, first, folder / act.name, points_max)
    return {
        "holds": all(one["struck"] == one["points"] > 0 and not one["problems"] for one in found.values()),
        "points": sum(one["points"] for one in found.values()),
        "acts": found,
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
        keep_for_a_day(ready)
    clean = copy(ready, folder / "clean")
    done, trace = traced(act, clean, "")
    assert done.returncode == 0, (act.name, done.stderr)
    if wrong := problems_of(ready, clean, done.stdout):
        raise AssertionError(f"{act.name}, undisturbed: {wrong}")
    listed = calls_in(trace, clean.folder)
    points = spread(thinned(listed), points_max)
    problems: dict[str, list[str]] = {}
    struck = 0
    for number, point in enumerate(points):
        world = copy(ready, folder / f"{number}")
        dead, _ = traced(act, world, f"{point.call}:signal=KILL:when={point.when}")
        if dead.returncode >= 0 and dead.returncode != 137:
            problems[str(point)] = [f"was not struck: exit {dead.returncode}"]
            continue
        struck += 1
        wrong = problems_of(ready, world, dead.stdout)
        again = command(act, world)
        if again.returncode:
            wrong.append(f"again: exit {again.returncode}: {again.stderr.strip()[-200:]}")
        wrong += problems_of(ready, world, again.stdout) + differences(clean, world)
        if wrong:
            problems[str(point)] = wrong
        shutil.rmtree(world.folder)
    return {"calls": len(listed), "points": len(points), "struck": struck, "problems": problems}


def keep_for_a_day(world: World) -> None:
    """Enter that the orders' rows are kept for a day only, as a reload of such files would."""
    log = world.log()
    for order, facts in Ledger.of(world.entries()).orders.items():
        after = facts | {"retention_days": 1}
        log.append("order_changed", 1, operation=facts["operation"], order=order, before=facts, after=after)
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
    words = ["strace", "-f", "-y", "-s", "0", "-o", str(trace), "-e", "trace=" + ",".join(CALLS)]
    if inject:
        words += ["-e", f"inject={inject}"]
    done = subprocess.run(
        [*words, *words_of(act, world)], capture_output=True, text=True, check=False, timeout=SECONDS_MAX
    )
    return done, trace


def calls_in(trace: Path, folder: Path) -> list[Point]:
    """Every call that may leave something behind in the folder, by its how-manieth in its thread."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for line in trace.read_text().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        seen[match["thread"], match["call"]] += 1
        place = match["rest"].find(f"{folder}/")
        reading = match["call"] == "openat" and not re.search(r"O_CREAT|O_TRUNC", match["rest"])
        if place < 0 or reading or match["rest"][place:].startswith(f"{folder}/trace"):
            continue
        what = re.split(r'[">]', match["rest"][place + len(str(folder)) + 1 :])[0]
        what = re.sub(r"\.tmp-\w+", ".tmp", re.sub(r"s-[0-9a-f]{12}", "SESSION", what))
        found.append(Point(match["call"], seen[match["thread"], match["call"]], what))
    return found


def thinned(points: list[Point]) -> list[Point]:
    """All points, but of a long series on one file the first, the last and some between."""
    counted = Counter((point.call, point.what) for point in points)
    place: Counter[tuple[str, str]] = Counter()
    kept = []
    for point in points:
        key = point.call, point.what
        place[key] += 1
        if counted[key] <= SERIES_EVERY or place[key] in (1, counted[key]) or not place[key] % SERIES_EVERY:
            kept.append(point)
    return list(dict.fromkeys(kept))


def spread(points: list[Point], most: int) -> list[Point]:
    """All of them, or `most` evenly, the last among them."""
    if not most or len(points) <= most:
        return points
    return [points[(number + 1) * len(points) // most - 1] for number in range(most)]


def collected(world: World) -> set[str]:
    """The files of the custody set, below data_dir."""
    return {
        str(path.relative_to(world.data))
        for part in ("segments", "quarantine", "journal")
        for path in (world.data / part).rglob("*")
        if path.is_file() and path.name != "lock" and not path.name.startswith(".tmp-")
    }


def problems_of(before: World, after: World, shown: str) -> list[str]:
    """What is wrong with the files as they stand."""
    settings = service_settings.load(after.config)
    key = checkpoint_key(settings.signing_key, SENSOR)
    audit = after.data / "audit"
    log = AuditLog(audit, key)
    log.sign()
    log.close()
    found = [f"log: {finding}" for finding in check_log(audit, key.verifier).findings]
    entries = read_entries(audit)[len(read_entries(before.data / "audit")) :]
    named = {name for entry in entries for name in names_in(entry)}
    found += [
        f"changed without an entry: {name}"
        for name in collected(before) ^ collected(after)
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
    found = [f"left otherwise than undisturbed: {name}" for name in collected(clean) ^ collected(world)]
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
