"""The fleet's table of kinds: each speech's expected fate follows the contract, and the collector's parser
agrees.
"""

import random

import pytest
from clients.speech import HEAD_MAX, KINDS, Speech, expected, listed_suffix

from collector.ground.codes import Application
from collector.wire.classify import classify

LISTED = frozenset({"a1b2c3.example", "deep.a1b2c3.example", "other.example"})
OTHER = "u1.unlisted-7.example"
RECORDED = {"http", "tls"}


def made(kind: str, seed: int = 1) -> Speech:
    return KINDS[kind].make(random.Random(seed), "a1b2c3.example", OTHER)


@pytest.mark.parametrize("kind", [k for k, row in KINDS.items() if row.group in RECORDED])
def test_listed_kinds_are_recorded_on_every_port(kind):
    for service in (False, True):
        want = expected(made(kind), LISTED, service)
        assert (want.fate, want.domain) == ("recorded", "a1b2c3.example")


@pytest.mark.parametrize("kind", [k for k, row in KINDS.items() if row.group not in RECORDED])
def test_other_kinds_are_recorded_on_a_service_port_only(kind):
    assert expected(made(kind), LISTED, service=True)[:2] == ("recorded", None)
    assert expected(made(kind), LISTED, service=False).fate != "recorded"


@pytest.mark.parametrize(
    ("group", "fate"),
    [("unlisted", "suppressed_scope"), ("broken", "rejected_parse"), ("silent", "rejected_silent")],
)
def test_a_group_has_one_fate_off_service_ports(group, fate):
    kinds = [k for k, row in KINDS.items() if row.group == group]
    assert {expected(made(kind), LISTED, service=False).fate for kind in kinds} == {fate}


def test_the_longest_listed_suffix_wins():
    assert listed_suffix("x.deep.a1b2c3.example", LISTED) == "deep.a1b2c3.example"
    assert listed_suffix("xdeep.a1b2c3.example", LISTED) == "a1b2c3.example"
    assert listed_suffix("a1b2c3.example.org", LISTED) is None
    assert listed_suffix(None, LISTED) is None


@pytest.mark.parametrize(
    "kind", [k for k in KINDS if k not in {"silent_fin", "silent_wait", "opaque_silent"}]
)
@pytest.mark.parametrize("seed", range(20))
def test_the_collectors_parser_reads_what_the_table_says(kind, seed):
    speech = made(kind, seed)
    data = b"".join(part for _, part in speech.steps)[:HEAD_MAX]
    verdict = classify(data, ended=True)
    assert verdict is not None
    assert Application(verdict.application).name.lower() == speech.application
    assert bool(verdict.flaw) == speech.flawed
    if speech.name is not None:
        assert verdict.name == speech.name.lower().encode()
    else:
        assert verdict.name is None or listed_suffix(verdict.name.decode(), LISTED) is None
