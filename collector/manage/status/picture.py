"""Pictures in SVG: shapes only, which stretch to whatever room there is; words and figures stand beside them in HTML, so that
they keep their size on a telephone and on a wall. What a picture shows is in its title, its description and a table.

A part that is there is seen: whatever is not nothing has a least width or height, taken from the larger ones. Else one dropped
check-in among a million would look like none.
"""

from collections.abc import Mapping, Sequence
from html import escape

from collector.ground.markup import round_up
from collector.manage.status.look import GROUPS, MINUTE_COLUMNS, Minute

WHOLE = 1000
"""Width of the equation's bar and height of a column, in the picture's own units."""
LEAST = 6
"""The least of either for what is not nothing: some 6 pixels of a bar, 1 of a column."""
BAR_HEIGHT = 10
GAP = "gap"
"""Class of the time in which no collector ran: a band at the foot."""
GAP_HEIGHT = 45


def shares(counts: Sequence[int], whole: int = WHOLE) -> list[int]:
    """`whole` divided as the counts are, to the unit; what is not 0 gets at least LEAST. All 0 where nothing is counted."""
    total = sum(counts)
    if not total:
        return [0] * len(counts)
    parts = [0] * len(counts)
    small = {place for place, count in enumerate(counts) if 0 < count * whole < LEAST * total}
    while True:
        left = whole - LEAST * len(small)
        rest = sum(count for place, count in enumerate(counts) if place not in small)
        smaller = {p for p, count in enumerate(counts) if p not in small and 0 < count * left < LEAST * rest}
        if not smaller:
            break
        small |= smaller
    reached = passed = 0
    for place, count in enumerate(counts):
        if place in small:
            parts[place] = LEAST
        elif count:
            passed += count
            parts[place] = left * passed // rest - reached
            reached += parts[place]
    return parts


def bar(terms: Mapping[str, int], title: str, words: str) -> str:
    """One bar of the terms side by side; each term's name is its class."""
    x = 0
    parts = []
    for (name, count), width in zip(terms.items(), shares(list(terms.values())), strict=True):
        if width:
            parts.append(
                f'<rect class="{name}" x="{x}" y="0" width="{width}" height="{BAR_HEIGHT}">'
                f"<title>{name}: {count:,}</title></rect>"
            )
        x += width
    return _picture("bar", WHOLE, f"0 0 {WHOLE} {BAR_HEIGHT}", title, words, "".join(parts))


def columns(slots: Sequence[tuple[str, Minute | None]], name: str, title: str, words: str) -> tuple[str, int]:
    """A stacked column for each slot (its label, its counts or None), and what the picture's full height stands for."""
    place_of = {group: MINUTE_COLUMNS.index(group) for group in GROUPS}
    totals = [sum(counts[place] for place in place_of.values()) if counts else 0 for _, counts in slots]
    top = round_up(max(totals, default=0))
    paths: dict[str, list[str]] = {group: [] for group in (*GROUPS, GAP)}
    hits = []
    for x, ((label, counts), total) in enumerate(zip(slots, totals, strict=True)):
        said = f"{label}: no collector ran" if counts is None else f"{label}: {total:,}"
        y = WHOLE
        for group, place in place_of.items():
            if counts is None or not counts[place]:
                continue
            height = max(LEAST, counts[place] * WHOLE // top)
            y -= height
            paths[group].append(f"M{x}.08 {y}h.84v{height}h-.84z")
            said += f", {group} {counts[place]:,}" if counts[place] != total else f" {group}"
        if counts is None:
            paths[GAP].append(f"M{x} {WHOLE - GAP_HEIGHT}h1v{GAP_HEIGHT}h-1z")
        hits.append(
            f'<g class="hit"><title>{escape(said)}</title><rect x="{x}" y="0" width="1" height="{WHOLE}"/></g>'
        )
    lines = "".join(
        f'<path class="grid" d="M0 {WHOLE * line // 4}H{len(slots)}"/>' for line in range(4)
    )  # fmt: skip
    shapes = "".join(f'<path class="{group}" d="{"".join(d)}"/>' for group, d in paths.items() if d)
    # A column with several least heights may stand out a little above the top.
    box = f"0 -{LEAST * len(GROUPS)} {len(slots)} {WHOLE + LEAST * len(GROUPS)}"
    return _picture(name, len(slots), box, title, words, lines + shapes + "".join(hits)), top


def meter(share: float, words: str, kind: str = "") -> str:
    """A thin bar that is filled from the left by a share of 0 to 1, beside words that say the same."""
    width = round(min(1.0, max(0.0, share)) * WHOLE)
    return (
        f'<svg class="meter {kind}" viewBox="0 0 {WHOLE} 8" preserveAspectRatio="none" role="img" aria-label="{escape(words)}">'
        f'<rect class="trough" width="{WHOLE}" height="8"/><rect class="fill" width="{width}" height="8"/></svg>'
    )


_SIGNS = {
    "ok": '<circle class="shape" cx="12" cy="12" r="11"/><path d="m7 12.5 3.5 3.5L17 9"/>',
    "soon": '<path class="shape" d="M12 1.5 23 21.5H1z"/><path d="M12 8.5v6.2m0 2.9v.4"/>',
    "now": '<path class="shape" d="M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z"/><path d="M12 6.2v7.3m0 3.6v.5"/>',
}
"""A disc with a tick, a triangle, an octagon: told apart without colour."""


def sign(state: str) -> str:
    """The sign of `ok`, `soon` or `now`, for the eye only: words say it too."""
    return f'<svg class="sign {state}" viewBox="0 0 24 24" aria-hidden="true" focusable="false">{_SIGNS[state]}</svg>'


_DAY_SIGNS = {
    "complete": '<circle cx="8" cy="8" r="6"/>',
    "incomplete": '<circle class="ring" cx="8" cy="8" r="5.2"/><path d="M8 2a6 6 0 0 0 0 12z"/>',
    "to come": '<circle class="ring" cx="8" cy="8" r="5.2"/>',
    "late": '<path class="ring" d="m3.5 3.5 9 9m0-9-9 9"/>',
    "none": '<circle cx="8" cy="8" r="1.6"/>',
}


def day_sign(state: str) -> str:
    """A day of a partner's exports, for the eye only."""
    name = state.replace(" ", "-")
    return f'<svg class="day-sign {name}" viewBox="0 0 16 16" aria-hidden="true" focusable="false">{_DAY_SIGNS[state]}</svg>'


def _picture(name: str, units: int, box: str, title: str, words: str, shapes: str) -> str:
    return (
        f'<svg id="{name}" class="picture {name}" role="img" viewBox="{box}" preserveAspectRatio="none" '
        f'aria-labelledby="{name}-title {name}-words" data-units="{units}"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-words">{escape(words)}</desc>{shapes}</svg>'
    )
