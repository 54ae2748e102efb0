"""The page at `/`: is all well, what needs attention, where did every check-in go, and how it has been lately.

One file that stands alone and asks for nothing from outside; its policy makes the browser see to that, and lets it run no
script but ours, by hash. Without script everything is there, and the page loads itself anew now and then. What comes from the
configuration is escaped; nothing of a request is in it.
"""

import base64
import hashlib
from html import escape
from urllib.parse import quote

from collector.ground.markup import plural
from collector.manage.status import rows, words
from collector.manage.status.concern import VERDICTS, Concern, Urgency, state_of
from collector.manage.status.concerns import concerns
from collector.manage.status.look import GROUPS, Look, Minute
from collector.manage.status.picture import bar, columns, sign
from collector.manage.status.script import EVERY_SECONDS, SCRIPT
from collector.manage.status.style import SIGN_COLOURS, STYLE

HOUR_SLOTS = 60
QUARTER = 15
RELOAD_SECONDS = 60
"""Without script."""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    f"frame-ancestors 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Whoever serves the page sends these."""

BUILD = hashlib.sha256((STYLE + SCRIPT).encode()).hexdigest()[:12]
"""An open page loads itself whole when the collector behind it has another style or script."""


def status_page(look: Look) -> str:
    """The whole page."""
    found = concerns(look)
    state = state_of(found)
    main = "\n".join(
        [
            _verdict(look, found, state),
            _equation(look),
            _lately(look),
            _victims(look),
            _section("orders", "Orders", rows.orders(look)),
            _section("exports", "Exports", rows.partners(look)),
            _section("machine", "The collector itself", rows.machine(look)),
        ]
    )
    icon = quote(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" '
                 f'fill="{SIGN_COLOURS[state]}"/></svg>')  # fmt: skip
    return (
        f'<!DOCTYPE html>\n<html lang="en" data-build="{BUILD}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
        f"<title>{VERDICTS[state]} · {escape(look.sensor)} · Pentrap</title>\n"
        f'<link rel="icon" href="data:image/svg+xml,{icon}">\n'
        f'<noscript><meta http-equiv="refresh" content="{RELOAD_SECONDS}"></noscript>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n{_head(look)}\n"
        f'<main class="{state}">\n{main}\n</main>\n{_foot()}\n<script>{SCRIPT}</script>\n</body>\n</html>\n'
    )


def _head(look: Look) -> str:
    now = words.moment(look.now)
    return (
        f'<header><p class="name">Pentrap <b>{escape(look.sensor)}</b></p>'
        f'<p class="asof" id="asof"><span>{now:%Y-%m-%d}</span> <b><time datetime="{now:%Y-%m-%dT%H:%M:%SZ}">{now:%H:%M:%S}'
        "</time></b> UTC</p>"
        f'<button type="button" id="pause" aria-pressed="false" hidden>Pause</button>'
        f'<p id="stale" role="alert" hidden>No answer from the collector. What you see is as of '
        f"<b>{now:%H:%M:%S}</b> UTC.</p>"
        '<noscript><p class="noscript">Without JavaScript this page loads itself anew once a minute.</p></noscript></header>'
    )


def _verdict(look: Look, found: tuple[Concern, ...], state: str) -> str:
    listed = "".join(_concern(concern) for concern in found)
    attention = (
        f'<h2 class="unseen">What needs attention now</h2><ol class="concerns">{listed}</ol>' if found else ""
    )
    lead = (
        _coming(look)
        if not found
        else f"{len(found)} {plural(len(found), 'thing needs', 'things need')} attention, most urgent first."
    )
    return (
        f'<section class="verdict {state}" aria-labelledby="verdict">'
        f'<div class="headline"><h1 id="verdict">{sign(state)}{VERDICTS[state]}</h1><p>{lead}</p></div>'
        f'<ul class="answers">{"".join(map(_answer, words.answers(look)))}</ul>{attention}</section>'
    )


def _answer(answer: words.Answer) -> str:
    word = "yes" if answer.yes else "no"
    return (
        f'<li class="{word}">{sign("ok" if answer.yes else "now")}<span><b>{answer.question}: {word}</b> '
        f"<small>{escape(answer.detail)}</small></span></li>"
    )


def _concern(concern: Concern) -> str:
    urgency = concern.urgency.name.lower()
    word = "Act now" if concern.urgency is Urgency.NOW else "Soon"
    return (
        f'<li class="{urgency}">{sign(urgency)}<div><h3><span class="urgency">{word}</span> {escape(concern.what)}</h3>'
        f"<p>{_with_code(concern.action)}.</p></div>"
        f'<p class="runbook">deploy/RUNBOOK.md <code>{escape(concern.runbook)}</code></p></li>'
    )


