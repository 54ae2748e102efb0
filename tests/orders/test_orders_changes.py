"""What a schedule adds and takes away, beside a model of dictionaries; what new rules change, in words."""
# ruff: noqa: E501 - a row of a table stays on one line

import pytest
from collectors import write_operation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.orders import schedule_changes
from collector.orders.changes import Change, rule_changes
from collector.orders.compile import compile_rules
from collector.orders.rules import Rules
from collector.orders.schedule_changes import Tally, domain_changes

HEADER = "domain,family,action,registry,valid_from,valid_until\n"

ROWS = st.dictionaries(
    st.builds("{}.{}".format, st.sampled_from(["a", "b", "c", "x.a", "y.x.a"]), st.sampled_from(["com", "co.uk"]))
    | st.builds("n{}.net".format, st.integers(0, 400)),
    st.tuples(st.sampled_from(["tinba", "rovnix"]), st.sampled_from(["redirect", "block"]), st.sampled_from(["", "2026-12-01"])),
    max_size=150,
)  # fmt: skip


def rules_of(folder, **operation) -> Rules:
    """Compiled rules of one operation."""
    return Rules.load(
        folder / "rules", compile_rules([write_operation(folder, **operation)], folder / "rules")
    )


def schedule(rows) -> str:
    """A schedule of {domain: (family, action, until)}."""
    return HEADER + "".join(f"{name},{row[0]},{row[1]},r,,{row[2]}\n" for name, row in rows.items())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ROWS, after=ROWS, share=st.booleans(), part=st.sampled_from([1, 7, 64, 10_000]))
def test_domain_changes_are_what_dictionaries_say(tmp_path_factory, monkeypatch, before, after, share, part):
    """Added, taken away and changed, each domain once, whatever the sizes of the two indices and of the parts."""
    monkeypatch.setattr(schedule_changes, "PART_ROWS", part)
    after = before | after if share else after
    folder = tmp_path_factory.mktemp("changes")
    old, new = (
        rules_of(folder / name, schedule=schedule(rows)) for name, rows in (("a", before), ("b", after))
    )
    found = [(change.domain, change.word) for change in domain_changes(old.index, new.index)]
    assert sorted(found) == sorted(
        [(name, "added") for name in after.keys() - before.keys()]
        + [(name, "taken away") for name in before.keys() - after.keys()]
        + [(name, "changed") for name in before.keys() & after.keys() if before[name] != after[name]]
    )
    tally = Tally()
    for change in domain_changes(old.index, new.index):
        tally.add(change)
    assert sum(tally.counts.values()) == len(found)
    for word, names in tally.first.items():
        assert names == sorted(name for name, which in found if which == word)[: schedule_changes.NAMED_MAX]
    old.close()
    new.close()


def test_a_domain_with_several_rows_is_one_change(tmp_path):
    """A second window is a change of the domain, told with all its rows before and after."""
    one = HEADER + "a.com,tinba,redirect,r,2026-11-01,2026-11-02\n"
    old = rules_of(tmp_path / "a", schedule=one)
    new = rules_of(tmp_path / "b", schedule=one + "a.com,tinba,redirect,r,2026-11-05,2026-11-06\n")
    [change] = domain_changes(old.index, new.index)
    assert (change.word, len(change.before), len(change.after)) == ("changed", 1, 2)


@pytest.mark.parametrize(
    ("more", "word", "how"),
    [
        ({"ends": "2026-12-01T00:00:00Z"}, "changed", "ends 10 days earlier: 2026-12-01T00:00:00Z, was 2026-12-11T00:00:00Z; in force for 30 days, was 40 days; return due 2026-12-31T00:00:00Z"),
        ({"starts": "2026-11-01T12:00:00Z"}, "changed", "starts 12 hours later: 2026-11-01T12:00:00Z, was 2026-11-01T00:00:00Z; in force for 39 days, was 40 days"),
        ({"fields": '["volume"]'}, "changed", "gains the field volume"),
        ({"id": "op-2"}, "removed", "pen-trap, 2026-11-01T00:00:00Z until 2026-12-11T00:00:00Z (40 days); what it recorded stays"),
    ],
)  # fmt: skip
def test_an_orders_change_is_told_in_words(tmp_path, more, word, how):
    """Window with its duration, fields gained, orders that come and go."""
    order = '[[order]]\nid = "{id}"\nkind = "pen-trap"\ndocket = "d"\nissued = 2026-11-01T00:00:00Z\nstarts = {starts}\nends = {ends}\nofficers = ["o"]\nfields = {fields}\n'
    usual = {"id": "op-1", "starts": "2026-11-01T00:00:00Z", "ends": "2026-12-11T00:00:00Z", "fields": "[]"}
    old = rules_of(tmp_path / "a", orders=order.format(**usual))
    new = rules_of(tmp_path / "b", orders=order.format(**(usual | more)))
    changes = rule_changes(old, new)
    assert Change("order op-1", word, how) in changes
    assert [change.word for change in changes if change.subject == "order op-2"] == ["added"] * ("id" in more)
    assert rule_changes(old, old) == []


def test_services_exceptions_answers_and_operations_are_told(tmp_path):
    """What else could change is named, added and removed."""
    old = rules_of(tmp_path / "a")
    service = '[[services]]\ntransport = "udp"\nport = 99\nfamily = "zeroaccess"\n'
    except_ = '[[except]]\ndomain = "good.evil-one.com"\n'
    new = rules_of(tmp_path / "b", services=service, extra=except_)
    told = {(change.subject, change.word): change.how for change in rule_changes(old, new)}
    assert told == {
        ("service", "added"): "udp port 99: op-zeroaccess",
        ("exception", "added"): "good.evil-one.com and everything beneath it, of op",
    }
    other = rules_of(tmp_path / "c", name="other")
    told = {(change.subject, change.word) for change in rule_changes(old, other)}
    assert told == {
        ("operation", "added"),
        ("operation", "removed"),
        ("order op-1", "removed"),
        ("order other-1", "added"),
    }
