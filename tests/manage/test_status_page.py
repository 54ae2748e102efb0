"""The status page as text: escaped, balanced, summing up, quiet when all is well, and never more than aggregates."""

import base64
import hashlib
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from status_world import (
    DAY,
    EMPTY,
    LOOKS,
    MACHINE,
    NOW,
    ORDER,
    PARTNER,
    QUIET,
    TROUBLE,
    WELL,
    Structure,
    counts,
    minutes,
    partner_days,
)

from collector.exports.victims import FEW, Ranked, Victims, ranked, rounded
from collector.manage.status import style
from collector.manage.status.concern import Urgency
from collector.manage.status.concerns import concerns, document
from collector.manage.status.look import GROUPS, MINUTE_COLUMNS
from collector.manage.status.page import HEADERS, quarters, status_page
from collector.manage.status.picture import LEAST, WHOLE, shares
from collector.manage.status.words import edge, size, when

ROOT = Path(__file__).resolve().parent.parent.parent


@settings(max_examples=40, deadline=None)
@given(look=LOOKS)
def test_no_text_of_the_configuration_becomes_html(look) -> None:
    """Whatever names orders, partners, sensors and families have: tags and attributes are those of a page with harmless names,
    every tag is closed, and no attribute holds a handler, a style or an address to go to.
    """
    seen = Structure(status_page(look))
    assert not seen.unbalanced
    assert seen.tags == Structure(status_page(_harmless(look))).tags
    for tag, name, value in seen.attributes:
        assert not name.startswith("on"), (tag, name)
        assert name not in ("style", "src", "action", "srcdoc"), (tag, name)
        assert name != "href" or value.startswith("data:image/svg+xml,"), value


def _harmless(look):
    """The same look with letters for every text, of the same order."""
    places = {"": ""}

    def plain(text):
        return places.setdefault(text, "n" + "i" * len(places))

    def ranking(of):
        return Ranked(tuple((plain(name), count) for name, count in of.rows), of.more)

    victims = look.victims
    return replace(
        look,
        sensor="x",
        version="x",
        victims=replace(
            victims,
            families=ranking(victims.families),
            countries=ranking(victims.countries) if victims.countries is not None else None,
        ),
        orders=tuple(replace(order, order="x", operation="x") for order in look.orders),
        injunctions=tuple(("x", expires) for _, expires in look.injunctions),
        partners=tuple(
            replace(
                one,
                partner="x",
                days=tuple(replace(day, missing=tuple(map(plain, day.missing))) for day in one.days),
            )
            for one in look.partners
        ),
    )


def test_the_texts_are_all_there() -> None:
    """Escaping loses nothing: a name of markup is read back as it is, where it stands in the page."""
    name = """<script>alert("x")</script>&amp;'"""
    look = replace(TROUBLE, sensor=name, orders=(replace(ORDER, order=name, operation=name),))
    assert Structure(status_page(look)).text.count(name) >= 4


@given(values=st.lists(st.integers(0, 10**15), min_size=1, max_size=8))
def test_the_bar_is_divided_to_the_unit(values) -> None:
    """The parts fill the bar exactly, what is there is seen, what is not has no room, and more is never less."""
    parts = shares(values)
    assert sum(parts) == (WHOLE if any(values) else 0)
    assert all((part >= LEAST) if value else (part == 0) for value, part in zip(values, parts, strict=True))
    total = sum(values)
    for value, part in zip(values, parts, strict=True):
        assert not total or abs(part - value * WHOLE / total) <= LEAST * len(values)