def _with_code(text: str) -> str:
    """Escaped; what stands between backticks is code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


def _coming(look: Look) -> str:
    """What comes next, for whoever has nothing to do."""
    coming = [(order.starts, f"{order.order} begins") for order in look.orders]
    coming += [(order.ends, f"{order.order} ends") for order in look.orders]
    coming += [
        (order.return_due, f"the return of {order.order} is due") for order in look.orders if order.return_due
    ]
    coming += [(expires, f"the injunction of {operation} expires") for operation, expires in look.injunctions]
    ahead = sorted(item for item in coming if item[0] > look.now)
    if not ahead:
        return "Nothing needs attention."
    moment, what = ahead[0]
    return f"Nothing needs attention. Next: {escape(what)} {words.when(moment, look.now)}, {words.instant(moment)} UTC."


def _equation(look: Look) -> str:
    counts = look.counts
    terms = {group: counts.group(group) for group in GROUPS} | {"open": counts.open}
    if counts.difference:
        terms["missing"] = counts.difference
    said = f"{counts.accepted_all:,} accepted = " + " + ".join(
        f"{count:,} {name}" for name, count in terms.items()
    )
    shown = {name: max(0, count) for name, count in terms.items()}
    figures = "".join(
        f'<div class="{name}{" none" if not count else ""}"><dt>{label}</dt><dd>{count:,}</dd></div>'
        for name, label, count in (
            ("accepted", "accepted", counts.accepted_all),
            *(
                (name, {"open": "still open", "missing": "unaccounted for"}.get(name, name), count)
                for name, count in terms.items()
            ),
        )
    )
    dropped = counts.kernel_dropped
    beside = " and ".join(f"{count:,} by {name.upper()}" for name, count in dropped.items())
    return _section(
        "equation",
        "Every check-in has its fate",
        f'<dl class="terms">{figures}</dl>'
        + bar(shown, "The equation", said + ".")
        + (
            '<p class="hint">No check-in has come since the collector started.</p>'
            if not counts.accepted_all
            else ""
        )
        + f'<p class="hint">Counted since {words.instant(look.started)} UTC, when the collector started. '
        f"Beside it: the kernel dropped {beside} before we saw them.</p>" + rows.fates(look),
    )


def _lately(look: Look) -> str:
    hour = [(f"{words.moment(look.now - 60 * (HOUR_SLOTS - 1 - n)):%H:%M}", counts)
            for n, counts in enumerate(look.minutes[-HOUR_SLOTS:])]  # fmt: skip
    return _series("hour", "Last hour", "by minute", hour) + _series(
        "day", "Last day", f"by {QUARTER} minutes", quarters(look)
    )


def quarters(look: Look) -> list[tuple[str, Minute | None]]:
    """The last day by quarter of an hour, the present one last; None where no collector ran in any of its minutes."""
    minute = int(look.now // 60)
    over = minute % QUARTER + 1
    lengths = [over] + [QUARTER] * ((len(look.minutes) - over) // QUARTER)
    slots: list[tuple[str, Minute | None]] = []
    end = len(look.minutes)
    for length in lengths:
        part = [counts for counts in look.minutes[end - length : end] if counts is not None]
        begins = minute - (len(look.minutes) - end) - length + 1
        slots.append((f"{words.moment(begins * 60):%H:%M}", tuple(map(sum, zip(*part, strict=True))) or None))
        end -= length
    return slots[::-1]


def _series(name: str, title: str, step: str, slots: list[tuple[str, Minute | None]]) -> str:
    total = sum(sum(counts[: len(GROUPS)]) for _, counts in slots if counts is not None)
    said = f"{total:,} {plural(total, 'check-in')}"
    picture, top = columns(
        slots, name, f"{title}: check-ins {step}", f"{said}. The figures are in the table below."
    )
    gaps = " Grey at the foot: no collector ran." if any(counts is None for _, counts in slots) else ""
    marks = "".join(
        f"<span>{slots[place][0]}</span>" for place in range(0, len(slots), max(1, len(slots) // 4))
    )
    return (
        f'<section class="card series {name}" aria-labelledby="{name}-heading"><h2 id="{name}-heading">{title}</h2>'
        f'<p class="total"><b>{total:,}</b> {plural(total, "check-in")}</p>'
        f'<figure><div class="plot"><span class="top">{f"{top:,}" if total else ""}</span>{picture}</div>'
        f'<div class="marks" aria-hidden="true">{marks}<span>now</span></div>'
        f"<figcaption>Check-ins {step}, UTC; the last column is not over yet.{gaps}</figcaption></figure>"
        + rows.series(slots, name, title)
        + "</section>"
    )


def _victims(look: Look) -> str:
    victims = look.victims
    least = "at least " if victims.at_least else ""
    total = "fewer than 10" if victims.addresses is None else f"about {least}{victims.addresses:,}"
    since = (
        f"{total} addresses recorded since {words.instant(victims.since)} UTC"
        if victims.families.rows
        else ""
    )
    return _section(
        "families", "Families", rows.ranking(victims.families, "Family", ("family", "families")), since
    ) + _section("countries", "Countries of victims", rows.countries(victims), since)


def _section(name: str, title: str, content: str, hint: str = "") -> str:
    told = f'<p class="hint">{escape(hint)}</p>' if hint else ""
    return (
        f'<section class="card {name}" aria-labelledby="{name}-heading"><h2 id="{name}-heading">{title}</h2>'
        f"{told}{content}</section>"
    )


def _foot() -> str:
    return (
        "<footer><p>Aggregates only. An address is not a machine and not a person: one may hide many (NAT), one machine may "
        "have many, and the source of a single datagram may be forged. Counts of addresses below 10 are shown as &lt;10.</p>"
        f"<p>Fresh every {EVERY_SECONDS} seconds. The same values: <code>pentrap status</code>.</p></footer>"
    )
