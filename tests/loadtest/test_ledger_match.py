"""Ledger and rows: what must be there is there exactly once, and nothing else is."""

from types import SimpleNamespace

import pytest
from clients.ledger import ALERT, Entry, Ledger, answered, read_ledger, whole_http
from clients.match import compare, expected_fates
from clients.plan import CheckIn
from clients.speech import Expected, Speech
from clients.targets import Target


def entry(number=0, begin=1_000_000, end=1_005_000, fate="recorded", domain="d.example", **other):
    values = {"kind": "http_plain", "transport": "tcp", "src_ip": "127.64.0.1", "src_port": 20000, "dst_ip": "127.0.0.1",
              "dst_port": 8080, "application": "http", "answered": True, "how": "fin"} | other  # fmt: skip
    return Entry(number=number, begin_us=begin, end_us=end, fate=fate, domain=domain, **values)


def row(of: Entry, time_us=None, record=None, **other):
    values = {
        "time_us": of.begin_us + 10 if time_us is None else time_us,
        "key": (of.src_ip, of.src_port, of.dst_ip, of.dst_port, of.transport),
        "application": of.application,
        "domain": of.domain,
        "identity": ("s", of.number if record is None else record),
    }
    return SimpleNamespace(**(values | other))


def test_every_answered_listed_check_in_once_holds():
    made = [entry(n, src_port=20000 + n) for n in range(5)] + [entry(9, fate="suppressed_scope", src_port=9)]
    verdict = compare(made, [row(e) for e in made[:5]])
    assert verdict.holds
    assert verdict.answered_recorded == 5


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda made, rows: rows.pop(), "lost"),
        (lambda made, rows: rows.append(row(made[0], record=77)), "unexpected"),
        (lambda made, rows: rows.append(row(entry(8, src_port=7))), "unexpected"),
        (lambda made, rows: rows.append(row(made[2])), "unexpected"),
        (lambda made, rows: rows.__setitem__(0, row(made[0], domain="e.example")), "wrong_domain"),
        (lambda made, rows: rows.__setitem__(0, row(made[0], application="tls")), "wrong_application"),
        (lambda made, rows: rows.__setitem__(0, row(made[0], time_us=3_000_000)), "lost"),
        (lambda made, rows: rows.__setitem__(0, row(made[0], record=1)), "duplicate"),
    ],
)
def test_each_disagreement_is_found(spoil, what):
    made = [entry(n, src_port=20000 + n) for n in range(3)]
    made[2] = made[2]._replace(fate="suppressed_scope", domain=None)
    rows = [row(e) for e in made[:2]]
    assert compare(made, rows).holds
    spoil(made, rows)
    verdict = compare(made, rows)
    assert not verdict.holds
    assert getattr(verdict, what) == 1


def test_an_unanswered_check_in_may_be_recorded_or_not():
    made = [entry(n, src_port=20000 + n, answered=False, how="rst") for n in range(2)]
    verdict = compare(made, [row(made[0])])
    assert verdict.holds
    assert (verdict.unanswered_recorded, verdict.unanswered_missing) == (1, 1)


def test_one_key_used_again_is_told_apart_by_time():
    made = [entry(n, begin=n * 1_000_000, end=n * 1_000_000 + 5000) for n in range(1, 4)]
    assert compare(made, [row(e) for e in made]).holds
    assert compare(made, [row(made[0]), row(made[0], record=50), row(made[2])]).lost == 1


def test_overlapping_windows_of_one_key_are_matched_as_well_as_can_be():
    wide = entry(1, begin=1_000_000, end=9_000_000)
    narrow = entry(2, begin=2_000_000, end=3_000_000)
    rows = [row(narrow, time_us=2_500_000), row(wide, time_us=2_600_000)]
    assert compare([wide, narrow], rows).holds


def test_datagrams_are_counted_apart_and_wait_in_the_kernel():
    made = [entry(n, transport="udp", answered=False, how="sent", src_port=n, domain=None) for n in (1, 2)]
    verdict = compare(made, [row(made[0], time_us=made[0].end_us + 2_000_000)])
    assert verdict.holds
    assert (verdict.datagrams_recorded, verdict.datagrams_missing) == (1, 1)


def test_what_was_refused_has_no_expected_fate():
    assert expected_fates([entry(1), entry(2, how="refused"), entry(3, fate="rejected_parse")]) == {
        "recorded": 1,
        "rejected_parse": 1,
    }


def test_answered_is_what_the_contract_says():
    good = b"HTTP/1.1 200 OK\r\nX-Sinkhole: malware\r\nContent-Length: 2\r\n\r\nok"
    assert answered("http", good, "fin")
    assert not answered("http", good, "rst")
    assert not answered("http", good[:-1], "fin")
    assert not answered("http", b"", "fin")
    assert answered("tls", ALERT, "fin")
    assert not answered("tls", b"", "fin")
    assert answered("opaque", b"", "fin")
    assert not answered("opaque", b"x", "fin")
    assert whole_http(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_a_ledger_reads_back_as_written(tmp_path):
    ledger = Ledger(tmp_path / "deep" / "l.csv")
    speech, target = Speech((), "http"), Target("tcp", "127.0.0.1", 8080)
    for want in (Expected("recorded", "d.example", "http"), Expected("suppressed_scope", None, "http")):
        ledger.write(
            CheckIn(3, 0.5, "http_lf", target, "127.64.0.1", 1, speech, want), 4711, (5, 6), True, "fin"
        )
    ledger.close()
    first, second = read_ledger(tmp_path / "deep" / "l.csv")
    assert (first.src_port, first.begin_us, first.end_us, first.answered) == (4711, 5, 6, True)
    assert (first.domain, second.domain, second.fate) == ("d.example", None, "suppressed_scope")


def test_a_foreign_file_is_not_taken_for_a_ledger(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="line 1"):
        list(read_ledger(tmp_path / "x.csv"))