@settings(max_examples=40, deadline=None)
@given(look=LOOKS)
def test_the_equation_s_picture_sums_up(look) -> None:
    """The bar's parts stand one after the other from its beginning to its end; the terms shown add up to what was accepted."""
    look = replace(
        look,
        counts=replace(look.counts, accepted={"tcp": sum(look.counts.fates.values()) + look.counts.open}),
    )
    page = status_page(look)
    bar = page.partition('<svg id="bar"')[2].partition("</svg>")[0]
    at = 0
    for x, width in re.findall(r'x="(\d+)" y="0" width="(\d+)"', bar):
        assert int(x) == at
        at += int(width)
    assert at == (WHOLE if look.counts.accepted_all else 0)
    terms = page.partition('<dl class="terms">')[2].partition("</dl>")[0]
    accepted, *others = (int(text.replace(",", "")) for text in re.findall(r"<dd>([\d,]+)</dd>", terms))
    assert accepted == sum(others) == look.counts.accepted_all


def test_a_broken_equation_is_unmistakable() -> None:
    """The page says by how much, in the verdict, in the picture and in its tab's title."""
    page = status_page(replace(WELL, counts=counts(difference=3, recorded=10)))
    assert "<title>In trouble" in page
    assert "Equation holds: no" in page
    assert "broken by 3" in page
    assert '<rect class="missing"' in page
    assert "unaccounted for</dt><dd>3</dd>" in page
    fewer = status_page(replace(WELL, counts=counts(difference=-3, recorded=10)))
    assert "<title>In trouble" in fewer
    assert "broken by -3" in fewer


@settings(max_examples=40, deadline=None)
@given(look=LOOKS)
def test_the_last_hours_are_shown_to_the_unit(look) -> None:
    """The sums over the last hour and the last day are those of their minutes, by picture's words and by table."""
    page = status_page(look)
    for name, slots in (("hour", look.minutes[-60:]), ("day", look.minutes)):
        total = sum(sum(counts[: len(GROUPS)]) for counts in slots if counts is not None)
        section = page.partition(f'id="{name}-heading"')[2].partition("</section>")[0]
        assert f"<b>{total:,}</b> check-in" in section
        table = section.partition("<tbody>")[2].partition("</tbody>")[0]
        numbers = [
            int(text.replace(",", "")) for text in re.findall(r'<td class="number">([\d,]+)</td>', table)
        ]
        assert sum(numbers) == total


@given(
    now=st.integers(0, 1439).map(lambda minute: float(minute * 60 + 17)),
    known=st.lists(st.none() | st.tuples(*[st.integers(0, 99)] * len(QUIET)), min_size=1440, max_size=1440),
)
@settings(max_examples=8, deadline=None)
def test_quarters_of_an_hour_begin_on_the_quarter(now, known) -> None:
    """Each begins at :00, :15, :30 or :45, no minute is lost but those of an oldest quarter that is not whole, and one in
    which no collector ran is None.
    """
    slots = quarters(replace(WELL, now=now, minutes=tuple(known)))
    assert len(slots) == 96
    assert all(label[3:] in ("00", "15", "30", "45") for label, _ in slots)
    kept = 95 * 15 + int(now // 60) % 15 + 1
    whole = [one for one in known[-kept:] if one is not None]
    assert [sum(column) for column in zip(*(one for _, one in slots if one), strict=True)] == [
        sum(column) for column in zip(*whole, strict=True)
    ]
    assert quarters(replace(WELL, minutes=(None,) * 1440))[0][1] is None


@given(counted=st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 40), max_size=8))
def test_a_small_count_cannot_be_seen(counted) -> None:
    """No count from 1 to 9 comes out of a ranking, neither as a number nor by its place: others give the same ranking."""
    made = ranked(counted)
    assert all(count is None or count >= FEW for _, count in made.rows)
    swapped = {name: (FEW - count if 0 < count < FEW else count) for name, count in counted.items()}
    assert ranked(swapped) == made


@pytest.mark.parametrize(
    ("count", "told"),
    [(0, 0), (1, None), (9, None), (10, 10), (19, 10), (99, 90), (100, 100), (119, 110), (123_456, 120_000)],
)
def test_the_sum_is_told_roughly(count, told) -> None:
    """The sum over all countries is rounded down, so that the one that is not told does not follow from the others."""
    assert rounded(count) == told


