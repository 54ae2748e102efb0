"""Operation files: each mistake is told with file, place, found, expected and remedy, and all at once."""
# ruff: noqa: E501 - a table's row stays on one line

import json
from pathlib import Path

import pytest

from collector.audit.log import make_entry
from collector.audit.tiles import ENTRY_MAX
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.answer import NOTICE_MAX, load_answer
from collector.orders.docket import SCHEDULES_BYTES_MAX, read_operations
from collector.orders.instants import parse_us

ORDER_2 = """
[[order]]
id = "avalanche-2"
kind = "pen-trap"
docket = "x"
issued = 2026-12-31T00:00:00Z
starts = 2026-12-31T00:00:00Z
ends   = 2027-03-01T00:00:00Z
extends = "avalanche-1"
officers = ["officer-1"]
"""


def problems_of(*paths: Path) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        read_operations(paths)
    return caught.value.problems


def test_the_contracts_example_is_read_whole(write):
    """Every key of the contract's operation file is taken, and comes back typed."""
    more = 'extends = "avalanche-0"\nterminated = 2026-12-01T00:00:00Z\nofficers'
    older = (
        ORDER_2.replace("avalanche-2", "avalanche-0")
        .replace("2026-12-31", "2026-09-01")
        .replace("2027-03-01", "2026-10-31")
    )
    path = write(
        ("officers", more),
        ("fields = []", 'fields = ["volume"]'),
        ("[[services]]", '[[except]]\ndomain = "good.evil.com"\n\n[[services]]'),
        ('file = "a.csv"', 'file = "a.csv"\ngrace_days = 2'),
        ("issued = 2026-11-01T00:00:00Z", "issued = 2026-11-01T00:00:00Z\nexpires = 2027-11-01T00:00:00Z"),
    )
    path.write_text(path.read_text() + older.replace('extends = "avalanche-1"\n', ""))
    operation = read_operations([path])[0]
    order = operation.orders[0]
    assert (operation.name, order.id, order.fields, order.extends) == (
        "avalanche",
        "avalanche-1",
        ("volume",),
        "avalanche-0",
    )
    assert order.ends_us == parse_us("2026-12-01T00:00:00Z")
    assert operation.domains[0].grace_days == 2
    assert operation.exceptions[0].domain == "good.evil.com"
    assert order.annex[0].tlp == "AMBER"
    assert operation.injunction.expires is not None


