"""Schedules: what may be listed, when its rows count, and how a wrong line is told."""
# ruff: noqa: E501 - a table's row stays on one line

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from publicsuffixlist import PublicSuffixList

from collector.ground.codes import Action
from collector.ground.errors import ConfigurationError
from collector.orders.compile import compile_rules
from collector.orders.instants import ALWAYS_US, DAY_US, NEVER_US, parse_us, to_text
from collector.orders.names import canonical, listable, name_flaw
from collector.orders.schedule import PROBLEMS_MAX, Schedule, Term
from collector.orders.suffixes import is_public_suffix, suffix_rules
from collector.orders.windows import first_overlap, spans

HEADER = "domain,family,action,registry,valid_from,valid_until\n"


def read(text: str | bytes) -> Schedule:
    schedule = Schedule()
    schedule.read(text if isinstance(text, bytes) else text.encode(), "a.csv", 0, 0)
    return schedule


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("evil.com", "evil.com"),
        ("EVIL.Com.", "evil.com"),
        ("evil.co.uk", "evil.co.uk"),
        ("evil.duckdns.org", "evil.duckdns.org"),
        ("www.ck", "www.ck"),  # an exception of the list: *.ck are suffixes, www.ck is not
        ("_tjyfkxidkk.xn--90au9ce.xn--p1ai", "_tjyfkxidkk.xn--90au9ce.xn--p1ai"),
        ("a-b.c--d.com", "a-b.c--d.com"),
        ("x" * 63 + ".com", "x" * 63 + ".com"),
        (".".join(["a" * 61] * 4) + ".commm", ".".join(["a" * 61] * 4) + ".commm"),
        ("evil.unknowntld", "evil.unknowntld"),
    ],
)
def test_names_that_may_be_listed(text, name):
    """They come out lower-case and without the root's dot."""
    assert listable(text) == name


@pytest.mark.parametrize(
    ("text", "expected", "remedy"),
    [
        ("com", "at least two labels", "in full"),
        ("localhost", "at least two labels", "in full"),
        ("co.uk", "below a public suffix", "everybody's"),
        ("duckdns.org", "below a public suffix", "everybody's"),
        ("foo.ck", "below a public suffix", "everybody's"),
        ("xn--p1ai", "at least two labels", "in full"),
        ("192.0.2.1", "not an address", "[[services]]"),
        ("0x7f.1", "not an address", "[[services]]"),
        ("2001:db8::1", "not an address", "[[services]]"),
        ("[::1]", "not an address", "[[services]]"),
        ("evil.com:80", "without a port", "every port"),
        ("http://evil.com", "a domain name alone", "without scheme"),
        ("evil.com/path", "a domain name alone", "without scheme"),
        ("*.evil.com", "without a wildcard", "write evil.com"),
        (" evil.com", "without spaces", "remove the space"),
        ("evil..com", "non-empty labels", "single dots"),
        (".com", "non-empty labels", "single dots"),
        ("", "non-empty labels", "in full"),
        ("x" * 64 + ".com", "at most 63 characters (RFC 1035 2.3.4), one has 64", "correct"),
        (".".join(["a" * 61] * 4) + ".commmm", "at most 253 characters (RFC 1035 2.3.4), this has 254", "correct"),
        ("-evil.com", "hyphen (not at an edge)", "'-evil'"),
        ("ev il.com", "labels of a-z", "'ev il'"),
        ("evil.c0m-", "labels of a-z", "'c0m-'"),
        ("evil.1om", "last one beginning with a letter", "'1om'"),
        ("bücher.de", "A-label", "xn--bcher-kva.de"),
        ("straße.de", "A-label", "standards disagree"),
        ("evil.\u212aom", "A-label", "write the name as the registry"),
        ("evil\udcff.com", "UTF-8", "save the file as UTF-8"),
    ],
)  # fmt: skip
def test_names_that_may_not(text, expected, remedy):
    """Each is refused with what was expected and what to do."""
    assert listable(text) is None
    told = name_flaw(text)
    assert expected in told[0]
    assert remedy in told[1]


