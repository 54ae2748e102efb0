"""A load is fixed by its seed, goes to loopback only, and uses no source port twice."""

import random
from datetime import UTC, datetime

import pytest
from clients.listing import Listing, Service, read_operation
from clients.plan import DEFAULT_MIX, Plan, parse_mix
from clients.targets import Target, TargetError, parse_target, source_address

TARGETS = [
    Target("tcp", "127.0.0.1", 8080),
    Target("tcp", "::1", 8080),
    Target("tcp", "127.0.0.1", 8443, service=True),
    Target("udp", "127.0.0.1", 16464, service=True),
]
LISTING = Listing(tuple(f"d{n}.example" for n in range(50)), (Service("tcp", None, 8443),))


def plan(seed: int, count: int = 2000) -> Plan:
    mix = parse_mix(DEFAULT_MIX, TARGETS)
    return Plan(seed=seed, rate=500.0, count=count, mix=mix, targets=TARGETS, listing=LISTING, sources=300)


def test_the_seed_alone_decides_a_plan():
    first = list(plan(7))
    assert first == list(plan(7))
    assert first != list(plan(8))


def test_times_rise_at_the_asked_rate():
    dues = [check_in.due for check_in in plan(3, 5000)]
    assert dues == sorted(dues)
    assert 5000 / dues[-1] == pytest.approx(500, rel=0.1)


def test_no_source_address_and_port_is_used_twice():
    used = [(c.source, c.port, c.target) for c in plan(5, 5000)]
    assert len(set(used)) == len(used)
    assert len({(source, port) for source, port, _ in used}) == len(used)


def test_kinds_go_only_where_their_fate_is_decided():
    for check_in in plan(9, 5000):
        assert (check_in.target.transport == "udp") == (check_in.kind == "udp")
        if check_in.kind.startswith("opaque"):
            assert check_in.target.service
        if check_in.kind.startswith("silent"):
            assert not check_in.target.service


def test_a_mix_leaves_out_what_has_no_target():
    assert "udp" not in parse_mix(DEFAULT_MIX, TARGETS[:1]).kinds
    assert parse_mix("http_lf=1,tls=2", TARGETS).kinds[0] == "http_lf"
    with pytest.raises(ValueError, match="nonsense"):
        parse_mix("nonsense=1", TARGETS)


@pytest.mark.parametrize(
    "text", ["192.0.2.1:80", "example.org:80", "0.0.0.0:80", "[::]:80", "sctp://127.0.0.1:80"]
)
def test_targets_off_loopback_are_refused(text):
    with pytest.raises(TargetError):
        parse_target(text)


def test_targets_are_read():
    assert parse_target("127.0.0.1:8080") == Target("tcp", "127.0.0.1", 8080)
    assert parse_target("udp://[::1]:53") == Target("udp", "::1", 53)


def test_source_addresses_are_distinct_loopback_ones():
    made = [source_address(number) for number in range(70_000)]
    assert len(set(made)) == len(made)
    assert all(address.startswith("127.") and not address.endswith((".0", ".255")) for address in made)


def test_only_what_is_listed_now_is_called_listed(tmp_path):
    (tmp_path / "a.csv").write_text(
        "domain,family,action,registry,valid_from,valid_until\n"
        "now.example,tinba,redirect,,,\n"
        "old.example,tinba,redirect,,,2026-01-01\n"
        "later.example,tinba,redirect,,2099-01-01,\n"
        "blocked.example,tinba,block,,,\n"
        "taken-off.example,tinba,redirect,,,\n"
    )
    (tmp_path / "o.toml").write_text(
        '[[domains]]\nfile = "a.csv"\n[[except]]\ndomain = "taken-off.example"\n'
        '[[services]]\ntransport = "udp"\nport = 16464\nfamily = "zeroaccess"\n'
    )
    found = read_operation(tmp_path / "o.toml", 10, random.Random(1), datetime(2026, 11, 22, tzinfo=UTC))
    assert found == Listing(("now.example",), (Service("udp", None, 16464),))
