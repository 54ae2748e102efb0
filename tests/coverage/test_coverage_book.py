"""The clerk's book of unexpected check-ins: exact by day over the death of anybody, a reload, a full disk."""

from collections import Counter

import pyarrow.parquet as pq
import pytest
from coverage_world import BEGINS_US, DAY_US, HEADER, operation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.coverage.book import DAYS_KEPT, Book, book_path
from collector.ground import logs
from collector.ground.counters import Board
from collector.ground.unexpected import SETS, WAYS
from collector.orders.compile import compile_rules
from collector.orders.entries import Entry
from collector.orders.rules import Rules

TODAY = BEGINS_US // DAY_US
SECOND_US = 1_000_000
NAMES = ("blocked.com", "a.blocked.com", "old.net", "new.net")
SCHEDULE = (
    "blocked.com,a,block,r,,\na.blocked.com,a,block,r,,\n"
    "old.net,a,redirect,r,,2026-01-01\nnew.net,a,redirect,r,2027-01-01,\n"
)
LOG = logs.get("clerk")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("book")


def load(folder, schedule=SCHEDULE) -> Rules:
    (folder / "op.csv").write_text(HEADER + schedule)
    (folder / "op.toml").write_text(operation("op"))
    return Rules.load(folder / "rules", compile_rules([folder / "op.toml"], folder / "rules"))


@pytest.fixture(scope="module")
def rules(folder):
    return load(folder)


def said(data, day=TODAY) -> Counter:
    """A day's book, added up; None stands for what has no words."""
    if not book_path(data, day).exists():
        return Counter()
    found: Counter = Counter()
    for row in pq.read_table(book_path(data, day)).to_pylist():
        assert row["operation"] in ("op", "")
        found[row["domain"]] += row["check_ins"]
    return found