def test_few_addresses_are_shown_as_few() -> None:
    """A family or a country with fewer than ten addresses is "<10", with an empty bar; so is a sum."""
    victims = Victims(NOW - DAY, None, families=ranked({"tinba": 1}), countries=ranked({"LI": 9}))
    page = status_page(replace(WELL, victims=victims))
    assert page.count("&lt;10</td>") == 2
    assert page.count('class="fill" width="0"') >= 2
    assert "fewer than 10 addresses" in page
    values = document(replace(WELL, victims=victims))["victims"]
    assert values["families"]["rows"] == (("tinba", None),)


def _change(**changes):
    return replace(WELL, **changes)


def _machine(**changes):
    return _change(machine=replace(MACHINE, **changes))


def _order(**changes):
    return _change(orders=(replace(ORDER, **changes),))


def _partner(**changes):
    return _change(partners=(replace(PARTNER, **changes),))


def _minute(**counts):
    """A minute with some counts by column."""
    return tuple(counts.get(column, 0) for column in MINUTE_COLUMNS)


def _lately(*last):
    return _change(minutes=minutes(*last))


URGENT, SOON = Urgency.NOW, Urgency.SOON
ENDED = {"active": False, "return_due": None}
CASES = [
    (WELL, []),
    (EMPTY, []),
    (_change(workers_answering=0), [(URGENT, "PentrapNotAnswering")]),
    (_change(workers_answering=1), [(URGENT, "PentrapNotAnswering")]),
    (_change(counts=counts(difference=1)), [(URGENT, "PentrapEquationBroken")]),
    (_change(counts=counts(difference=-1)), [(URGENT, "PentrapEquationBroken")]),
    (_change(not_recording_because=("disk refuses",)), [(URGENT, "PentrapDroppedDisk")]),
    (_change(not_recording_because=("clock unsure",)), [(URGENT, "PentrapClockUnsure")]),
    (_change(not_recording_because=("no order in force",), orders=()), [(SOON, "PentrapOrderEnded")]),
    (_change(files_refused=True), [(URGENT, "PentrapReloadRefused")]),
    (_lately(_minute(dropped=1, disk=1)), [(URGENT, "PentrapDroppedDisk")]),
    (_lately(_minute(dropped=1, overload=1)), [(SOON, "PentrapDroppedOverload")]),
    (_lately(_minute(dropped=1, crash=1)), [(SOON, "PentrapDroppedCrash")]),
    (_lately(_minute(dropped=1, disk=1), *[QUIET] * 59), [(URGENT, "PentrapDroppedDisk")]),
    (_lately(_minute(dropped=1, disk=1), *[QUIET] * 60), []),
    (_lately(_minute(refusals=1)), [(URGENT, "PentrapFsyncErrors")]),
    (_lately(_minute(kernel=1)), [(SOON, "PentrapKernelDropped")]),
    (_lately(_minute(corrupt=1), *[QUIET] * 1000), [(SOON, "PentrapCorruptBlocks")]),
    (_lately(_minute(recorded=100), *[QUIET] * 10), [(SOON, "PentrapTrafficCliff")]),
    (_lately(_minute(recorded=99), *[QUIET] * 10), []),
    (_lately(_minute(recorded=100), *[QUIET] * 9), []),
    (_lately(_minute(recorded=100), *[None] * 9, QUIET), []),
    (_order(return_due=NOW + 14 * DAY), []),
    (_order(return_due=NOW + 14 * DAY - 1), [(SOON, "PentrapReturnDueIn14Days")]),
    (_order(return_due=NOW + 7 * DAY - 1), [(URGENT, "PentrapReturnDueIn7Days")]),
    (_order(return_due=NOW - 40 * DAY), [(URGENT, "PentrapReturnDueIn7Days")]),
    (_order(return_due=None), []),
    (_order(ends=NOW + 7 * DAY, chain_ends=NOW + 7 * DAY), []),
    (_order(ends=NOW + 7 * DAY - 1, chain_ends=NOW + 7 * DAY - 1), [(SOON, "PentrapOrderEndsIn7Days")]),
    (_order(ends=NOW + 7 * DAY - 1, chain_ends=NOW + 60 * DAY), []),
    (_order(ends=NOW, chain_ends=NOW, **ENDED), [(URGENT, "PentrapOrderEnded")]),
    (_order(ends=NOW - DAY + 1, chain_ends=NOW - DAY + 1, **ENDED), [(URGENT, "PentrapOrderEnded")]),
    (_order(ends=NOW - DAY, chain_ends=NOW - DAY, **ENDED), []),
    (_order(ends=NOW, chain_ends=NOW + DAY, **ENDED), []),
    (_change(injunctions=(("op", NOW + 30 * DAY),)), []),
    (_change(injunctions=(("op", NOW + 30 * DAY - 1),)), [(SOON, "PentrapInjunctionExpiresIn30Days")]),
    (_machine(checkpoint=NOW - 600), []),
    (_machine(checkpoint=NOW - 601), [(SOON, "PentrapAuditUnsigned")]),
    (_machine(disk_free=MACHINE.disk_reserve * 2), []),
    (_machine(disk_free=MACHINE.disk_reserve * 2 - 1), [(SOON, "PentrapDiskFilling")]),
    (_machine(disk_free=MACHINE.disk_reserve - 1), [(URGENT, "PentrapDiskBelowReserve")]),
    (_machine(disk_free=0, disk_refuses=True), []),
    (_partner(days=partner_days("late")), [(SOON, "PentrapExportLate")]),
    (_partner(days=partner_days("to come")), []),
    (_partner(days=partner_days(("incomplete", ("sinkhole-2",)))), [(SOON, "PentrapExportLate")]),
    (_partner(waiting_since=NOW - 2 * DAY), []),
    (_partner(waiting_since=NOW - 2 * DAY - 1), [(SOON, "PentrapExportNotPulled")]),
]


