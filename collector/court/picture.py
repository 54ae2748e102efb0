"""Check-ins by day as a picture: bars in SVG, where an order began or ended marked, nothing but shapes and text.

The figures are in a table beside it; the picture's title and description say what it shows to whoever cannot see it.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from collector.ground.markup import round_up

WIDTH, HEIGHT = 960, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 16, 44, 40
_GRID_LINES = 4
_LABELS_MAX = 12
"""Dates below the axis: more would run into one another."""
_BAR_MAX = 64


class Edge(NamedTuple):
    """Where an order begins or ends: an instant in RFC 3339."""

    moment: str
    words: str


def bars(days: Sequence[tuple[str, int]], edges: Sequence[Edge]) -> str:
    """The picture of (day, check-ins), in order of day."""
    if not days:
        return "<p>No day on which recording was possible.</p>"
    top = round_up(max(count for _, count in days))
    plot_width, plot_height = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
    slot = plot_width / len(days)
    bar = min(_BAR_MAX, slot * 0.78)
    base = HEIGHT - _BOTTOM
    peak_day, peak = max(days, key=lambda item: item[1])
    total = sum(count for _, count in days)
    described = (
        f'<desc id="bars-text">{len(days)} days from {escape(days[0][0])} to {escape(days[-1][0])}, {total:,} check-ins '
        f"in all; most on {escape(peak_day)}: {peak:,}.</desc>"
    )
    parts = [
        f'<svg role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-labelledby="bars-title bars-text" class="bars">',
        '<title id="bars-title">Check-ins recorded on each day (UTC)</title>',
        described,
    ]
    for line in range(_GRID_LINES + 1):
        y = base - plot_height * line / _GRID_LINES
        parts.append(
            f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{top * line // _GRID_LINES:,}</text>'
        )
    every = -(-len(days) // _LABELS_MAX)
    for place, (day, count) in enumerate(days):
        middle = _LEFT + slot * (place + 0.5)
        height = plot_height * count / top
        parts.append(
            f'<rect x="{middle - bar / 2:.2f}" y="{base - height:.2f}" width="{bar:.2f}" height="{height:.2f}">'
            f"<title>{escape(day)}: {count:,}</title></rect>"
        )
        if place % every == 0:
            label = day if len(days) == 1 else day[5:]
            parts.append(
                f'<text x="{middle:.1f}" y="{base + 18}" text-anchor="middle">{escape(label)}</text>'
            )
    parts += _edges(days, edges, slot, base)
    years = " to ".join(dict.fromkeys((days[0][0][:4], days[-1][0][:4])))
    parts.append(
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end">month and day of {years}, UTC</text></svg>'
    )
    return "".join(parts)


def _edges(days: Sequence[tuple[str, int]], edges: Sequence[Edge], slot: float, base: int) -> list[str]:
    """Dashed lines with words on two levels, so that neighbours do not cover each other."""
    parts = []
    for number, edge in enumerate(edges):
        before = sum(day < edge.moment[:10] for day, _ in days)
        within = before < len(days) and days[before][0] == edge.moment[:10]
        x = _LEFT + slot * (before + (_share_of_day(edge.moment) if within else 0))
        y = 14 + 15 * (number % 2)
        anchor = "end" if x > WIDTH / 2 else "start"
        shift = -4 if anchor == "end" else 4
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 10}" y2="{base}" class="edge"/>'
            f'<text x="{x + shift:.1f}" y="{y}" text-anchor="{anchor}">{escape(edge.words)}</text>'
        )
    return parts


def _share_of_day(moment: str) -> float:
    hours, minutes, seconds = (int(part) for part in moment[11:19].split(":"))
    return (hours * 3600 + minutes * 60 + seconds) / 86_400