MISTAKES = [
    # (replaced, by, place, found, expected, remedy): the parts of the text that must be there
    ('operation = "avalanche"', 'operation = "Avalanche"', "operation", "'Avalanche'", "1 to 32 of a-z and 0-9", "correct operation"),
    ('operation = "avalanche"', "", "operation", "nothing", "the operation's name", "add operation = …"),
    ('operation = "avalanche"', 'operation = "avalanche"\ndomain = 1', "domain", "an unknown key, 'domain'", "one of operation", "remove domain"),
    ('court = "Example District Court"', "court = 5", "[injunction] court", "a number (not shown: sealed)", "the court's name", "correct court"),
    ('court = "Example', 'extra = "Example', "[injunction] court", "nothing", "the court's name", "add court = …"),
    ("[injunction]", "[[injunction]]", "[injunction]", "", "a table: [injunction]", "write [injunction]"),
    ("status = 200", "status = 302", "[answer] status", "302", "none of 300 to 399", "write 200"),
    ("status = 200", "status = 100", "[answer] status", "100", "from 200 to 599", "correct status"),
    ("status = 200", 'status = "200"', "[answer] status", "'200'", "from 200 to 599", "remove the quotes"),
    ("X-Sinkhole: malware", "Location: http://example.com/", "[answer] header", "'Location'", "send the machine elsewhere", "remove it"),
    ("X-Sinkhole: malware", "sEt-cOOkie: a=b", "[answer] header", "'sEt-cOOkie'", "leave a mark", "remove it"),
    ("X-Sinkhole: malware", "X-A: b\\r\\nX-C: d", "[answer] header", r"X-A: b\\r\\nX-C: d", "one line", "X-Sinkhole: malware"),
    ("X-Sinkhole: malware", "no colon", "[answer] header", "'no colon'", "a name, a colon", "X-Sinkhole: malware"),
    ("X-Sinkhole: malware", "X-Größe: 1", "[answer] header", "X-Größe", "printable ASCII", "X-Sinkhole"),
    ('notice_file = ""', 'notice_file = "n.html"', "[answer] unsealed", "without unsealed = true", "18 USC 3123(d)", "unsealed = true"),
    ('notice_file = ""', 'notice_file = "n.html"\nunsealed = true', "[answer] notice_file", "No such file", "a readable file", "put it into"),
    ('file = "a.csv"', 'file = "b.csv"', "[[domains]] 1 file", "'b.csv', which is not there", "a CSV file", "correct the name"),
    ('file = "a.csv"', 'file = "a.csv"\ngrace_days = -1', "[[domains]] 1 grace_days", "-1", "whole days from 0 to 30", "correct"),
    ('file = "a.csv"', 'file = "a.csv"\n[[domains]]\nfile = "a.csv"', "[[domains]] 2 file", "[[domains]] 1 has too", "once", "remove"),
    ("[[domains]]", "[domains]", "[[domains]]", "[domains]", "once for each", "double brackets"),
    ("[[services]]", '[[except]]\ndomain = "http://x.com/"\n[[services]]', "[[except]] 1 domain", "'http://x.com/'", "a domain name alone", "host name only"),
    ('transport = "udp"', 'transport = "sctp"', "[[services]] 1 transport", "'sctp'", '"tcp" or "udp"', "correct transport"),
    ("port = 16464", "port = 0", "[[services]] 1 port", "0", "from 1 to 65535", "correct port"),
    ("port = 16464", 'port = 16464\naddress = "192.0.2.1:80"', "[[services]] 1 address", "'192.0.2.1:80'", "without port", "leave it out"),
    ('family = "zeroaccess"', 'family = "Zero Access"', "[[services]] 1 family", "'Zero Access'", "a-z, 0-9", "correct family"),
    ('family = "zeroaccess"', 'famly = "zeroaccess"', "[[services]] 1 famly", "an unknown key, 'famly'", "one of transport", "write family"),
    ('id = "avalanche-1"', 'id = "Avalanche_1"', "[[order]] 1 (Avalanche_1) id", "'Avalanche_1'", "a-z, 0-9 and hyphen", "correct id"),
    ('id = "avalanche-1"', 'id = "avalanche-1-s12"', "[[order]] 1 (avalanche-1-s12) id", "'avalanche-1-s12'", "does not end in -s and digits", "write avalanche-1-12"),
    ('kind = "pen-trap"', 'kind = "wiretap"', "[[order]] 1 (avalanche-1) kind", "'wiretap'", '"pen-trap", "emergency"', "court's paper"),
    ("ends   = 2026-12-31T00:00:00Z", "ends = 2026-12-31T00:00:00.000001Z", "[[order]] 1 (avalanche-1) ends", "60 days, 0:00:00.000001 after starts", "at most 60 days after starts for pen-trap (18 USC 3123(c))", "write 2026-12-31T00:00:00Z or earlier"),
    ('kind = "pen-trap"', 'kind = "emergency"', "[[order]] 1 (avalanche-1) ends", "60 days, 0:00:00 after starts", "at most 48 hours after starts for emergency (18 USC 3125(b))", "write 2026-11-03T00:00:00Z or earlier"),
    ("ends   = 2026-12-31T00:00:00Z", "ends = 2026-11-01T00:00:00Z", "[[order]] 1 (avalanche-1) ends", "not after starts", "later than starts", "correct one of the two"),
    ("ends   = 2026-12-31T00:00:00Z", "ends = 2026-12-31", "[[order]] 1 (avalanche-1) ends", "a date without a time", "an instant with its zone", "ends = 2026-12-31T00:00:00Z"),
    ("ends   = 2026-12-31T00:00:00Z", "ends = 2026-12-31T00:00:00", "[[order]] 1 (avalanche-1) ends", "without a zone", "an instant with its zone", "ends = 2026-12-31T00:00:00Z"),
    ("ends   = 2026-12-31T00:00:00Z", "ends = 9999-12-31T23:59:59-23:59", "[[order]] 1 (avalanche-1) ends", "9999-12-31", "an instant with its zone", ""),
    ("officers", 'extends = "avalanche-0"\nofficers', "[[order]] 1 (avalanche-1) extends", "no order of this operation", "another order of this operation", "correct the id"),
    ("officers", 'extends = "avalanche-1"\nofficers', "[[order]] 1 (avalanche-1) extends", "the order itself", "another order", "correct the id"),
    ("officers", "denied = 2026-11-02T00:00:00Z\nofficers", "[[order]] 1 (avalanche-1) denied", "2026-11-02T00:00:00Z", "only in an order of kind emergency", "terminated"),
    ('officers = ["officer-1"]', "officers = []", "[[order]] 1 (avalanche-1) officers", "nothing", "at least one officer", "correct officers"),
    ('officers = ["officer-1"]', 'officers = "officer-1"', "[[order]] 1 (avalanche-1) officers", "text (not shown: sealed)", "at least one officer", "brackets"),
    ("fields = []", 'fields = ["user_agent"]', "[[order]] 1 (avalanche-1) fields 1", "'user_agent'", "nothing else may be recorded", "correct fields"),
    ("retention_days = 90", "retention_days = 0", "[[order]] 1 (avalanche-1) retention_days", "0", "days from 1", "correct retention_days"),
    ('tlp = "AMBER"', 'tlp = "ORANGE"', "[[order]] 1 (avalanche-1) annex 1 tlp", "'ORANGE'", "a TLP 2.0 label", "correct tlp"),
    ("columns = []", 'columns = ["http_host"]', "annex 1 (shadowserver) columns", "'http_host'", "columns of the datasets", "remove it"),
    ("networks = []", 'networks = ["192.0.2.1/24"]', "annex 1 (shadowserver) networks", "'192.0.2.1/24'", "without host bits", "remove it"),
    ("[[order.annex]]", "annex = 3\n[[x]]", "[[order]] 1 (avalanche-1) annex", "3", "tables [[order.annex]]", ""),
    ("issued = 2026-11-01T00:00:00Z\n\n", "issued = 2026-11-01T00:00:00Z\nexpires = 2026-11-01T00:00:00Z\n\n", "[injunction] expires", "not after issued", "later than issued", "correct one"),
    ("retention_days = 90", "retention_days = ", "line 3", "Invalid value", "TOML 1.0", "correct this line"),
]  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=[f"{row[2]}: {row[1][:30]!r}" for row in MISTAKES])
def test_a_mistake_is_told_with_all_its_parts(write, mistake):
    """One mistake gives a problem that names file, place, found, expected and remedy."""
    old, new, place, found, expected, remedy = mistake
    path = write((old, new))
    told = problems_of(path)
    fitting = [
        problem
        for problem in told
        if place in problem.place
        and found in problem.found
        and expected in problem.expected
        and remedy in problem.remedy
    ]
    assert fitting, [str(problem) for problem in told]
    assert all(problem.file == str(path) for problem in told)
    assert all(problem.found and problem.expected and problem.remedy for problem in told)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "[" * 3000, "{a=" * 3000], ids=["digits", "brackets", "braces"]
)
def test_what_python_cannot_read_is_a_mistake_like_others(write, value):
    """An integer of more digits than Python converts, and brackets deeper than it descends, are told and raise nothing else;
    they are not quoted.
    """
    path = write(("retention_days = 90", f"retention_days = {value}"))
    (problem,) = problems_of(path)
    assert (problem.file, problem.place) == (str(path), "the file")
    assert problem.found
    assert problem.expected
    assert problem.remedy
    assert value[:9] not in str(problem)


