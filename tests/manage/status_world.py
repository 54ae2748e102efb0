"""Looks at a collector, made by hand: one that is well, changes to it, and one with everything in it that a look can hold."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from hypothesis import strategies as st

from collector.exports.victims import Ranked, Victims, ranked
from collector.ground.codes import Fate
from collector.manage.status.look import MINUTE_COLUMNS, Counts, Look, Machine, Order, Partner, PartnerDay

NOW = datetime(2026, 11, 22, 14, 3, 22, tzinfo=UTC).timestamp()
TODAY = datetime(2026, 11, 22, tzinfo=UTC).date()
DAY = 86_400
GB = 10**9
FATES = {fate.name.lower(): 0 for fate in Fate}
QUIET = (0,) * len(MINUTE_COLUMNS)


def counts(open_now=0, difference=0, **fates) -> Counts:
    """An equation that holds, but for `difference`."""
    named = FATES | fates
    accepted = sum(named.values()) + open_now + difference
    return Counts({"tcp": accepted, "udp": 0}, named, open_now, {"tcp": 0, "udp": 0}, 0, 0, 0, 0)


def minutes(*last, quiet=QUIET):
    """A day of quiet minutes that ends with these."""
    return (quiet,) * (1440 - len(last)) + last


def partner_days(*last, state="complete"):
    """The last seven days; the last ones as told: a state, or a state and the sensors that are missing."""
    told = [(one, ()) if isinstance(one, str) else one for one in last]
    states = [(state, ())] * (7 - len(told)) + told
    return tuple(PartnerDay(TODAY - timedelta(days=7 - n), *one) for n, one in enumerate(states))


ORDER = Order("op-1", "op", True, NOW - 20 * DAY, NOW + 40 * DAY, NOW + 70 * DAY, NOW + 40 * DAY)
PARTNER = Partner("cert-a", partner_days(), NOW - 8 * 3600, NOW - 7 * 3600, None)
MACHINE = Machine(600 * GB, 900 * GB, 2 * GB, False, 0, True, 120, 0.0009, 1822, NOW - 1)
WELL = Look(
    now=NOW,
    sensor="sinkhole-1",
    version="0.1.0",
    started=NOW - 3 * DAY,
    workers=2,
    workers_answering=2,
    not_recording_because=(),
    files_refused=False,
    counts=counts(67, recorded=61_204_331, suppressed_scope=2_911_004, rejected_silent=2_110_608),
    minutes=minutes(quiet=(790, 40, 27, *[0] * 7)),
    victims=Victims(
        NOW - DAY,
        1_900_000,
        families=ranked({"andromeda": 812_345, "urlzone": 301_222, "bolek": 220, "marcher": 3}),
        countries=ranked({"IN": 412_345, "DE": 12_000, "LI": 7, "": 15_000}),
    ),
    orders=(ORDER,),
    injunctions=(("op", NOW + 300 * DAY),),
    partners=(PARTNER,),
    machine=MACHINE,
)
EMPTY = replace(
    WELL,
    started=NOW - 42,
    counts=counts(),
    minutes=(None,) * 1439 + (QUIET,),
    victims=Victims(countries=Ranked()),
    injunctions=(),
    partners=(),
)
TROUBLE = replace(
    WELL,
    workers_answering=1,
    not_recording_because=("disk refuses",),
    counts=counts(
        67, recorded=61_204_331, suppressed_scope=2_911_004, rejected_silent=2_110_608, dropped_disk=25_512
    ),
    minutes=minutes(
        *[None] * 60, *[(0, 40, 20, 750, 0, 750, 0, 2, 1, 0)] * 34, quiet=(790, 40, 27, *[0] * 7)
    ),
    orders=(
        replace(ORDER, ends=NOW + 2 * DAY, chain_ends=NOW + 2 * DAY),
        Order("op-0", "op", False, NOW - 90 * DAY, NOW - 26 * DAY, NOW + 4 * DAY, NOW - 26 * DAY),
    ),
    partners=(
        replace(PARTNER, days=partner_days("late", "late"), waiting_since=NOW - 3 * DAY),
        replace(PARTNER, partner="cert-b", days=partner_days(("incomplete", ("sinkhole-2",)))),
    ),
    machine=replace(MACHINE, disk_free=0, disk_refuses=True),
)

_count = st.integers(0, 10**12)
_text = st.text(min_size=1, max_size=20) | st.sampled_from(
    [
        "<b>",
        '"><i>',
        "' onclick='x",
        "</table>",
        "<!--",
        "&lt;b&gt;",
        "<script>",
        "</script>",
        '" title="x',
        "`<u>`",
    ]
)
_moment = st.floats(0, 4 * 10**9)
_minute = st.none() | st.tuples(*[st.integers(0, 10**6)] * len(MINUTE_COLUMNS))
_ranking = st.dictionaries(_text, st.integers(0, 10**7), max_size=15).map(ranked)
_days = st.lists(
    st.builds(
        PartnerDay,
        st.dates(datetime(2026, 1, 1).date(), datetime(2030, 1, 1).date()),  # noqa: DTZ001 - a date
        st.sampled_from(["complete", "incomplete", "to come", "late", "none"]),
        st.tuples(_text),
    ),
    min_size=7,
    max_size=7,
).map(tuple)
LOOKS = st.builds(
    Look,
    now=_moment,
    sensor=_text,
    version=_text,
    started=_moment,
    workers=st.just(2),
    workers_answering=st.integers(0, 2),
    not_recording_because=st.lists(
        st.sampled_from(["disk refuses", "clock unsure", "no order in force"]), unique=True, max_size=3
    ).map(tuple),
    files_refused=st.booleans(),
    counts=st.builds(
        Counts,
        st.fixed_dictionaries({"tcp": _count, "udp": _count}),
        st.fixed_dictionaries(dict.fromkeys(FATES, _count)),
        _count,
        st.fixed_dictionaries({"tcp": _count, "udp": _count}),
        *[_count] * 4,
    ),
    minutes=st.lists(_minute, min_size=60, max_size=60).map(lambda last: (QUIET,) * 1380 + tuple(last)),
    victims=st.builds(
        Victims, _moment, st.none() | _count, st.booleans(), _ranking, st.none() | _ranking
    ),
    orders=st.lists(
        st.builds(Order, _text, _text, st.booleans(), _moment, _moment, st.none() | _moment, _moment), max_size=3
    ).map(tuple),
    injunctions=st.lists(st.tuples(_text, _moment), max_size=2).map(tuple),
    partners=st.lists(
        st.builds(Partner, _text, _days, st.none() | _moment, st.none() | _moment, st.none() | _moment), max_size=2
    ).map(tuple),
    machine=st.builds(
        Machine, _count, _count, _count, st.booleans(), st.integers(0, 2), st.none() | st.booleans(),
        st.none() | st.integers(-(10**6), 10**6), st.floats(0, 100), _count, _moment,
    ),
)  # fmt: skip
"""Any look, its texts hostile."""

VOID = frozenset(("meta", "link", "br", "img", "input", "hr"))


class Structure(HTMLParser):
    """A page's tags with their attributes' names, in order; its text; what is wrong with it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        """Tag, name, value."""
        self.texts: list[str] = []
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All of it but style and script."""
        return "".join(self.texts)