def test_public_suffixes_agree_with_the_package():
    """Our three sets say what the package's own lookup says, for every rule and for names around it."""
    package = PublicSuffixList()
    rules = suffix_rules()
    names = [*rules.exact, *rules.exception]
    names += ["x." + name for name in names] + ["y.x." + name for name in rules.wildcard]
    names += [name.partition(".")[2] or name for name in names]
    wrong = [name for name in names if is_public_suffix(name) != package.is_public(name)]
    assert not wrong
    assert len(names) > 20_000


@given(st.text(alphabet="ab-_.1A", max_size=12))
def test_a_canonical_name_is_a_fixed_point(text):
    """Canonical names stay as they are, keep within their alphabet, and every other text has an explanation."""
    name = canonical(text)
    if name is None:
        assert all(name_flaw(text))
    else:
        assert canonical(name) == name == text.lower().removesuffix(".")
        assert all(1 <= len(label) <= 63 and label.strip("-") == label for label in name.split("."))


@pytest.mark.parametrize("text", [HEADER.replace("\n", "\r\n") + "evil.com,Tinba,REDIRECT,verisign,2026-11-01,\r\n\r\n",
                                  "\ufeff" + HEADER + "EVIL.com.,tinba,redirect,verisign,2026-11-01T00:00:00Z,",
                                  HEADER + 'evil.com,tinba,"redirect",verisign,2026-11-01T01:00:00+01:00,\n\n'])  # fmt: skip
def test_forms_of_the_same_row(text):
    """CRLF, byte order mark, case, quotes, empty lines and zones make no difference."""
    schedule = read(text)
    assert not schedule.problems
    assert schedule.names == [b"evil.com"]
    assert schedule.term_list == [
        Term(0, "tinba", Action.REDIRECT, "verisign", parse_us("2026-11-01"), NEVER_US, 0)
    ]


