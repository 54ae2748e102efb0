"""Which registry was last reached when, and how many of its domains are due: beside plain models, over restarts."""

import sys
from pathlib import Path

import pytest
import segment_world
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from segment_world import DAY_US, NOON_US, pack, record_strategy

from collector.coverage.registries import NAME, Registries, due, last_reached
from collector.ground import logs
from collector.ground.codes import Action, Kind
from collector.ground.counters import Board
from collector.ground.record import RECORD
from collector.journal.format import BLOCK_SIZE, FileHeader, encode_header, header_checksum, seal_block
from collector.journal.names import sealed_name
from collector.orders.compile import compile_rules
from collector.orders.index import MARKER
from collector.orders.rules import Rules
from collector.service.sealer import Sealer

sys.path.insert(0, str(Path(__file__).parent))
from coverage_world import HEADER, operation


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    return segment_world.small_rules(tmp_path_factory.mktemp("rules"))


def model(rules, pieces):
    """The latest instant by operation and registry, record by record."""
    found = {}
    index = rules.index
    for piece in pieces:
        moment, _, _, subject, *_, kind = RECORD.unpack(piece)
        if kind != Kind.DOMAIN:
            continue
        term = index.terms_of_rows[subject]
        which = (
            index.operations[index.operations_of_terms[term]],
            index.registries[index.registries_of_terms[term]],
        )
        found[which] = max(found.get(which, 0), moment)
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_the_last_instant_of_each_registry_is_the_models(tmp_path_factory, rules, data):
    """Random runs of records, saved and started anew between them: the latest of each registry, whatever the order."""
    folder = tmp_path_factory.mktemp("last")
    pieces = data.draw(st.lists(st.lists(record_strategy(rules), max_size=12), max_size=4))
    for run in pieces:
        registries = Registries(folder)
        registries.note(b"".join(run), rules)
        registries.save()
    wanted = model(rules, [piece for run in pieces for piece in run])
    assert last_reached(folder) == wanted
    assert Registries(folder).last_reached == wanted


def test_noting_a_journal_twice_changes_nothing(tmp_path, rules):
    """A clerk that died between noting and removing the journal does it again."""
    row = next(row for row in range(rules.index.count) if rules.index.terms_of_rows[row] != MARKER)
    records = pack(NOON_US, subject=row, kind=Kind.DOMAIN)
    registries = Registries(tmp_path)
    registries.note(records, rules)
    registries.save()
    written = (tmp_path / "coverage" / NAME).stat().st_mtime_ns, (tmp_path / "coverage" / NAME).stat().st_ino
    registries.note(records, rules)
    registries.note(pack(NOON_US - 1, subject=row, kind=Kind.DOMAIN), rules)
    registries.save()
    path = tmp_path / "coverage" / NAME
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == written


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"op": 3}', b'{"op": {"r": "x"}}', b"null", b"\xff\xfe"]
)
def test_a_file_that_cannot_be_read_begins_anew(tmp_path, rules, content):
    """Whatever stands there: no error, nothing believed, and the next journal is noted."""
    (tmp_path / "coverage").mkdir()
    (tmp_path / "coverage" / NAME).write_bytes(content)
    registries = Registries(tmp_path)
    assert registries.last_reached == {}
    row = next(row for row in range(rules.index.count) if rules.index.terms_of_rows[row] != MARKER)
    registries.note(pack(NOON_US, subject=row, kind=Kind.DOMAIN), rules)
    registries.save()
    assert list(last_reached(tmp_path).values()) == [NOON_US]


def load(folder, *operations) -> Rules:
    paths = []
    for name, text, schedule in operations:
        (folder / f"{name}.csv").write_text(HEADER + schedule)
        paths.append(folder / f"{name}.toml")
        paths[-1].write_text(text)
    return Rules.load(folder / "rules", compile_rules(paths, folder / "rules"))


SCHEDULE = (
    "always.com,a,redirect,reg-a,,\nday.com,a,register,reg-a,2026-11-22T12:00:00Z,2026-11-23\n"
    "blocked.com,a,block,reg-a,,\nonly-blocked.com,a,block,reg-b,,\nold.com,a,transfer,reg-c,,2026-11-22T12:00:00Z\n"
    "none.com,a,redirect,,,\n"
)