def test_all_mistakes_are_told_together(write):
    """Mistakes in different tables, and of different checks, come out of one reading."""
    path = write(
        ("status = 200", "status = 302"),
        ("port = 16464", "port = 70000"),
        ("ends   = 2026-12-31", "ends = 2027-12-31"),
        ('tlp = "AMBER"', 'tlp = "AMBER"\nnote = 1'),
    )
    path.write_text(path.read_text() + ORDER_2.replace('"avalanche-1"', '"avalanche-9"'))
    places = [problem.place for problem in problems_of(path)]
    assert len(places) == 4  # the order whose annex is malformed is not looked at further
    assert "[[order]] 2 (avalanche-2) extends" in places


@pytest.mark.parametrize("stem", ["s", "ü" * 100])
def test_an_operation_has_no_more_schedules_than_its_audit_entry_can_name(write, tmp_path, stem):
    """The most schedules that are taken fit into `operation_loaded` beside the longest of everything else; one more is told
    with what to do, however the names are spelled.
    """
    size = len(json.dumps({"file": f"{stem}-0000.csv", "sha256": "0" * 64}, separators=(",", ":"))) + 1
    names = [f"{stem}-{number:04d}.csv" for number in range(SCHEDULES_BYTES_MAX // size)]
    for name in [*names, f"{stem}-last.csv"]:
        (tmp_path / name).write_text("domain,family,action,registry,valid_from,valid_until\n")
    tables = "".join(f'[[domains]]\nfile = "{name}"\n' for name in names)
    path = write(('[[domains]]\nfile = "a.csv"\n', tables))
    schedules = [{"file": table.file, "sha256": "0" * 64} for table in read_operations([path])[0].domains]
    facts = {"operation": "x" * 32, "schedules": schedules, "configuration": "0" * 64, "answer": "0" * 64}
    assert len(schedules) == len(names)
    assert len(make_entry(10**18, 0, "operation_loaded", facts).line) <= ENTRY_MAX
    path.write_text(path.read_text() + f'[[domains]]\nfile = "{stem}-last.csv"\n')
    (problem,) = problems_of(path)
    assert (problem.file, problem.place) == (str(path), "[[domains]]")
    assert problem.found.startswith(f"{len(names) + 1} schedules")
    assert "64,000 bytes" in problem.expected
    assert "join schedules" in problem.remedy


def test_order_ids_and_operations_are_unique_over_files(write):
    """Two files with the same operation and order name each other."""
    first, second = write(), write(name="second.toml")
    told = problems_of(first, second)
    assert [problem.place for problem in told] == ["operation", "[[order]] 1 (avalanche-1) id"]
    assert str(first) in told[0].found
    assert f"{first}: [[order]] 1 (avalanche-1)" in told[1].found


def test_sixty_days_and_48_hours_exactly_are_allowed(write):
    """The limits themselves are lawful; an extension of 60 days is too."""
    path = write()
    path.write_text(path.read_text() + ORDER_2)
    assert len(read_operations([path])[0].orders) == 2
    emergency = write(
        ('kind = "pen-trap"', 'kind = "emergency"'), ("ends   = 2026-12-31", "ends = 2026-11-03")
    )
    assert read_operations([emergency])[0].orders[0].kind == "emergency"


def test_what_is_sealed_is_never_quoted(write):
    """A problem may end up in a log; docket, court and officers stay out of its text (18 USC 3123(d))."""
    secret = "SECRET-0:26-mc-7"
    path = write(
        ('docket = "0:26-mc-00002"', f'docket = ["{secret}"]'),
        ('court = "Example District Court"', f'court = ["{secret}"]'),
        ('officers = ["officer-1"]', f'officers = "{secret}"'),
    )
    assert secret not in "\n".join(map(str, problems_of(path)))


def test_the_answer_is_a_fixed_byte_string(tmp_path):
    """Status line, header, length, close, body; nothing else."""
    (tmp_path / "n.html").write_text('<p>See <a href="https://example.org/">here</a>.</p>')
    table = {"status": 200, "header": "X-Sinkhole: malware", "notice_file": "n.html", "unsealed": True}
    assert load_answer(table, "f", "[answer]", tmp_path) == (
        b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\nContent-Type: text/html; charset=utf-8\r\n"
        b"Content-Length: 51\r\nConnection: close\r\n\r\n" + (tmp_path / "n.html").read_bytes()
    )
    assert load_answer({}, "f", "[answer]", tmp_path) == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    assert load_answer({"status": 204}, "f", "[answer]", tmp_path) == (
        b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    )
    assert load_answer({"status": 599}, "f", "[answer]", tmp_path).startswith(b"HTTP/1.1 599 \r\n")


@pytest.mark.parametrize(
    ("notice", "found"),
    [
        ("<script>alert(1)</script>", "<script>"),
        ("<p onclick='x()'>", "<p onclick"),
        ('<a href="javascript:x()">', "<a href"),
        ("<img src=//x/>", "<img"),
        ('<meta http-equiv="refresh" content="0">', "<meta"),
        ("<iframe>", "<iframe"),
        ("<form>", "<form"),
        ("<style>", "<style"),
        ("a < b", "< b"),
        ("x" * (NOTICE_MAX + 1), f"{NOTICE_MAX + 1} bytes"),
        (b"\xff", "not UTF-8"),
    ],
)
def test_a_notice_holds_nothing_that_acts(tmp_path, notice, found):
    """No script, picture, form, style, refresh; at most 4 KiB; UTF-8."""
    (tmp_path / "n").write_bytes(notice if isinstance(notice, bytes) else notice.encode())
    with pytest.raises(ConfigurationError) as caught:
        load_answer({"notice_file": "n", "unsealed": True}, "f", "[answer]", tmp_path)
    (problem,) = caught.value.problems
    assert problem.place == "[answer] notice_file"
    assert found in problem.found


def test_ended_orders_end_early(write):
    """terminated, obtained and denied end an order at their instant, never later than `ends`."""
    emergency = (('kind = "pen-trap"', 'kind = "emergency"'), ("ends   = 2026-12-31", "ends = 2026-11-03"))
    for key in ("terminated", "obtained", "denied"):
        path = write(*emergency, ("officers", f"{key} = 2026-11-01T12:00:00Z\nofficers"))
        assert read_operations([path])[0].orders[0].ends_us == parse_us("2026-11-01T12:00:00Z")
    path = write(("officers", "terminated = 2027-06-01T00:00:00Z\nofficers"))
    assert read_operations([path])[0].orders[0].ends_us == parse_us("2026-12-31T00:00:00Z")


def test_an_annex_may_name_exactly_the_columns_of_the_datasets():
    """The contract's columns of `events` and `hosts`, no other and none left out."""
    from collector.orders.agreement import DATASET_COLUMNS
    from collector.segments.table import EVENTS

    hosts = {
        "src_ip", "family", "transport", "dst_port", "application", "order_id", "first_seen", "last_seen", "check_ins",
        "active_hours", "src_ports", "domains", "src_port", "dst_ip", "domain", "src_asn", "src_geo", "mark",
        "source_trust", "infection",
    }  # fmt: skip
    assert set(DATASET_COLUMNS) == set(EVENTS.names) | hosts


def test_unbounded_ends_in_words():
    """What has no end or no beginning says so."""
    from collector.orders.instants import ALWAYS_US, NEVER_US, to_text

    assert (to_text(ALWAYS_US), to_text(NEVER_US)) == ("always", "never")
    assert (ALWAYS_US, NEVER_US) == (-(2**63), 2**63 - 1)


def test_a_services_address_is_one_address_however_it_is_written():
    """Plain addresses pass, one with a zone or a name does not, and the same address in other letters is the same service."""
    from collector.orders.agreement import service_problems
    from collector.orders.operation import Service

    def places(*addresses: str) -> list[str]:
        services = [
            (number, Service(transport="udp", port=53, address=address, family="tinba"))
            for number, address in enumerate(addresses, 1)
        ]
        return [problem.place for problem in service_problems(services, "op.toml")]

    assert places("192.0.2.1", "2001:db8::1", "") == []
    assert places("fe80::1%eth0", "host.example", "192.0.2.1:53") == [
        f"[[services]] {number} address" for number in (1, 2, 3)
    ]
    assert places("2001:db8::1", "2001:DB8:0::1") == ["[[services]] 2"]
    assert places("bad", "bad") == ["[[services]] 1 address", "[[services]] 2 address"]
