"""The four parts of the record that a court gets (18 USC 3123(a)(3)(A)(i) to (iv)), and what else it should know.

Everything comes from the log's entries, the register of people, the orders and the collected rows; the page (summary.py) is
made from this document, so that no figure is worked out twice.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from collector.audit.log import Entry
from collector.court.collected import DELETED, PRESENT, QUARANTINED, Collected, CollectedFile
from collector.court.log import ReturnLog
from collector.court.scope import RunTime, Scope, days_between, recording_spans, run_times
from collector.orders.chains import gaps_in
from collector.orders.instants import parse_us, to_text, to_us
from collector.orders.kinds import KINDS
from collector.orders.operation import Order

FORMAT = 1
STATUTE = "18 USC 3123(a)(3)(A)"
ORDER_EVENTS = ("order_loaded", "order_extended", "order_changed", "order_ended", "order_removed")
CONFIGURATION_EVENTS = (
    "operation_loaded",
    "operation_removed",
    *ORDER_EVENTS,
    "orders_loaded",
    "configuration_refused",
)
People = Mapping[str, Mapping[str, Any]]


class Findings(NamedTuple):
    """All that a return is made from."""

    scope: Scope
    log: ReturnLog
    people: People
    collected: Collected
    interim: bool
    with_rows: bool


def people_of(own: Sequence[Entry], register: People) -> dict[str, dict[str, Any]]:
    """The people that these entries name, by id; those whose name was erased without it."""
    actors = {entry.facts[key] for entry in own for key in ("actor", "person") if key in entry.facts}
    return {
        actor: {"name": register[actor]["name"], "erased": register[actor]["erased"]}
        for actor in sorted(actors)
        if actor in register
    }


def record(found: Findings) -> dict[str, Any]:
    """The document record.json."""
    scope, own = found.scope, found.log.own
    accesses = _accesses(own, scope)
    return {
        "format": FORMAT,
        "statute": STATUTE,
        "return": f"return-{scope.first}",
        "interim": found.interim,
        "entries": found.log.size,
        "as_of": to_text(found.log.entries[-1].time_us),
        "operation": scope.operation,
        "injunction": _given(scope.injunction.model_dump()),
        "orders": [_order(order) for order in scope.chain],
        "not_covered": [{"from": to_text(gap.from_us), "until": to_text(gap.until_us), "before": gap.before}
                        for gap in gaps_in(scope.chain)],
        "i_officers": {
            "named_in_orders": {order.id: list(order.officers) for order in scope.chain},
            "installed": _named(own, ("installed", "started"), found.people),
            "accessed": _who({access["actor"] for access in accesses}, found.people),
        },
        "ii_times": {
            "installed": [to_text(entry.time_us) for entry in own if entry.event == "installed"],
            "uninstalled": [to_text(entry.time_us) for entry in own if entry.event == "uninstalled"],
            "runs": [_run(run) for run in _runs(found)],
            "recording_possible": [
                {"order": span.order, "from": to_text(span.from_us), "until": to_text(span.until_us)}
                for span in recording_spans(found.log.entries, scope, final=not found.interim)
            ],
            "accesses": accesses,
        },
        "iii_configuration": _configuration(own),
        "iv_collected": _collected(found),
        "not_recorded": _not_recorded(found),
        "clock": {
            "time": "UTC, microseconds, from the machine's clock at the moment of arrival",
            "paused_check_ins": sum((run.stopped.facts["fates"].get("suppressed_clock", 0) if run.stopped else 0)
                                    for run in _runs(found)),
            "vouched_for": [_said(entry) for entry in own if entry.event == "clock_believed"],
        },
        "notice": _notice(own),
        "holds_and_quarantine": [_said(entry) for entry in own
                                 if entry.event in ("hold_set", "hold_lifted", "quarantined", "released")],
        "deletions": [_said(entry) for entry in own if entry.event == "deleted"],
        "earlier_returns": [_said(entry) for entry in own if entry.event in ("returned", "delivered")],
    }  # fmt: skip


def listing(found: Findings) -> dict[str, Any]:
    """The document collected.json."""
    return {
        "format": FORMAT,
        "return": f"return-{found.scope.first}",
        "rows_included": found.with_rows,
        "rows_of_return": found.collected.tally.rows,
        "files": [_file(file) for file in found.collected.files],
        "days": [
            {
                "day": day.day.isoformat(),
                "markers": [f"collected/date={day.day.isoformat()}/{name}" for name in day.markers],
                "streams": dict(sorted(day.streams.items())),
                "kernel_dropped": dict(sorted(day.kernel_dropped.items())),
            }
            for day in found.collected.days
        ],
        "damaged_journals": found.collected.damaged_journals,
    }


def _file(file: CollectedFile) -> dict[str, Any]:
    count = file.count
    return {
        "path": file.path,
        "day": file.day.isoformat(),
        "sha256": file.sha256,
        "bytes": file.bytes,
        "rows": file.rows,
        "rows_of_return": count.ours if count else None,
        "rows_by_order": dict(sorted(count.by_order.items())) if count else None,
        "rows_outside_window": count.outside if count else None,
        "sealed": file.sealed,
        "state": file.state,
        "entry": file.entry,
        "included": file.included,
    }


def _order(order: Order) -> dict[str, Any]:
    kind = KINDS[order.kind]
    given = _given(order.model_dump(exclude={"annex"}))
    return {
        **given,
        "in_force_from": to_text(order.starts_us),
        "in_force_until": to_text(max(order.starts_us, order.ends_us)),
        "statute": kind.statute,
        "partners": [annex.partner for annex in order.annex],
    }


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table of the operation file as JSON; what it does not say is left out."""
    return {
        key: to_text(to_us(value))
        if hasattr(value, "tzinfo")
        else list(value)
        if isinstance(value, tuple)
        else value
        for key, value in table.items()
        if value is not None
    }