@pytest.mark.parametrize(("look", "expected"), CASES)
def test_what_needs_attention(look, expected) -> None:
    """Each trouble is told with its urgency and its runbook heading, at its limit and not before; what is well is quiet."""
    assert [(concern.urgency, concern.runbook) for concern in concerns(look)] == expected


@pytest.mark.skipif(not (ROOT / "deploy" / "RUNBOOK.md").exists(), reason="the runbook is being written")
def test_runbook_headings_exist() -> None:
    """Each concern's heading is one of deploy/RUNBOOK.md."""
    text = (ROOT / "deploy" / "RUNBOOK.md").read_text()
    assert told_headings() <= set(re.findall(r"^## (\w+)$", text, re.MULTILINE))


def test_every_heading_is_told_by_a_case_above() -> None:
    """No concern is left out of the table of cases."""
    assert told_headings() == {runbook for _, expected in CASES for _, runbook in expected}


def told_headings() -> set[str]:
    """As the modules write them."""
    folder = ROOT / "collector" / "manage" / "status"
    return {
        name for path in folder.glob("*.py") for name in re.findall(r'"(Pentrap[A-Z]\w+)"', path.read_text())
    }


def test_partners_in_the_same_trouble_are_told_together() -> None:
    """One line for all that lack the same days, another for the one that lacks others."""
    names = ("cert-a", "cert-b", "cert-c", "cert-d")
    days = [partner_days("late")] * 3 + [partner_days("late", "late")]
    partners = tuple(replace(PARTNER, partner=name, days=of) for name, of in zip(names, days, strict=True))
    assert [concern.what for concern in concerns(_change(partners=partners))] == [
        "cert-a, cert-b and cert-c have not got 2026-11-21",
        "cert-d has not got 2026-11-20 and 1 later day",
    ]


