"""The decision table of collector.wire.classify, row by row."""

import pytest
from wire_cases import CASES, NAME, expected, rows

from collector.wire.classify import HEAD_MAX, Conversation, classify

PAIRS = [
    pytest.param(key, *(case if isinstance(case, tuple) else (case, NAME)), id=f"{key}-{number}")
    for key, cases in CASES.items()
    for number, case in enumerate(cases)
]


def test_every_row_of_the_table_has_cases_and_every_case_a_row():
    """No row is only a claim, and no decision is missing from the table."""
    assert set(rows()) == set(CASES)
    assert all(CASES.values())


@pytest.mark.parametrize(("key", "data", "name"), PAIRS)
def test_the_row_holds(key, data, name):
    """Each case gets its row's verdict, and when the row says so: by its bytes, or by their end."""
    if key.startswith("E"):
        assert classify(data, ended=False) is None
    else:
        assert classify(data, ended=False) == expected(key, name)
    assert classify(data, ended=True) == expected(key, name)


@pytest.mark.parametrize(("key", "data", "name"), PAIRS)
def test_the_row_holds_byte_by_byte(key, data, name):
    """The same verdict falls when each byte comes alone, stays, and lets go of what was held."""
    conversation = Conversation()
    verdict = None
    for at in range(len(data)):
        assert verdict is None or verdict == expected(key, name)
        verdict = conversation.feed(data[at : at + 1])
        assert conversation.held == (min(at + 1, HEAD_MAX) if verdict is None else 0)
    assert (verdict is None) == key.startswith("E")
    assert conversation.end() == expected(key, name)
    assert conversation.feed(b"Host: late.example\r\n\r\n") == expected(key, name)


@pytest.mark.parametrize(("key", "data", "name"), [pair for pair in PAIRS if not pair.id.startswith("E")])
def test_what_follows_changes_nothing(key, data, name):
    """Once a verdict has fallen, no bytes behind it change it."""
    for tail in (b"\r\n", b"\0" * 300, b"Host: late.example\r\n\r\n", data):
        assert classify(data + tail, ended=True) == expected(key, name)