def _who(actors: set[str], people: People) -> list[dict[str, str]]:
    return [{"actor": actor, "name": _name(actor, people)} for actor in sorted(actors)]


def _name(actor: str, people: People) -> str:
    person = people.get(actor)
    return (
        "(not in the register)"
        if person is None
        else "(name erased)"
        if person["erased"]
        else str(person["name"])
    )


def _named(own: Sequence[Entry], events: tuple[str, ...], people: People) -> list[dict[str, str]]:
    return _who({entry.facts["actor"] for entry in own if entry.event in events}, people)


def _runs(found: Findings) -> list[RunTime]:
    """Runs of the collector that touch the orders' time."""
    first = min(order.starts_us for order in found.scope.chain)
    return [run for run in run_times(found.log.entries, found.scope, final=not found.interim)
            if run.started.time_us < found.scope.ends_us and run.until_us > first]  # fmt: skip


def _run(run: RunTime) -> dict[str, Any]:
    known = run.how == "stopped"
    return {
        "started": to_text(run.started.time_us),
        "stopped": to_text(run.until_us) if known else None,
        "end": run.how,
        "at_the_latest": None if known or run.how == "running" else to_text(run.until_us),
        "entry": run.started.number,
    }


def _accesses(own: Sequence[Entry], scope: Scope) -> list[dict[str, Any]]:
    closed = {entry.facts["session"]: entry for entry in own if entry.event == "access_closed"}
    accesses = []
    for entry in own:
        if entry.event != "access_opened" or entry.facts["order"] not in scope.ids:
            continue
        end = closed.get(entry.facts["session"])
        known = end is not None and end.facts["end"] == "closed"
        accesses.append(
            {
                "actor": entry.facts["actor"],
                "order": entry.facts["order"],
                "opened": to_text(entry.time_us),
                "closed": to_text(end.time_us) if end and known else None,
                "end": "closed" if known else "unknown" if end else "still open",
                "duration_us": end.facts["duration_us"] if end and known else None,
                "purpose": entry.facts["purpose"],
                "reason": entry.facts["reason"],
                "entry": entry.number,
            }
        )
    return accesses


