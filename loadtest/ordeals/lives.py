"""kill -9 at every durable call of the acts that the collector does by itself: it is installed, starts, puts orders in force,
reloads, purges, counts its notices, stops.

A life is a whole run of `pentrap serve`: it starts, answers, is told of changed files, stops. Each of its processes that enters
or acts is struck in lives of its own, by its birth: the supervisor is 0; a child waits at its birth for strace to come. After
each death all others are killed too, and the files alone are asked:

    the audit log opens, and nothing is wrong with it
    the rules in force are named by an entry, and what they end by an earlier one; whatever was deleted is named; machines were
    answered only after `started`
    the same collector, started again on the same files, stops cleanly and leaves what an undisturbed life leaves; installed,
    ended, deleted and each reading's end stand in the log once
"""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from collectors import SCHEDULE, write_operation
from return_world import SENSOR, World, make_world

from collector.audit.check import check_log
from collector.audit.key import checkpoint_key
from collector.audit.ledger import Ledger
from collector.audit.log import AuditLog, Entry, read_entries
from collector.ground.clock import now_us
from collector.orders.rules import Rules
from ordeals import acts
from ordeals.living import KILLED, Told, live, text_of
from ordeals.points import Point, Strike, calls_in, strace, strike_all, struck_in

SERIES_EVERY = 8
"""Of more than this many calls of one name on one file, the first, the last and every 8th are struck."""
NOTICE = "<!doctype html><title>Notice</title><p>This domain was seized by order of a court.</p>"


class Life(NamedTuple):
    """How its data directory is made ready, whether files change while it runs, and which of its processes are struck: births
    by role.
    """

    name: str
    prepare: Callable[[Path], World]
    reloads: bool
    enters: frozenset[str]
    """What must stand in the log after an undisturbed one, or it would show nothing."""
    roles: dict[str, int]


def first(folder: Path) -> World:
    """Nothing but configuration: one operation with a notice, one order in force."""
    folder.mkdir(parents=True)
    _notice_operation(folder)
    return World(folder)


def again(folder: Path) -> World:
    """Two courts' delivered and undelivered orders, rows whose time is over, somebody's reading cut off, taken out of use."""
    world = make_world(folder, rows=12)
    for name in ("return", "delivered"):
        done = acts.command(next(act for act in acts.ACTS if act.name == name), world)
        assert done.returncode == 0, done.stderr
    log = world.log()
    moment = read_entries(world.data / "audit")[-1].time_us
    actor = next(entry.facts["actor"] for entry in world.entries() if "actor" in entry.facts)
    log.append(
        "access_opened", moment, session="s-000000000000", operation="zero", order="zero-secret", actor=actor,
        reason="cut off", purpose="open",
    )  # fmt: skip
    log.append("uninstalled", moment, actor=actor, reason="moved")
    log.close()
    path = folder / "operations" / "avalanche.toml"
    path.write_text(path.read_text().replace("retention_days = 90", "retention_days = 1"))
    _notice_operation(folder)
    return world


