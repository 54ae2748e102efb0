"""What may be entered in the audit log: a closed table (law.md L-20), so that nothing of the wire's can find a way in.

An entry is written by the machine. It names people by actor id, orders by alias, files by name and hash; a reason is the
officer's own words. An entry with the fact `operation` concerns that operation only: in another operation's return to its
court it is withheld and leaves its hash.
"""

from typing import NamedTuple


class Event(NamedTuple):
    """One kind of entry: what it says, and the facts that it must and may carry."""

    words: str
    facts: frozenset[str]
    optional: frozenset[str] = frozenset()


def _event(words: str, facts: str = "", optional: str = "") -> Event:
    return Event(words, frozenset(facts.split()), frozenset(optional.split()))


EVENTS: dict[str, Event] = {
    "installed": _event(
        "the collector was installed on this data directory", "sensor version actor", "revision"
    ),
    "uninstalled": _event("the collector was taken out of use", "actor reason"),
    "started": _event(
        "the collector started, with this configuration",
        "sensor version actor configuration overrides previous vkey",
        "revision",
    ),
    "stopped": _event("the collector stopped; its counts since the start", "actor fates accepted open clean"),
    "operation_loaded": _event(
        "an operation file is about to be put in force, with these schedules and answer",
        "operation configuration schedules answer",
    ),
    "operation_removed": _event("an operation's file is gone", "operation"),
    "order_loaded": _event(
        "an order is there", "operation order kind starts ends fields", "extends retention_days"
    ),
    "order_extended": _event("an order continues another", "operation order extends starts ends"),
    "order_ended": _event("an order was terminated, obtained or denied", "operation order by at"),
    "order_changed": _event("an order's file says something else now", "operation order before after"),
    "order_removed": _event("an order is no longer in its file", "operation order"),
    "orders_loaded": _event("these rules are put in force: their hash, and how many orders", "rules orders"),
    "configuration_refused": _event("changed files were refused; the old ones stay in force", "problems"),
    "clock_believed": _event("an officer vouches for the clock: recording resumes", "actor reason"),
    "access_opened": _event(
        "collected records are about to be read", "session operation order actor reason purpose"
    ),
    "access_closed": _event(
        "that reading ended; end is closed or unknown",
        "session operation order end duration_us",
        "statements",
    ),
    "returned": _event(
        "a return for the court was made",
        "operation orders actor bundle_sha256 entries encrypted",
        "files rows interim with_rows encrypted_sha256 recipient contents",
    ),
    "delivered": _event("the court has the return", "operation orders actor bundle_sha256 reason"),
    "hold_set": _event("nothing of this order may be deleted", "operation order actor reason"),
    "hold_lifted": _event("the hold is gone", "operation order actor reason"),
    "quarantined": _event("a segment is set aside", "segment sha256 actor reason"),
    "released": _event("a segment set aside was found to be right", "segment sha256 actor reason"),
    "deleted": _event("these files are about to be deleted", "files why", "actor reason operation order"),
    "exported": _event(
        "a publication for a partner is about to be visible to it: its manifest's hash, how many files and rows",
        "operation order partner sequence kind day supplement manifest_sha256 files rows",
    ),
    "withdrawn": _event(
        "rows of a day were found wrong: nobody is given them from now on, and who was is about to be told. The hash of the "
        "list of their record numbers, how many they are, and how many of them each partner had been given",
        "operation order day sha256 rows given actor reason",
    ),
    "pulled": _event(
        "a partner's account asked, with valid credentials: which file of which publication (0: none; for the list, the last "
        "number that it showed), how many bytes it is about to be sent, the status; `refused` is how many requests of the "
        "account beyond its rate since the last entry have none of their own",
        "partner account sequence file bytes status",
        "offset operation order refused",
    ),
    "pull_refused": _event("requests without valid credentials, since when", "count since"),
    "key_changed": _event(
        "the key that signs publications is about to be announced or replaced; `handover` is the old key's signature over it",
        "change public previous handover actor",
    ),
    "credential_changed": _event(
        "a partner's tokens are about to change: added, rotated or revoked; tokens by the beginning of their hash",
        "partner account change tokens actor",
        "overlap_days",
    ),
    "notice_served": _event(
        "how often an operation's public notice was served", "operation answer since until count"
    ),
    "name_erased": _event("a person's name was erased from the register", "person actor"),
}


def check_facts(event: str, facts: frozenset[str] | set[str]) -> None:
    """ValueError where an entry is not one of the table's."""
    kind = EVENTS.get(event)
    if kind is None:
        raise ValueError(f"an audit entry of an unknown kind: {event}")
    missing, strange = kind.facts - facts, facts - kind.facts - kind.optional
    if missing or strange:
        raise ValueError(f"audit entry {event}: missing {sorted(missing)}, not of its kind {sorted(strange)}")
