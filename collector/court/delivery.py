"""That the court has the return: an entry, after which retention may let go of what it covers (law.md L-33).

Only a final bundle counts, with its rows and the whole log of its time, over the whole chain of extensions: 18 USC
3123(a)(3)(A)(iv) asks for what was collected, and what is deleted afterwards cannot be delivered later.
"""

from pathlib import Path

from collector.audit.log import AuditLog, Entry, read_entries
from collector.court.log import left_out
from collector.court.scope import ReturnRefusedError, scope_of
from collector.ground.clock import now_us


def deliver(
    data_dir: Path, log: AuditLog, order: str, bundle_sha256: str, actor: str, reason: str
) -> tuple[Entry, bool]:
    """Enter that the court has a return; the entry, and whether it is new. Raises ReturnRefusedError."""
    entries = read_entries(data_dir / "audit")
    scope = scope_of(entries, data_dir / "audit", order)
    made = [entry for entry in entries if entry.event == "returned"]
    named = [
        entry
        for entry in made
        if bundle_sha256 in (entry.facts["bundle_sha256"], entry.facts.get("encrypted_sha256"))
    ]
    if not named:
        raise ReturnRefusedError([f"no return with the SHA-256 {bundle_sha256} was ever made here"])
    facts = named[-1].facts
    ids = [link.id for link in scope.chain]
    if facts["operation"] != scope.operation or not set(facts["orders"]) & scope.ids:
        raise ReturnRefusedError([f"that return is of {', '.join(facts['orders'])}, not of {order}"])
    if facts.get("interim"):
        raise ReturnRefusedError(
            ["that return was made while the order was in force (--interim): make the final one"]
        )
    if not facts.get("with_rows", True):
        raise ReturnRefusedError(
            [
                "that return was made without rows, and the court is to have what was collected too: make the whole one"
            ]
        )
    if set(facts["orders"]) != scope.ids:
        later = ", ".join(sorted(scope.ids - set(facts["orders"])))
        raise ReturnRefusedError(
            [f"that return does not cover {later}, by which the order was extended: make another"]
        )
    missing = min(left_out(entries, entry) for entry in named)
    if missing:
        covered = f"that return covers {facts['entries']} entries of the log"
        reason = f"{covered} and leaves out {missing} that were there when it was made"
        raise ReturnRefusedError([f"{reason}: make the whole one (without --entries)"])
    for entry in entries:
        if entry.event == "delivered" and entry.facts["bundle_sha256"] == facts["bundle_sha256"]:
            return entry, False
    entry = log.append(
        "delivered",
        now_us(),
        operation=scope.operation,
        orders=ids,
        actor=actor,
        bundle_sha256=facts["bundle_sha256"],
        reason=reason,
    )
    return entry, True
