"""An export, or a withdrawal, is killed at every durable call of each of its threads: whole publications or none, no row lost
or doubled, none withdrawn and given.

The day has been published to two partners and then got late segments, so an export makes two supplements, beside a third
partner's first publication, in every format; a withdrawal takes one address's rows back from the two before. The
engine's spilling and staging is struck like everything else.

    python -m ordeals.exporting ACT FOLDER       the act itself, in the process that dies; it begins when told a line
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [
    str(ROOT),
    *(str(ROOT / place) for place in ("tests/exports", "tests/segments", "tests", "loadtest")),
]

from day_world import Day, entitlement, given_rows, host_rows  # noqa: E402
from segment_world import NOON_US, pack, small_rules, subjects_by_operation  # noqa: E402

from collector.audit.check import check_log  # noqa: E402
from collector.audit.key import checkpoint_key  # noqa: E402
from collector.exports.proof import verify_tree  # noqa: E402
from collector.exports.publication import publications, settle  # noqa: E402
from collector.exports.withdrawal import Wanted  # noqa: E402
from collector.ground.record import IPV4_PREFIX  # noqa: E402
from ordeals import aimed, points  # noqa: E402

FORMATS = ("parquet", "shadowserver-csv")
BEFORE = [entitlement(formats=FORMATS), entitlement("us-cert", networks=("192.0.2.0/25",), formats=FORMATS)]
WRONG = Wanted("avalanche-1", networks=("192.0.2.7", "192.0.2.14"))
ALL = [*BEFORE, entitlement("fkie", families=("tinba",), formats=("parquet",))]


def records(rules: Any, count: int, first_us: int) -> list[bytes]:
    """Check-ins of many addresses, half a second apart."""
    about = subjects_by_operation(rules)["avalanche"]
    return [
        pack(
            time_us=first_us + place * 500_000,
            src=IPV4_PREFIX + bytes([192, 0, 2, place * 7 % 256]),
            src_port=1024 + place,
            kind=about[place % len(about)][0],
            subject=about[place % len(about)][1],
        )
        for place in range(count)
    ]


def prepared(folder: Path) -> Day:
    """A day that was published, and what came late."""
    (folder.parent / "rules-source").mkdir(exist_ok=True)
    rules = small_rules(folder.parent / "rules-source")
    day = Day(folder, rules)
    day.record(records(rules, 300, NOON_US))
    day.seal()
    day.export(BEFORE)
    day.record(records(rules, 200, NOON_US + 3_600_000_000))
    day.log.sign()
    return day


def export(day: Day) -> None:
    """Publish what is owed."""
    day.export(ALL)


def withdraw(day: Day) -> None:
    """Take an address's rows back, late ones among them, and publish what is owed."""
    day.enter_withdrawal(WRONG, ALL)
    day.export(ALL)


class Act(NamedTuple):
    """What is struck; which rows are wrong after it; how many publications it leaves a partner of BEFORE."""

    does: Callable[[Day], None]
    wrong: Callable[[dict], bool]
    publications: int


ACTS = {
    "export": Act(export, lambda _: False, 2),
    "withdraw": Act(withdraw, lambda row: row["src_ip"] in WRONG.networks, 3),
}


def standing(day: Day, expected_rows: list[dict]) -> list[str]:
    """What is wrong with the files as a death left them."""
    found = []
    ledger = day.ledger()
    for name in {one.partner for one in ALL}:
        tree = day.data / "exports" / name
        if not tree.is_dir():
            continue
        entered = {
            number: e.facts["manifest_sha256"] for (who, number), e in ledger.exported.items() if who == name
        }
        # An entry whose folder stands under its temporary name is whole too: it is given its number by whoever comes next.
        settle(day.data, name)
        stands = {number: digest for number, digest in entered.items() if (tree / f"{number:06d}").is_dir()}
        if stands != entered:
            found.append(f"{name}: entered and gone")
        found += verify_tree(tree, [day.public], entered=entered).findings
        rows = [(row["stream"], row["record"]) for row in day.events_of(name)]
        if len(set(rows)) != len(rows):
            found.append(f"{name}: rows twice")
        if not set(rows) <= {(row["stream"], row["record"]) for row in expected_rows}:
            found.append(f"{name}: rows that nobody recorded")
    return found


def repeated(act: Act, day: Day, rows: list[dict]) -> list[str]:
    """What is wrong once the act was done again."""
    act.does(day)
    day.rows = rows = [row for row in rows if not act.wrong(row)]
    found = []
    for one in ALL:
        back = {(row["stream"], row["record"]) for row in day.events_of(one.partner, dataset="withdrawn")}
        held = [row for row in day.events_of(one.partner) if (row["stream"], row["record"]) not in back]
        wanted = given_rows(rows, one)
        key = [(row["stream"], row["record"]) for row in held]
        if sorted(key) != sorted((row["stream"], row["record"]) for row in wanted):
            found.append(f"{one.partner}: {len(held)} rows of {len(wanted)}")
        if day.hosts_of(one.partner) != host_rows(rows, one):
            found.append(f"{one.partner}: other hosts")
        numbers = [one.sequence for one in publications(day.data, one.partner)]
        if numbers != list(range(1, 1 + (act.publications if one in BEFORE else 1))):
            found.append(f"{one.partner}: publications {numbers}")
    left = sorted(path.name for path in (day.data / "exports").glob(".tmp*"))
    left += [str(path) for path in (day.data / "exports").glob("*/.tmp*")]
    if left:
        found.append(f"left behind: {left}")
    day.log.sign()
    found += check_log(day.data / "audit", checkpoint_key(day.key_file, "sinkhole-1").verifier).findings
    day.log.close()
    return found


def run(folder: Path, name: str = "export", *, every: int, points_max: int = 0) -> dict[str, Any]:
    """Strike all points of an act; the figures."""
    act = ACTS[name]
    folder.mkdir(parents=True, exist_ok=True)
    first = prepared(folder / "first")
    rows = first.rows
    first.log.close()

    def fresh(where: Path) -> Path:
        return Path(shutil.copytree(first.folder, where))

    def lived(where: Path, aim: points.Point | None = None) -> aimed.Life:
        words = [sys.executable, "-m", "ordeals.exporting", name, str(where)]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "loadtest"), "PYTHONDONTWRITEBYTECODE": "1"}
        return aimed.life(words, environment, where / "trace", where, aim)

    undisturbed = lived(fresh(folder / "undisturbed"))
    if undisturbed.code:
        raise RuntimeError(f"the act does not work: {undisturbed.code}")

    def strike(point: points.Point, _when: int, where: Path) -> points.Strike:
        died = lived(fresh(where), point)
        day = Day(where, None)
        return points.Strike(died.struck, standing(day, rows), repeated(act, day, rows))

    return points.strike_all(undisturbed.calls, strike, folder, name, every=every, points_max=points_max)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    ACTS[sys.argv[1]].does(Day(Path(sys.argv[2]), None))