@settings(max_examples=40, deadline=None)
@given(look=LOOKS)
def test_the_most_urgent_comes_first(look) -> None:
    """Concerns are in order of urgency, each says what to do in a sentence, and page, title and JSON agree on the verdict."""
    found = concerns(look)
    assert [concern.urgency for concern in found] == sorted(concern.urgency for concern in found)
    assert all(concern.action and concern.action[-1] not in ".;" for concern in found)
    word = "All is well" if not found else ("In trouble", "Needs attention")[found[0].urgency]
    page = Structure(status_page(look)).text
    assert page.lstrip().startswith(word)
    assert document(look)["verdict"] == word


def test_all_is_well_and_what_comes_next() -> None:
    """With nothing to do the page says so, and when it will be otherwise."""
    page = Structure(status_page(WELL)).text
    assert "Nothing needs attention. Next: op-1 ends in 40 days, 2027-01-01 14:03 UTC." in page
    assert "Act now" not in page
    assert "Soon" not in page


def test_an_empty_collector_says_that_it_is_empty() -> None:
    """Before the first check-in every part says that there is nothing yet, and nothing is drawn."""
    page = status_page(EMPTY)
    assert "All is well" in page
    for words in ("No check-in has come", "None yet.", "No partner is configured", "no collector ran"):
        assert words in page
    assert "NaN" not in page
    nothing = status_page(
        replace(EMPTY, orders=(), not_recording_because=("no order in force",), victims=Victims())
    )
    assert "No order is loaded" in nothing
    assert "No geo database is configured" in nothing


def test_the_policy_lets_this_style_and_this_script_run_and_nothing_else() -> None:
    """The headers name the hashes of exactly the one style and the one script, and nothing may come from elsewhere."""
    page = status_page(WELL)
    policy = HEADERS["Content-Security-Policy"]
    for tag in ("style", "script"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"https?://[^\"' ]+", page.replace(quoted_namespace(), "")) == []


def quoted_namespace() -> str:
    """The one address in the page: the name of SVG in the icon, which nobody fetches."""
    return "http%3A//www.w3.org/2000/svg"


def test_script_and_style_end_where_they_should() -> None:
    """Neither holds what would end its element early."""
    page = status_page(WELL)
    assert page.count("</script>") == page.count("<script>") == 1
    assert page.count("</style>") == page.count("<style>") == 1


TEXT_PAIRS = [
    *[(ink, ground) for ink in ("ink", "soft") for ground in ("ground", "card", "soon-ground")],
    ("ok", "card"),
    ("soon", "card"),
    ("now", "card"),
    ("soon", "soon-ground"),
    ("now-ink", "now-ground"),
]
SHAPE_PAIRS = [(name, "card") for name in ("accent", "recorded", "suppressed", "rejected", "dropped", "open")]


@pytest.mark.parametrize("palette", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_contrast(palette) -> None:
    """WCAG 2.2: text 4.5 against its ground (1.4.3), shapes that mean something 3 (1.4.11), by day and by night."""
    for ink, ground in TEXT_PAIRS:
        assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground)
    for shape, ground in SHAPE_PAIRS:
        assert contrast(palette[shape], palette[ground]) >= 3, (shape, ground)


def contrast(one: str, other: str) -> float:
    """Of two colours, by WCAG's definition."""
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (123_456, "123 kB"),
        (2_048_000_000, "2.0 GB"),
        (10**13, "10.0 TB"),
    ],
)
def test_sizes(count, said) -> None:
    """Bytes are said in the unit that fits."""
    assert size(count) == said


def test_moments() -> None:
    """Midnight is told as its date; a distance in the words of `pentrap order show`."""
    midnight = datetime(2026, 12, 31, tzinfo=UTC).timestamp()
    assert (edge(midnight), edge(midnight + 60)) == ("2026-12-31", "2026-12-31 00:01")
    assert (when(NOW + 3 * DAY, NOW), when(NOW - 3600, NOW), when(NOW, NOW)) == (
        "in 3 days",
        "1 hour ago",
        "now",
    )
