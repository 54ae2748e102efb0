"""The page's tables: each stands beside a picture, or is one itself with a thin bar in each row."""

from collections.abc import Iterable, Sequence
from html import escape

from collector.exports.victims import Ranked, Victims
from collector.ground.codes import Fate
from collector.ground.markup import Cell, Markup, plural, shown, table
from collector.manage.status import words
from collector.manage.status.look import GROUPS, Look, Minute, Order, PartnerDay
from collector.manage.status.picture import day_sign, meter


def fates(look: Look) -> str:
    """Every fate."""
    accepted = look.counts.accepted_all
    rows: list[list[Cell]] = [
        [fate.name.lower(), words.FATES[fate], count, f"{count / accepted:.1%}" if accepted else "—"]
        for fate in Fate
        for count in (look.counts.fates.get(fate.name.lower(), 0),)
    ]
    return _folded(
        "fates",
        "Every fate",
        table("Check-ins by fate", ("Fate", "What it means", "Check-ins", "Share"), rows),
        unfolded=look.counts.group("dropped") > 0,
    )


def series(slots: list[tuple[str, Minute | None]], name: str, title: str) -> str:
    """A picture's figures."""
    rows = [
        [
            label,
            *(
                counts[: len(GROUPS)]
                if counts is not None
                else [Markup("<i>no collector</i>")] + [""] * (len(GROUPS) - 1)
            ),
        ]
        for label, counts in reversed(slots)
    ]
    return _folded(
        f"{name}-figures", "Figures", table(f"{title}, newest first (UTC)", ("From", *GROUPS), rows)
    )


def ranking(ranked: Ranked, head: str, names: tuple[str, str]) -> str:
    """Names with a bar each, most first."""
    if not ranked.rows:
        return '<p class="empty">None yet.</p>'
    top = max(count or 0 for _, count in ranked.rows)
    body = "".join(
        f'<tr><th scope="row">{escape(name) or "unknown"}</th><td class="wide" aria-hidden="true">'
        f'{meter((count or 0) / top if top else 0, "")}</td><td class="number">{escape(words.few(count))}</td></tr>'
        for name, count in ranked.rows
    )
    more = (
        f'<p class="hint">and {ranked.more:,} more {plural(ranked.more, *names)}</p>' if ranked.more else ""
    )
    return (
        f'<table class="ranking"><caption class="unseen">Addresses by {head.lower()}</caption><thead class="unseen"><tr>'
        f'<th scope="col">{head}</th><td></td><th scope="col">Addresses</th></tr></thead><tbody>{body}</tbody></table>{more}'
    )


def countries(victims: Victims) -> str:
    """The same by country, or why not."""
    if victims.countries is None:
        return '<p class="empty">No geo database is configured: <code>[export] geo_db</code> names one.</p>'
    return ranking(victims.countries, "Country", ("country", "countries"))


def orders(look: Look) -> str:
    """Orders with their clocks."""
    if not look.orders:
        return '<p class="empty">No order is loaded: machines are answered, and nothing is recorded.</p>'
    rows = [
        [
            Markup(f"{escape(order.order)}<br><small>{escape(order.operation)}</small>"),
            _state(order, look.now),
            Markup(
                f'<span class="left">{words.edge(order.starts)}</span> to <span class="left">{words.edge(order.ends)}</span>'
            ),
            _clock(order, look.now),
            _due(order, look.now),
        ]
        for order in look.orders
    ]
    heads = ("Order, operation", "State", "In force (UTC)", "Its time", "Return due")
    return _records("Orders and their clocks", heads, rows)


def _state(order: Order, now: float) -> Markup:
    word = "in force" if order.active else "to come" if now < order.starts else "over"
    return Markup(f'<span class="state {word.replace(" ", "-")}">{word}</span>')


def _clock(order: Order, now: float) -> Markup:
    if now < order.starts:
        return Markup(f"begins {words.when(order.starts, now)}")
    if order.ends <= order.starts:
        return Markup("ended before it began")
    if not order.active:
        return Markup(f"ended {words.when(order.ends, now)}")
    left = f"{words.lasted(order.ends - now)} left"
    share = (now - order.starts) / (order.ends - order.starts)
    return Markup(f"{meter(share, f'{share:.0%} of its time is over', 'clock')} {left}")


def _due(order: Order, now: float) -> str:
    if order.return_due is None:
        return "—"
    return f"{words.edge(order.return_due)}, {words.when(order.return_due, now)}"