def come(board, rules, worker, name, day=TODAY):
    for key, hint in rules.missed(name.encode()):
        board.unexpected[worker].count(key, hint, day)


ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(0, 1), st.sampled_from(NAMES), st.booleans()),
        st.just(("look",)),
        st.just(("clerk dies",)),
        st.just(("all die",)),
        st.just(("midnight",)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(actions=ACTIONS)
def test_the_book_says_what_a_plain_model_says(tmp_path_factory, rules, actions):
    """Random check-ins (some of before midnight), looks, deaths of the clerk and of all: lost is what came since the last look
    where everything died, and nothing else; nothing is counted twice.
    """
    data = tmp_path_factory.mktemp("model")
    board, now = Board(2), BEGINS_US
    book = Book(data, board, LOG)
    seen: dict[int, Counter] = {}
    fresh: list[tuple[int, str]] = []
    for action in actions:
        now += SECOND_US
        match action:
            case ("come", worker, name, straggles):
                day = now // DAY_US - straggles
                come(board, rules, worker, name, day)
                fresh.append((day, name))
            case ("look",):
                book.note(rules, now)
                for day, name in fresh:
                    seen.setdefault(day, Counter())[name] += 1
                fresh = []
            case ("clerk dies",):
                book = Book(data, board, LOG)
            case ("all die",):
                board, fresh = Board(2), []
                book = Book(data, board, LOG)
            case ("midnight",):
                now = (now // DAY_US + 1) * DAY_US
    book.note(rules, now, stopping=True)
    today = now // DAY_US
    for day, name in fresh:
        if day >= today - 1:
            seen.setdefault(day, Counter())[name] += 1
    for day in range(TODAY - 1, today + 1):
        known = +(seen.get(day, Counter()))
        # What came and was not looked at for a whole day is past telling; nothing else is.
        assert said(data, day) == known or day < today - 1
        assert said(data, day) <= known + Counter(name for other, name in fresh if other == day)


def test_a_reload_and_a_schedule_that_forgot_the_name_change_no_count(tmp_path):
    """Before and after a reload one name is one entry, with the words of whichever index the worker had."""
    first = load(tmp_path)
    board = Board(1)
    come(board, first, 0, "blocked.com")
    come(board, first, 0, "old.net")
    second = load(
        tmp_path, "".join(f"d{n}.com,a,redirect,r,,\n" for n in range(99)) + "blocked.com,a,block,r,,\n"
    )
    book = Book(tmp_path, board, LOG)
    book.note(second, BEGINS_US)  # the clerk has the new rules before it ever looked
    come(board, second, 0, "w.blocked.com")
    book.note(second, BEGINS_US + SECOND_US)
    assert said(tmp_path) == {"blocked.com": 2, "old.net": 1}


def test_words_that_nobody_has_any_more_are_a_sum_and_come_back_with_their_index(tmp_path):
    """An index that is gone costs names, not numbers; a clerk that starts anew takes the names that its book has."""
    first, board = load(tmp_path), Board(1)
    come(board, first, 0, "old.net")
    Book(tmp_path, board, LOG).note(first, BEGINS_US)
    assert said(tmp_path) == {"old.net": 1}
    come(board, first, 0, "new.net")
    second = load(tmp_path, "other.com,a,redirect,r,,\n")
    first.index.path.unlink()
    book = Book(tmp_path, board, LOG)
    book.note(second, BEGINS_US + SECOND_US)
    assert said(tmp_path) == {"old.net": 1, None: 1}
    again = load(tmp_path)
    come(board, again, 0, "new.net")
    book.note(again, BEGINS_US + 2 * SECOND_US)
    assert said(tmp_path) == {"old.net": 1, "new.net": 2}


def test_what_finds_no_cell_is_counted_without_a_name(tmp_path, rules):
    """A full set: the rest stands in the book's line without words, by day."""
    board = Board(1)
    for way in range(WAYS + 5):
        board.unexpected[0].count(3 + SETS * (way + 1), 0, TODAY)
    Book(tmp_path, board, LOG).note(rules, BEGINS_US)
    assert said(tmp_path) == {None: WAYS + 5}


def test_a_disk_that_refuses_loses_nothing(tmp_path, rules):
    """What could not be written is written at a later look."""
    board = Board(1)
    book = Book(tmp_path, board, LOG)
    come(board, rules, 0, "blocked.com")
    place = book_path(tmp_path, TODAY)
    place.mkdir()
    book.note(rules, BEGINS_US)
    place.rmdir()
    book.note(rules, BEGINS_US + SECOND_US)
    assert said(tmp_path) == {"blocked.com": 1}


class Heard:
    """What a log was told."""

    def __init__(self):
        self.errors = []

    def error(self, event, **facts):
        self.errors.append((event, facts["day"]))


def test_a_book_that_cannot_be_read_is_begun_anew_and_said_so(tmp_path, rules):
    """Rot in the file of an earlier run: this run's numbers are written, and the log has the day."""
    board, heard = Board(1), Heard()
    book = Book(tmp_path, board, heard)
    book_path(tmp_path, TODAY).write_bytes(b"PAR1 rot")
    come(board, rules, 0, "blocked.com")
    book.note(rules, BEGINS_US)
    assert said(tmp_path) == {"blocked.com": 1}
    assert heard.errors == [("unexpected_counts_unreadable", "2026-11-22")]


def test_a_count_whose_worker_died_before_its_sum_is_found_at_the_stop(tmp_path, rules):
    """The cell says it, though the sum at the table's top does not."""
    board = Board(1)
    book = Book(tmp_path, board, LOG)
    come(board, rules, 0, "blocked.com")
    book.note(rules, BEGINS_US)
    come(board, rules, 0, "blocked.com")
    board.unexpected[0]._words[0] -= 1
    book.note(rules, BEGINS_US + SECOND_US)
    book.note(rules, BEGINS_US + 2 * SECOND_US, stopping=True)
    assert said(tmp_path) == {"blocked.com": 2}


def test_nothing_is_read_or_written_while_nothing_comes(tmp_path, rules):
    """No unexpected check-in: no file, ever; afterwards the file is as it was written."""
    board = Board(1)
    book = Book(tmp_path, board, LOG)
    for second in range(5):
        book.note(rules, BEGINS_US + second * SECOND_US)
    book.note(rules, BEGINS_US, stopping=True)
    assert list((tmp_path / "coverage").iterdir()) == []
    come(board, rules, 0, "blocked.com")
    book.note(rules, BEGINS_US + 9 * SECOND_US)
    written = book_path(tmp_path, TODAY).stat().st_ino
    book.note(rules, BEGINS_US + 10 * SECOND_US)
    assert book_path(tmp_path, TODAY).stat().st_ino == written


def test_large_books_are_written_less_often(tmp_path):
    """Tens of thousands of entries: the next write waits until 200 kB a second are not exceeded; a stop does not wait."""
    schedule = "".join(f"d{n}-of-many.com,a,block,r,,\n" for n in range(20_000))
    rules, board = load(tmp_path, schedule), Board(1)
    book = Book(tmp_path, board, LOG)
    for n in range(20_000):
        come(board, rules, 0, f"d{n}-of-many.com")
    book.note(rules, BEGINS_US)
    size = book_path(tmp_path, TODAY).stat().st_size
    assert said(tmp_path).total() == 20_000
    come(board, rules, 0, "d1-of-many.com")
    book.note(rules, BEGINS_US + size * 5 - 1)
    assert said(tmp_path).total() == 20_000
    book.note(rules, BEGINS_US + size * 5)
    assert said(tmp_path).total() == 20_001
    come(board, rules, 0, "d1-of-many.com")
    book.note(rules, BEGINS_US + size * 5 + 1, stopping=True)
    assert said(tmp_path)["d1-of-many.com"] == 3


def test_old_books_go(tmp_path, rules):
    """DAYS_KEPT of them stay."""
    board = Board(1)
    book = Book(tmp_path, board, LOG)
    for day in range(TODAY - DAYS_KEPT - 2, TODAY):
        book_path(tmp_path, day).write_bytes(b"")
    come(board, rules, 0, "blocked.com")
    book.note(rules, BEGINS_US)
    there = sorted(path.name for path in (tmp_path / "coverage").glob("unexpected-*"))
    assert len(there) == DAYS_KEPT
    assert there[-1] == book_path(tmp_path, TODAY).name


def test_l10_a_books_words_are_the_schedules():
    """L-10: an entry of the book is an operation and a listed name, both from configuration; it has no other text."""
    from collector.coverage.book import SCHEMA

    assert [(field.name, str(field.type)) for field in SCHEMA] == [
        ("run", "int64"),
        ("operation", "string"),
        ("domain", "string"),
        ("check_ins", "int64"),
    ]
    assert Entry._fields == ("operation", "domain")