def test_due_are_the_domains_in_their_own_dates_under_an_order_in_force(tmp_path):
    """At the edges of dates and orders, to the microsecond; grace makes nobody due; blocked ones never are."""
    rules = load(
        tmp_path,
        (
            "op",
            operation("op", orders={"op-1": ("2026-11-22T00:00:00Z", "2026-11-24T00:00:00Z")}, grace=5),
            SCHEDULE,
        ),
        ("two", operation("two", orders={}), "always.com,a,redirect,reg-a,,\n"),
    )
    for moment, wanted in (
        (NOON_US, (2, 0)),
        (NOON_US - 1, (1, 1)),
        (NOON_US + DAY_US // 2 - 1, (2, 0)),
        (NOON_US + DAY_US // 2, (1, 0)),
    ):
        assert due(rules, moment) == {
            ("op", "reg-a"): wanted[0],
            ("op", "reg-c"): wanted[1],
            ("op", ""): 1,
            ("two", "reg-a"): 0,
        }
    for moment in (NOON_US - DAY_US // 2 - 1, NOON_US + DAY_US + DAY_US // 2):
        assert set(due(rules, moment).values()) == {0}


def test_due_counts_as_the_rows_do_one_by_one(rules):
    """Over the small schedule at many instants, against the index's rows."""
    index = rules.index
    for hours in range(-24 * 40, 24 * 40, 7):
        now = NOON_US + hours * 3_600_000_000
        active = {order.operation for order in rules.orders_in_force(now) if order.active}
        wanted: dict[tuple[str, str], int] = {}
        for row in range(index.count):
            term = index.terms_of_rows[row]
            if term == MARKER or index.actions_of_terms[term] == Action.BLOCK:
                continue
            name = index.operations[index.operations_of_terms[term]]
            which = (name, index.registries[index.registries_of_terms[term]])
            wanted.setdefault(which, 0)
            wanted[which] += index.term_from[term] <= now < index.term_until[term] and name in active
        assert due(rules, now) == wanted


def test_without_any_operation_nothing_is_due(tmp_path):
    """No file, no registry, no error."""
    rules = Rules.load(tmp_path, compile_rules([], tmp_path))
    assert due(rules, NOON_US) == {}
    registries = Registries(tmp_path)
    registries.note(b"", rules)
    assert registries.last_reached == {}


def journal_of(data, rules, first: int, *records: bytes) -> None:
    """A sealed journal, as a worker leaves it."""
    day, stream = NOON_US // DAY_US, segment_world.STREAM
    header = encode_header(FileHeader(day, first, NOON_US, rules.digest, stream))
    block = bytearray(BLOCK_SIZE) + b"".join(records)
    sealed = seal_block(
        block, len(records), first, first, bytes.fromhex(rules.digest)[:16], header_checksum(header)
    )
    folder = data / "journal" / stream
    folder.mkdir(parents=True, exist_ok=True)
    (folder / sealed_name(stream, first, first + len(records) - 1)).write_bytes(header + sealed)


def test_the_clerk_notes_a_journal_before_it_goes_and_keeps_none_for_it(tmp_path):
    """What was converted is on disk when the journal is gone; a disk that refuses that file holds up nothing else."""
    rules = load(tmp_path, ("op", operation("op"), "evil.com,a,redirect,reg-a,,\n"))
    row = rules.index.rows_of(b"evil.com").start
    clerk = Sealer(tmp_path, "sinkhole-1", NOON_US, 0, Board(1), logs.get("clerk"))
    journal_of(tmp_path, rules, 0, *(pack(NOON_US + n, subject=row, kind=Kind.DOMAIN) for n in (3, 9, 1)))
    assert clerk.work(NOON_US) == 0
    assert last_reached(tmp_path) == {("op", "reg-a"): NOON_US + 9}
    path = tmp_path / "coverage" / NAME
    path.unlink()
    path.mkdir()
    journal_of(tmp_path, rules, 3, pack(NOON_US + 20, subject=row, kind=Kind.DOMAIN))
    assert clerk.work(NOON_US) == 0
    path.rmdir()
    journal_of(tmp_path, rules, 4, pack(NOON_US + 10, subject=row, kind=Kind.DOMAIN))
    assert clerk.work(NOON_US) == 0
    assert last_reached(tmp_path) == {("op", "reg-a"): NOON_US + 20}
    assert len(list(tmp_path.glob("segments/*/*.parquet"))) == 3