@pytest.mark.parametrize(
    ("line", "place", "found", "expected"),
    [
        ("evil.com,tinba,redirect,verisign,2026-11-01", "line 3", "5 columns", "6 columns"),
        ("evil.com,tinba,redirect,verisign,,,", "line 3", "7 columns", "6 columns"),
        ("evil.com,,redirect,verisign,,", "line 3, column family", "nothing", "1 to 64 of a-z"),
        ("evil.com,=tinba,redirect,verisign,,", "line 3, column family", "'=tinba'", "beginning with a letter"),
        ("evil.com,tinba,seize,verisign,,", "line 3, column action", "'seize'", "redirect, register, transfer, block"),
        ("evil.com,tinba,redirect,=cmd(),,", "line 3, column registry", "'=cmd()'", "formula"),
        ("evil.com,tinba,redirect,x,2026-13-01,", "line 3, column valid_from", "'2026-13-01'", "RFC 3339"),
        ("evil.com,tinba,redirect,x,,2026-11-01T00:00:00", "line 3, column valid_until", "'2026-11-01T00", "zone"),
        ("evil.com,tinba,redirect,x,2026-11-02,2026-11-02", "line 3, column valid_until", "2026-11-02 to 2026-11-02", "exclusive"),
        ("co.uk,tinba,redirect,x,,", "line 3, column domain", "'co.uk'", "public suffix"),
        ('"evil.com,tinba,redirect,x,,', "line 3", "unexpected end of data", "balanced quotes"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_told(line, place, found, expected):
    """File, line, column, what stood there, what should."""
    schedule = read(HEADER + "good.com,tinba,redirect,x,,\n" + line + "\n")
    (problem,) = schedule.problems
    assert (problem.file, problem.place) == ("a.csv", place)
    assert found in problem.found
    assert expected in problem.expected
    assert problem.remedy
    assert schedule.names[0] == b"good.com"


@pytest.mark.parametrize(
    "text", ["", "evil.com,tinba,redirect,x,,\n", HEADER.replace("registry", "tld"), "\xff\xfe"]
)
def test_the_header_is_required(text):
    """Without it the columns could be any."""
    (problem,) = read(text).problems
    assert (problem.place, problem.expected) == ("line 1", HEADER.strip())


def test_many_problems_are_counted():
    """The first are told, the rest is a number: a wrong column would fill the screen with millions."""
    problems = read(HEADER + "evil,tinba,redirect,x,,\n" * 1000).problems
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1].found == f"{1000 - PROBLEMS_MAX} more problems of such kinds"


def test_overlapping_rows_are_told_with_both_lines(write):
    """A record belongs to one row, so windows of one domain must not overlap."""
    rows = (
        "evil.com,tinba,redirect,x,2026-11-01,2026-11-03\n"
        "good.com,tinba,redirect,x,,\n"
        "Evil.com,tinba,redirect,x,2026-11-02,2026-11-04\n"
    )
    path = write(schedule=HEADER + rows)
    with pytest.raises(ConfigurationError) as caught:
        compile_rules([path], path.parent / "rules")
    (problem,) = caught.value.problems
    assert problem.place == "line 4, column domain"
    assert problem.found == (
        "evil.com from 2026-11-02T00:00:00Z to 2026-11-04T00:00:00Z, "
        "and line 2 has it from 2026-11-01T00:00:00Z to 2026-11-03T00:00:00Z"
    )
    assert "do not overlap" in problem.expected
    assert not list((path.parent / "rules").glob("*.index"))


def test_touching_rows_do_not_overlap(write):
    """valid_until is exclusive."""
    rows = "evil.com,tinba,redirect,x,2026-11-01,2026-11-03\nevil.com,tinba,redirect,x,2026-11-03,\n"
    path = write(schedule=HEADER + rows)
    assert compile_rules([path], path.parent / "rules")


def test_grace_widens_but_never_over_a_neighbours_own_dates():
    """At most one row counts at a time; grace ends at a neighbour's own dates; block never counts."""
    rng = random.Random(7)
    for _ in range(300):
        edges = sorted(rng.sample(range(60), rng.choice((2, 4, 6))))
        grace = rng.choice((0, 1, 3, 10))
        actions = [rng.choice((Action.REDIRECT, Action.REDIRECT, Action.BLOCK)) for _ in edges[::2]]
        terms = [
            Term(0, "f", action, "", begin, end, grace)
            for action, begin, end in zip(actions, edges[::2], edges[1::2], strict=True)
        ]
        assert first_overlap(terms) is None
        made = spans(terms)
        for now in range(-12, 72):
            counting = [span for span in made if span.in_us <= now < span.out_us]
            assert len(counting) <= 1
            own = [term for term in terms if term.from_us <= now < term.until_us]
            near = [
                term
                for term in terms
                if term.from_us - grace <= now < term.until_us + grace
                and term.action != Action.BLOCK
                and not any(now < other.from_us < term.from_us for other in terms)
                and not any(term.until_us < other.until_us <= now for other in terms)
            ]
            if own:
                assert bool(counting) == (own[0].action != Action.BLOCK)
                assert not counting or counting[0].from_us == own[0].from_us
            else:
                assert bool(counting) == bool(near)


def test_instants():
    """Dates are 00:00 UTC, fractions are exact, zones count; anything else is nothing, as is what UTC's calendar has not."""
    assert parse_us("1970-01-02") == DAY_US
    assert parse_us("1970-01-01T00:00:00.000001Z") == 1
    assert parse_us("1970-01-01t01:00:00+01:00") == 0
    assert parse_us("9999-12-31T23:59:59.999999Z") == 253402300799999999
    for wrong in (
        "",
        "2026-1-1",
        "2026-02-30",
        "2026-11-01T00:00Z",
        "2026-11-01T00:00:60Z",
        "20261101",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "٢٠٢٦-11-01",
    ):
        assert parse_us(wrong) is None
    assert to_text(0) == "1970-01-01T00:00:00Z"
    assert (to_text(ALWAYS_US), to_text(NEVER_US)) == ("always", "never")