def _notice_operation(folder: Path) -> None:
    """An operation with a notice and an order in force; in `changed/` the same with the order ended and a name more."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for name, schedule in (
        ("operations", SCHEDULE),
        ("changed", f"{SCHEDULE}evil-three.info,citadel,redirect,reg-a,,\n"),
    ):
        path = write_operation(folder / name, starts=today - timedelta(days=5), schedule=schedule)
        path.with_suffix(".html").write_text(NOTICE)
        text = path.read_text().replace(
            'header = "X-Sinkhole: malware"', 'header = ""\nnotice_file = "op.html"\nunsealed = true'
        )
        ended = f"\nterminated = {(today - timedelta(days=1)).isoformat().replace('+00:00', 'Z')}"
        path.write_text(
            text.replace("retention_days = 90", f"retention_days = 90{ended if name == 'changed' else ''}")
        )


LIVES = (
    Life(
        "first start, reload, stop",
        first,
        reloads=True,
        enters=frozenset(
            {"installed", "started", "orders_loaded", "order_ended", "notice_served", "stopped"}
        ),
        roles={"supervisor": 0, "key and log": 1, "loader": 2, "clerk": 4, "loader again": 5, "signer": 6},
    ),
    Life(
        "start on changed files, purge, notices, stop",
        again,
        reloads=False,
        enters=frozenset(
            {"installed", "order_changed", "deleted", "access_closed", "notice_served", "stopped"}
        ),
        roles={"supervisor": 0, "key and log": 1, "loader": 2, "clerk": 4, "signer": 5},
    ),
)


def run(folder: Path, *, points_max: int = 0, only: tuple[str, ...] = ()) -> dict[str, dict[str, Any]]:
    """Every role of every life, or those named `<life>: <role>`."""
    found = {}
    for number, life in enumerate(LIVES):
        roles = {
            role: birth for role, birth in life.roles.items() if not only or f"{life.name}: {role}" in only
        }
        ready = life.prepare(folder / f"life-{number}" / "ready") if roles else None
        for role, birth in roles.items():
            assert ready is not None
            name = f"{life.name}: {role}"
            found[name] = _role(
                life, birth, ready, folder / f"life-{number}" / role.replace(" ", "-"), name, points_max
            )
    return found


def _role(life: Life, birth: int, ready: World, folder: Path, name: str, points_max: int) -> dict[str, Any]:
    clean = acts.copy(ready, folder / "clean")
    trace = clean.folder / "trace"
    told = live(clean, reloads=life.reloads, birth=birth, tracing=strace(trace, follow=bool(birth)))
    wrong = standing(ready, clean, told) + lasting(life, clean, clean)
    wrong += [
        f"{event} is not entered"
        for event in life.enters - {entry.event for entry in acts.entries_since(ready, clean)}
    ]
    if wrong or told.code != 0:
        raise AssertionError(f"{name}, undisturbed: exit {told.code}, {wrong}")
    points = calls_in(trace, clean.folder)

    def strike(point: Point, when: int, where: Path) -> Strike:
        world = acts.copy(ready, where)
        trace = world.folder / "trace"
        inject = f"{point.call}:signal=KILL:when={when}"
        told = live(
            world, reloads=life.reloads, birth=birth, tracing=strace(trace, inject, follow=bool(birth))
        )
        if KILLED not in text_of(trace):
            return Strike(None, [], [])
        struck = struck_in(trace, world.folder, point.call, when)
        found = standing(ready, world, told)
        repeated = live(world, reloads=life.reloads)
        repeated.asked += told.asked
        wrong = [f"exit {repeated.code}"] if repeated.code else []
        return Strike(struck, found, wrong + standing(ready, world, repeated) + lasting(life, clean, world))

    return strike_all(points, strike, folder, name, every=SERIES_EVERY, points_max=points_max)


def standing(before: World, after: World, told: Told) -> list[str]:
    """What is wrong with the files as they stand after a death."""
    new = acts.entries_since(before, after)
    found = log_findings(after)
    named = {name for entry in new if entry.event == "deleted" for name in acts.names_in(entry)}
    present = acts.collected(after)
    found += [
        f"gone without an entry: {name}"
        for name in acts.collected(before)
        if name not in present and name not in named
    ]
    rules, was = (text_of(one.data / "rules" / "current").strip() for one in (after, before))
    loaded = {entry.facts["rules"] for entry in new if entry.event == "orders_loaded"}
    if rules != was and rules not in loaded:
        found.append("rules in force without an entry")
    elif rules and _terminated(after, rules) and not any(entry.event == "order_ended" for entry in new):
        found.append("an order ended in force without an entry")
    if told.answered and not any(entry.event == "started" for entry in new):
        found.append("machines answered before the start was entered")
    if (counted := sum(entry.facts["count"] for entry in new if entry.event == "notice_served")) > told.asked:
        found.append(f"{counted} notices entered, {told.asked} asked for")
    return found


def _terminated(world: World, digest: str) -> bool:
    rules = Rules.load(world.data / "rules", digest)
    try:
        return any(order.id == "op-1" and order.ends_us < now_us() for order in rules.orders)
    finally:
        rules.close()


def _entries(world: World) -> list[Entry]:
    return read_entries(world.data / "audit")


def log_findings(world: World) -> list[str]:
    """What is wrong with the log; without its key there must be none."""
    if not (world.folder / "signing.key").exists():
        return ["entries without a key"] if _entries(world) else []
    key = checkpoint_key(world.folder / "signing.key", SENSOR)
    log = AuditLog(world.data / "audit", key)
    log.sign()
    log.close()
    return [f"log: {finding}" for finding in check_log(world.data / "audit", key.verifier).findings]


def lasting(life: Life, clean: World, world: World) -> list[str]:
    """Where the repeated life left something else than an undisturbed one."""
    left, right = (Ledger.of(_entries(one)) for one in (clean, world))
    found = []
    if life.reloads and text_of(clean.data / "rules/current") != text_of(world.data / "rules/current"):
        found.append("other rules are in force than after an undisturbed life")
    found += [
        f"{what}: {sorted(getattr(right, what))}, undisturbed {sorted(getattr(left, what))}"
        for what in ("orders", "operations", "deleted", "open_sessions")
        if set(getattr(left, what)) != set(getattr(right, what))
    ]
    once = (
        "installed",
        "order_loaded",
        "order_extended",
        "order_ended",
        "order_changed",
        "deleted",
        "access_closed",
    )
    counts = [Counter(entry.event for entry in _entries(one)) for one in (clean, world)]
    found += [
        f"{event}: {counts[1][event]}, undisturbed {counts[0][event]}"
        for event in once
        if counts[0][event] != counts[1][event]
    ]
    if not right.runs or right.runs[-1].stopped is None:
        found.append("the stop is not entered")
    return found
