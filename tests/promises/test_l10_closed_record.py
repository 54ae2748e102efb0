"""L-10: the record is a closed list of numbers and enums; a change of it is a change of what the court was told."""

import json
import re
from pathlib import Path

from collector.ground import record
from collector.ground.codes import Action, Application, Fate, Flaw, Kind, Transport, Trust
from collector.ground.record import FIELDS, RECORD, RECORD_SIZE

GOLDEN = Path(__file__).with_name("record-fields.json")


def test_l10_the_records_fields_are_the_golden_ones():
    """Names, order, widths and statutory class of every field, held against a copy that counsel has seen."""
    assert [field._asdict() for field in FIELDS] == json.loads(GOLDEN.read_text())
    assert RECORD_SIZE == 58


def test_l10_no_field_could_hold_text():
    """Every field is a number of at most 8 bytes, but for the two addresses, which are 16 bytes wide."""
    wide = [field.name for field in FIELDS if field.code not in "qQiIhHbB"]
    assert wide == ["src", "dst"]
    assert all(field.code == "16s" for field in FIELDS if field.name in wide)
    assert RECORD.size == sum({"q": 8, "16s": 16, "I": 4, "H": 2, "B": 1}[field.code] for field in FIELDS)
    assert {field.statute for field in FIELDS} <= {"addressing", "volume", "signalling", "bookkeeping"}


def test_l10_the_docstring_tells_the_same_table():
    """The record's docstring names each field at its offset."""
    rows = re.findall(r"^    (\d+) +(\w+) +(?:i64|16 B|u\d+)", record.__doc__, re.MULTILINE)
    offset = 0
    for field, (told, name) in zip(FIELDS, rows, strict=True):
        assert (name, int(told)) == (field.name, offset)
        offset += {"q": 8, "16s": 16, "I": 4, "H": 2, "B": 1}[field.code]


def test_l10_the_enums_are_closed():
    """The only words about a check-in that leave the process; numbers in old journals keep their meaning."""
    assert {
        kind.__name__: {member.name: int(member) for member in kind}
        for kind in (Transport, Application, Trust, Kind)
    } == {
        "Transport": {"TCP": 6, "UDP": 17},
        "Application": {"OPAQUE": 0, "HTTP": 1, "TLS": 2},
        "Trust": {"HANDSHAKE": 0, "PROXY": 1, "DATAGRAM": 2},
        "Kind": {"DOMAIN": 0, "SERVICE": 1},
    }
    assert [fate.name.lower() for fate in Fate] == [
        "recorded", "suppressed_probe", "suppressed_scope", "suppressed_clock", "suppressed_window", "rejected_silent",
        "rejected_proxy", "rejected_parse", "dropped_overload", "dropped_disk", "dropped_crash",
    ]  # fmt: skip
    assert [int(member) for member in (*Action, *Flaw)] == [0, 1, 2, 3] * 2
