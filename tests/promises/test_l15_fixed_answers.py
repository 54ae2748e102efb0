"""L-15: the answer is one fixed byte string for everybody; nothing of the request, the time or the machine is in it."""

import random
import re
import sys
from pathlib import Path

import pytest
from canaries import Canaries
from collectors import exchange, get, running, write_operation
from conversations import ask_the_operators_side

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "wire"))
from wire_cases import hello, records, server_name

LISTED = b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
DEFAULT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
ALERT = bytes.fromhex("15030100020228")


@pytest.mark.parametrize("durability", ["write", "sync"])
def test_l15_everybody_gets_the_same_bytes(tmp_path, durability):
    """Methods, paths, versions, splits, IPv4 and IPv6: listed gets the operation's bytes, unlisted the default ones."""
    dice = random.Random(15)
    settings = {"intake.durability": durability, "intake.default_answer": {"status": 404}}
    folder = tmp_path
    with running_with_default(folder, settings) as collector:
        for number in range(12):
            host = b"::1" if number % 3 == 0 else b"127.0.0.1"
            address = host.decode()
            path = b"/" + bytes(dice.choices(b"abcdef0123456789", k=dice.randint(0, 60)))
            agent = b"User-Agent: " + bytes(dice.choices(b"xyz", k=20)) + b"\r\n"
            method = dice.choice([b"GET", b"POST", b"get", b"XYZZY", b"HEAD", b"OPTIONS"])
            name = bytes(dice.choices(b"abc", k=5)) + b".evil-one.com"
            request = method + get(name, path, agent)[3:]
            cut = dice.randint(1, len(request) - 1)
            assert exchange(collector.port, request, host=address) == LISTED
            assert exchange(collector.port, request[:cut], request[cut:], host=address) == LISTED
            unlisted = method + get(name.replace(b"evil", b"good"), path, agent)[3:]
            assert exchange(collector.port, unlisted, host=address) == DEFAULT
        assert exchange(collector.port, b"GET / HTTP/1.0\r\n\r\n") == DEFAULT
        assert exchange(collector.port, get(b"x\0y")) == DEFAULT
        assert exchange(collector.port, get()[:-2], finish=True) == LISTED


@pytest.mark.parametrize("durability", ["write", "sync"])
def test_l15_tls_gets_the_alert_and_opaque_gets_nothing(tmp_path, durability):
    """Seven bytes for every hello, listed or not; no byte for what is neither HTTP nor TLS; then FIN."""
    with running(tmp_path, settings={"intake.durability": durability}) as collector:
        for name in (b"evil-one.com", b"a.evil-two.net", b"good.example"):
            assert exchange(collector.port, records(hello(server_name(name)))) == ALERT
        assert exchange(collector.port, records(hello())) == ALERT
        assert exchange(collector.port, b"\x16\x03\x01\0\x05hello") == ALERT
        assert exchange(collector.port, b"\0\1\2\3") == b""
        assert exchange(collector.port, b"NICK bot\r\n") == b""


def test_l15_the_management_address_reflects_nothing(collector):
    """Whatever stands in a request to it, malformed in any way: the answers are the server's own words, each with a status."""
    canaries = Canaries(15)
    said = ask_the_operators_side(collector, canaries)
    assert canaries.hits(said, "the operator's side") == []
    answers = set(re.findall(rb"HTTP/1\.[01] (\d+) ", said))
    assert answers == {b"200", b"400", b"404", b"421"}
    assert canaries.search(collector.folder) == []


def running_with_default(folder, settings):
    """`running`, with a default answer of its own (an inline table, which the helper's JSON is not)."""
    from collectors import Collector

    table = settings.pop("intake.default_answer")
    made = Collector(folder, settings=settings)
    write_operation(folder / "operations")
    write = made.write_config

    def with_table() -> None:
        write()
        text = made.config.read_text() + f"[intake.default_answer]\nstatus = {table['status']}\n"
        made.config.write_text(text)

    made.write_config = with_table
    return _started(made)


def _started(made):
    import contextlib

    @contextlib.contextmanager
    def started():
        with made:
            yield made.start()

    return started()