def partners(look: Look) -> str:
    """Exports by partner: the last days, what is owed, whether they are fetched."""
    if not look.partners:
        return '<p class="empty">No partner is configured.</p>'
    rows = []
    for partner in look.partners:
        whole = [day for day in partner.days if day.state in ("complete", "incomplete")]
        late = sum(day.state == "late" for day in partner.days)
        last = Markup("none")
        if whole:
            missing = (
                f", without {', '.join(whole[-1].missing) or 'a sensor'}"
                if whole[-1].state == "incomplete"
                else ""
            )
            last = Markup(f"{whole[-1].day} <small>{whole[-1].state}{escape(missing)}</small>")
        rows.append(
            [
                partner.partner,
                Markup(f'<span class="days">{"".join(map(_day, partner.days))}</span>'),
                last,
                Markup(f'<span class="state late">{late} late</span>') if late else "none",
                words.when(partner.pulled, look.now) if partner.pulled else "never",
            ]
        )
    heads = (
        "Partner",
        f"Last {len(look.partners[0].days)} days",
        "Last published day",
        "Late",
        "Last pulled",
    )
    key = "".join(
        f"<span>{day_sign(state)} {state}</span>" for state in ("complete", "incomplete", "to come", "late")
    )
    return _records("Exports by partner", heads, rows) + f'<p class="hint key" aria-hidden="true">{key}</p>'


def _day(day: PartnerDay) -> str:
    said = f"{day.day:%d %b}: {'nothing is due' if day.state == 'none' else day.state}"
    return f'<span title="{said}">{day_sign(day.state)}<span class="unseen">{said}; </span></span>'


def machine(look: Look) -> str:
    """Disk, clock, log, processes."""
    machine, counts = look.machine, look.counts
    used = 1 - machine.disk_free / machine.disk_total if machine.disk_total else 0.0
    kernel = sum(counts.kernel_dropped.values())
    short = machine.disk_free < machine.disk_reserve
    tiles = [
        ("Disk", f"{words.size(machine.disk_free)} free",
         meter(used, f"{used:.0%} of the disk is used", "short" if short else "")
         + f"of {words.size(machine.disk_total)}; {words.size(machine.disk_reserve)} are kept for the journal"),
        ("Kernel drops", f"{look.lately('kernel'):,} last hour", f"{kernel:,} since the start, before we saw them"),
        ("Clock", "in doubt" if machine.clock_unsure else "sure", _kernel_clock(look)),
        ("Audit log", f"{machine.entries:,} entries",
         f"all under a signed checkpoint, seen {_ago(machine.checkpoint, look.now)}"),
        ("Journals", f"{words.size(counts.journal_bytes)} waiting", f"{counts.rows:,} rows in Parquet since the start"),
        ("Damage", f"{counts.fsync_errors + counts.corrupt_blocks:,}",
         f"{counts.fsync_errors:,} refused writes, {counts.corrupt_blocks:,} regions that did not verify, since the start"),
        ("Event loop", f"{machine.loop_lag * 1000:.1f} ms late", "the slowest process, last second"),
        ("Running", words.lasted(look.now - look.started),
         f"release {escape(look.version)}, since {words.instant(look.started)} UTC"),
    ]  # fmt: skip
    return '<dl class="tiles">' + "".join(
        f"<div><dt>{name}</dt><dd><b>{escape(value)}</b><small>{more}</small></dd></div>" for name, value, more in tiles
    ) + "</dl>"  # fmt: skip


def _ago(seconds: float, now: float) -> str:
    return "now" if now - seconds < 5 else words.when(seconds, now)


def _kernel_clock(look: Look) -> str:
    machine = look.machine
    if machine.kernel_synchronised is None:
        return "the kernel does not say whether it is synchronised"
    if not machine.kernel_synchronised:
        return "the kernel says that it is not synchronised"
    offset = f", {machine.clock_offset_us / 1000:+.3f} ms off" if machine.clock_offset_us is not None else ""
    return f"synchronised, says the kernel{offset}"


def _records(caption: str, heads: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table whose rows become cards on a telephone; its roles are said, since browsers forget them with the layout."""
    body = "".join(
        '<tr role="row">'
        + "".join(
            f'<td role="cell" data-head="{escape(head)}"><span>{shown(cell)}</span></td>'
            for head, cell in zip(heads, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    head = "".join(f'<th role="columnheader" scope="col">{escape(word)}</th>' for word in heads)
    return _wide(
        caption,
        f'<table role="table" class="records"><caption>{escape(caption)}</caption><thead role="rowgroup"><tr role="row">{head}'
        f'</tr></thead><tbody role="rowgroup">{body}</tbody></table>',
    )


def _folded(name: str, title: str, content: str, *, unfolded: bool = False) -> str:
    return f'<details id="{name}"{" open" if unfolded else ""}><summary>{title}</summary>{_wide(title, content)}</details>'


def _wide(label: str, content: str) -> str:
    """What may be wider than a telephone scrolls by itself, by keyboard too."""
    return f'<div class="scroll" role="group" tabindex="0" aria-label="{escape(label)}">{content}</div>'