def _configuration(own: Sequence[Entry]) -> dict[str, Any]:
    """The settings at the first start, the first load of the operation, and every later change."""
    texts: list[dict[str, Any]] = []
    settings: tuple[Any, ...] = ()
    for entry in own:
        if entry.event == "started":
            release = (entry.facts["version"], entry.facts.get("revision", ""))
            now = (entry.facts["configuration"], entry.facts["overrides"], *release)
            if now != settings:
                texts.append(_said(entry))
                settings = now
        elif entry.event in CONFIGURATION_EVENTS and (entry.event != "orders_loaded" or not texts):
            texts.append(_said(entry))
    first = next((place for place, said in enumerate(texts) if said["event"] == "operation_loaded"), 0)
    return {"at_installation": texts[: first + 1], "modifications": texts[first + 1 :]}


def _said(entry: Entry) -> dict[str, Any]:
    return {"entry": entry.number, "time": to_text(entry.time_us), "event": entry.event, **entry.facts}


def _collected(found: Findings) -> dict[str, Any]:
    tally, files = found.collected.tally, found.collected.files
    hosts = tally.hosts()
    counted = {date.fromisoformat(day) for day in tally.by["day"]}
    counted |= {day for span in recording_spans(found.log.entries, found.scope, final=not found.interim)
                for day in days_between(span.from_us, span.until_us)}  # fmt: skip
    first, last = min(counted, default=None), max(counted, default=None)
    days = [] if first is None or last is None else [
        (first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)
    ]  # fmt: skip
    return {
        "rows": tally.rows,
        "hosts": hosts,
        "first": None if tally.first_us is None else to_text(tally.first_us),
        "last": None if tally.last_us is None else to_text(tally.last_us),
        "rows_outside_window": dict(sorted((order, count) for order, count in tally.outside.items() if count)),
        "by_day": [{"day": day, "rows": tally.by["day"][day], "hosts": tally.hosts_by_day.get(day, 0)} for day in days],
        **{f"by_{name}": _table(name, tally.by[name])
           for name in ("order", "application", "transport", "source_trust", "family")},
        "files": {state: sum(file.state == state for file in files) for state in (PRESENT, QUARANTINED, DELETED)},
        "files_with_rows": sum(bool(file.count and file.count.ours) for file in files),
        "bytes": sum(file.bytes for file in files if file.count and file.count.ours),
        "gaps": [{"day": day.day.isoformat(), "stream": stream, "records": held["gaps"]}
                 for day in found.collected.days for stream, held in sorted(day.streams.items()) if held["gaps"]],
        "damaged_journals": len(found.collected.damaged_journals),
    }  # fmt: skip


def _table(name: str, counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Most first; equals by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{name: word, "rows": count} for word, count in ordered]


def _not_recorded(found: Findings) -> dict[str, Any]:
    """What the collector counted and did not record, over all operations: it has no name of what it did not record."""
    fates: dict[str, int] = {}
    for run in _runs(found):
        for fate, count in (run.stopped.facts["fates"] if run.stopped else {}).items():
            fates[fate] = fates.get(fate, 0) + count
    dropped: dict[str, int] = {}
    for day in found.collected.days:
        for transport, count in day.kernel_dropped.items():
            dropped[transport] = dropped.get(transport, 0) + count
    return {
        "fates": dict(sorted(fates.items())),
        "runs_without_counts": sum(run.stopped is None for run in _runs(found)),
        "kernel_dropped": dict(sorted(dropped.items())),
    }


def _notice(own: Sequence[Entry]) -> dict[str, Any]:
    served = [entry.facts for entry in own if entry.event == "notice_served"]
    return {
        "count": sum(facts["count"] for facts in served),
        "since": min((facts["since"] for facts in served), key=_instant, default=None),
        "until": max((facts["until"] for facts in served), key=_instant, default=None),
        "answers": sorted({facts["answer"] for facts in served}),
    }


def _instant(text: str) -> int:
    moment = parse_us(text)
    assert moment is not None
    return moment
