"""Validate settings, operations, schedules and partners, and tell what they would change against what is in force."""

import argparse
import json
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from collector.audit.key import read_key
from collector.exports.agreement import agreement_problems
from collector.exports.enrich import database_problems
from collector.exports.partners import read_partners
from collector.ground.clock import now_us
from collector.ground.errors import ConfigurationError, CorruptError, Problem
from collector.orders.changes import rule_changes
from collector.orders.compile import compile_operations
from collector.orders.docket import read_operations
from collector.orders.instants import to_text
from collector.orders.notes import notes_of
from collector.orders.operation import Operation
from collector.orders.rules import Rules
from collector.orders.schedule_changes import DomainChange, Tally, domain_changes
from collector.orders.summary import summary
from collector.service import manage_address, pull_address
from collector.service import settings as service_settings
from collector.service.loader import current

_SIGNS = {"added": "+", "taken away": "-", "changed": "~"}


def arguments(verb: argparse.ArgumentParser) -> None:
    """Options of this verb."""
    verb.add_argument(
        "--json",
        action="store_true",
        help="on stdout a JSON list of the problems (exit 2), or an object of notes and changes (exit 0)",
    )
    verb.add_argument(
        "--list-changes",
        action="store_true",
        help="name every domain that is added (+), taken away (-) or changed (~), as it is found",
    )


def run(chosen: argparse.Namespace) -> int:
    """Check everything that `serve` would read; 0, or 2 with every problem told."""
    with ExitStack() as stack:
        try:
            settings = service_settings.load(chosen.config)
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pentrap-check-")))
            in_force = settings.data_dir / "rules"
            _borrow_indices(in_force, scratch)
            operations, digest = _read_all(settings, scratch)
        except ConfigurationError as error:
            if not chosen.json:
                raise
            print(json.dumps([asdict(problem) for problem in error.problems], indent=1))
            return 2
        rules = Rules.load(scratch, digest)
        stack.callback(rules.close)
        notes = [*notes_of(operations, now_us()), *pull_address.notes(settings)]
        changes = _Changes(in_force, rules)
        if chosen.json:
            told = {
                "problems": [],
                "notes": [asdict(note) for note in notes],
                "changes": changes.as_json(chosen),
            }
            print(json.dumps(told, indent=1))
            return 0
        print(f"{chosen.config}: good")
        print(f"data_dir {settings.data_dir}")
        lines = summary(operations, rules.index)
        print("\n".join(lines or ["no operation: machines would be answered, nothing recorded"]))
        if notes:
            print("\nNotes: lawful, and worth a second look against the papers\n")
            print("\n".join(map(str, notes)))
        changes.show(chosen)
    return 0


def _read_all(settings: service_settings.Settings, scratch: Path) -> tuple[list[Operation], str]:
    """The operations, and the name under which `scratch` has them compiled; everything else is looked at.

    Raises ConfigurationError with all problems.
    """
    problems: list[Problem] = database_problems(*settings.databases)
    problems += manage_address.token_problems(settings) + pull_address.tls_problems(settings)
    operations: list[Operation] = []
    digests: list[str] = []
    for look in (
        lambda: settings.signing_key.exists() and read_key(settings.signing_key),
        lambda: operations.extend(read_operations(settings.operation_files())),
    ):
        try:
            look()
        except ConfigurationError as error:
            problems += error.problems
    unread = len(problems)
    partners = read_partners(settings.partners_file, problems)
    if not problems[unread:] and operations:  # what is missing because it could not be read is told already
        problems += agreement_problems(
            partners, operations, settings.export.geo_db, str(settings.partners_file)
        )
    try:
        digests.append(compile_operations(operations, scratch))
    except ConfigurationError as error:
        problems[unread:unread] = error.problems
    if problems:
        raise ConfigurationError(problems)
    return operations, digests[0]


def _borrow_indices(directory: Path, scratch: Path) -> None:
    """Let an unchanged schedule's index be used as it is, instead of building it anew for a look."""
    try:
        for path in directory.glob("*.index"):
            (scratch / path.name).symlink_to(path.resolve())
    except OSError:
        return


class _Changes:
    """What the rules would change against those in force, if there are any and they can be read."""

    def __init__(self, directory: Path, rules: Rules) -> None:
        self._rules = rules
        self._before: Rules | None = None
        self.why_not = ""
        try:
            digest = current(directory)
            if not digest:
                self.why_not = "nothing has been in force yet: everything would be new"
            else:
                self._before = Rules.load(directory, digest)
        except (OSError, CorruptError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.why_not = f"the rules in force cannot be read: {reason}"

    def _domains(self) -> Iterator[DomainChange]:
        if self._before is not None and self._before.index.path.name != self._rules.index.path.name:
            yield from domain_changes(self._before.index, self._rules.index)

    def show(self, chosen: argparse.Namespace) -> None:
        """In words."""
        if self._before is None:
            print(f"\nChanges: {self.why_not}")
            return
        print("\nChanges against what is in force")
        rest = rule_changes(self._before, self._rules)
        for change in rest:
            print(f"  {change.subject} {change.word}: {change.how}")
        tally = Tally()
        for domain in self._domains():
            tally.add(domain)
            if chosen.list_changes:
                print(_line(domain))
        for word in _SIGNS:
            if tally.of(word):
                named = ", ".join(tally.first[word])
                more = ", …" if tally.of(word) > len(tally.first[word]) else ""
                print(f"  domains {word}: {tally.of(word)} ({named}{more})")
                for (which, operation, action, family), count in sorted(tally.counts.items()):
                    if which == word:
                        print(f"    {count:>9} {operation}-{family}, {action}")
        if not rest and not tally.counts:
            print("  none" + (": these very rules are in force" if self._same() else ""))

    def as_json(self, chosen: argparse.Namespace) -> dict[str, Any]:
        """The same as structure; each domain only where asked for."""
        if self._before is None:
            return {"against": None, "why": self.why_not}
        tally, named = Tally(), []
        for domain in self._domains():
            tally.add(domain)
            if chosen.list_changes:
                named.append({"change": domain.word, "domain": domain.domain, "line": _line(domain).strip()})
        told: dict[str, Any] = {
            "against": self._before.digest,
            "rules": [change._asdict() for change in rule_changes(self._before, self._rules)],
            "domains": {word: tally.of(word) for word in _SIGNS},
            "domains_by_family": [
                {"change": word, "operation": operation, "action": action, "family": family, "count": count}
                for (word, operation, action, family), count in sorted(tally.counts.items())
            ],
            "first": tally.first,
        }
        return told | ({"list": named} if chosen.list_changes else {})

    def _same(self) -> bool:
        return self._before is not None and self._before.digest == self._rules.digest


def _line(change: DomainChange) -> str:
    listing = change.listing
    words = f"{listing.operation}-{listing.family}, {listing.action}"
    windows = " and ".join(
        f"{to_text(row.from_us)} to {to_text(row.until_us)}" for row in change.after or change.before
    )
    return f"  {_SIGNS[change.word]} {change.domain} {words}, {windows}"
