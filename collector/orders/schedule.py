"""The court's list of domains: CSV files, read and checked row by row.

    domain,family,action,registry,valid_from,valid_until        the header, required, in this order
    a1b2c3.com,tinba,redirect,verisign,2026-11-01,2026-11-02

UTF-8 (a byte order mark is ignored), lines ending in LF or CRLF, empty lines skipped. `domain`: names.py.
`family`: lower case (upper is lowered), as reports name it. `action`: redirect, register and transfer are
recorded, block is not. `registry`: up to 64 printable characters, may be empty. The dates are RFC 3339
instants or dates (00:00 UTC), the window is half-open, empty means unbounded.

Memory while reading: about 70 bytes a row beside the file's own bytes. What all rows but their domain have in
common is a term, kept once: generated domains share a few terms a day.
"""

import csv
import io
import re
from array import array
from typing import TYPE_CHECKING, NamedTuple

from collector.ground.codes import Action
from collector.ground.errors import Problem
from collector.orders.instants import ALWAYS_US, NEVER_US, parse_us
from collector.orders.names import listable, name_flaw

if TYPE_CHECKING:
    import _csv

COLUMNS = ("domain", "family", "action", "registry", "valid_from", "valid_until")

PROBLEMS_MAX = 25
"""Problems told one by one per file; the rest is a count. A wrong column makes one per row, of millions."""

REGISTRY_MAX = 64
FOUND_MAX = 80
"""Characters of a wrong value that are quoted back."""

FAMILY = re.compile(r"[a-z0-9](?:[a-z0-9._/+-]{0,62}[a-z0-9+])?", re.ASCII)
"""A family's name: as published (`bugat/dridex` is one), and never a formula to a spreadsheet."""

FAMILY_WORDS = "1 to 64 of a-z, 0-9 and . _ / + -, beginning with a letter or digit"

_FORMULA = ("=", "+", "-", "@")

_NONE: dict[tuple[str, str], int] = {}

_ACTIONS = {action.name.lower(): action for action in Action}


class Term(NamedTuple):
    """What a row says about its domain. Dates as in the file, before any grace."""

    operation: int
    family: str
    action: int
    registry: str
    from_us: int
    until_us: int
    grace_us: int


class Schedule:
    """Rows of any number of files, as parallel columns: `names`, `terms` (numbers into `term_list`),
    `lines`.
    """

    def __init__(self) -> None:
        self.names: list[bytes] = []
        self.terms = array("I")
        self.lines = array("I")
        self.term_list: list[Term] = []
        self.problems: list[Problem] = []
        self._starts: list[tuple[int, str]] = []

    def place_of(self, row: int) -> tuple[str, int]:
        """File and line of a row."""
        file = next(file for start, file in reversed(self._starts) if start <= row)
        return file, self.lines[row]

    def read(self, content: bytes, file: str, operation: int, grace_us: int) -> None:
        """Append a file's rows; what is wrong goes to `problems`, and the rows that are right are still
        read.
        """
        self._starts.append((len(self.names), file))
        clerk = _Clerk(file)
        text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.reader(text, strict=True)
        try:
            header = next(rows, [])
            if tuple(header) == COLUMNS:
                self._read_rows(rows, _Terms(self, operation, grace_us), clerk)
            else:
                clerk.tell(
                    1, ",".join(header) or "an empty file", ",".join(COLUMNS), "write this header line first"
                )
        except csv.Error as error:
            clerk.tell(
                rows.line_num, str(error), "CSV with balanced quotes (RFC 4180)", "correct the line's quotes"
            )
        self.problems += clerk.report()

    def _read_rows(self, rows: "_csv.Reader", terms: "_Terms", clerk: "_Clerk") -> None:
        append_name, append_term, append_line = self.names.append, self.terms.append, self.lines.append
        for row in rows:
            if len(row) != len(COLUMNS):
                if row:
                    found, expected = f"{len(row)} columns", f"{len(COLUMNS)} columns: {','.join(COLUMNS)}"
                    remedy = "add or remove commas; an unbounded date is an empty column"
                    clerk.tell(rows.line_num, found, expected, remedy)
                continue
            domain, family, action, registry, valid_from, valid_until = row
            number = terms.known.get((family, action, registry), _NONE).get((valid_from, valid_until), -1)
            if number < 0:
                number = terms.number(
                    family, action, registry, (valid_from, valid_until), rows.line_num, clerk
                )
                if number < 0:
                    continue
            name = listable(domain)
            if name is None:
                clerk.tell(rows.line_num, domain, *name_flaw(domain), column="domain")
                continue
            append_name(name.encode("ascii"))
            append_term(number)
            append_line(rows.line_num)


class _Terms:
    """Turns the columns beside the domain into a term, once per distinct text."""

    def __init__(self, schedule: Schedule, operation: int, grace_us: int) -> None:
        self.known: dict[tuple[str, str, str], dict[tuple[str, str], int]] = {}
        """Numbers by the text of the columns. What was refused is not here, so that each of its lines is
        told.
        """
        self._terms = schedule.term_list
        self._operation = operation
        self._grace_us = grace_us
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def number(
        self, family: str, action: str, registry: str, window: tuple[str, str], line: int, clerk: "_Clerk"
    ) -> int:
        """The term's number, given on first sight; -1 after telling what is wrong with it."""
        told = clerk.count
        of_subject = self.known.get((family, action, registry))
        if of_subject is None:
            self._check_subject(family, action, registry, line, clerk)
        bounds = self._windows.get(window) or self._window(window, line, clerk)
        if clerk.count != told:
            return -1
        if of_subject is None:
            of_subject = self.known[family, action, registry] = {}
        of_subject[window] = number = len(self._terms)
        action_number = int(_ACTIONS[action.lower()])
        self._terms.append(
            Term(self._operation, family.lower(), action_number, registry, *bounds, self._grace_us)
        )
        return number

    def _check_subject(self, family: str, action: str, registry: str, line: int, clerk: "_Clerk") -> None:
        if not FAMILY.fullmatch(family.lower()):
            clerk.tell(line, family, FAMILY_WORDS, "write the family's usual short name", column="family")
        if action.lower() not in _ACTIONS:
            expected = ", ".join(_ACTIONS)
            clerk.tell(line, action, expected, "write what the court ordered", column="action")
        if len(registry) > REGISTRY_MAX or not registry.isprintable() or registry.startswith(_FORMULA):
            expected = f"at most {REGISTRY_MAX} printable characters that do not begin as a formula"
            clerk.tell(line, registry, expected, "write the registry's short name", column="registry")

    def _window(self, window: tuple[str, str], line: int, clerk: "_Clerk") -> tuple[int, int]:
        told = clerk.count
        moments = []
        for text, unbounded, column in zip(window, (ALWAYS_US, NEVER_US), COLUMNS[4:], strict=True):
            moment = parse_us(text) if text else unbounded
            if moment is None:
                expected = "an RFC 3339 date (2026-11-01) or instant with its zone (2026-11-01T00:00:00Z), or nothing"
                clerk.tell(line, text, expected, "write the date so; UTC is Z", column=column)
            moments.append(moment or 0)
        from_us, until_us = moments
        if from_us >= until_us and clerk.count == told:
            expected = "valid_from before valid_until (which is exclusive)"
            remedy = "exchange the dates; a day's domain ends at 00:00 of the next day"
            clerk.tell(line, " to ".join(window), expected, remedy, column="valid_until")
        if clerk.count == told:
            self._windows[window] = from_us, until_us
        return from_us, until_us


class _Clerk:
    """Collects one file's problems: the first ones in full, the rest as a count."""

    def __init__(self, file: str) -> None:
        self.count = 0
        self._file = file
        self._problems: list[Problem] = []

    def tell(self, line: int, found: str, expected: str, remedy: str, column: str = "") -> None:
        self.count += 1
        if len(self._problems) < PROBLEMS_MAX:
            place = f"line {line}" + (f", column {column}" if column else "")
            self._problems.append(Problem(self._file, place, quoted(found), expected, remedy))

    def report(self) -> list[Problem]:
        rest = self.count - len(self._problems)
        if rest:
            self._problems.append(
                Problem(
                    self._file,
                    "further lines",
                    f"{rest} more problems of such kinds",
                    "none",
                    "correct those above first; often it is one mistake in every line",
                )
            )
        return self._problems


def quoted(text: str) -> str:
    """A wrong value as it can be printed: escaped, and cut when long."""
    shown = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return repr(shown if len(shown) <= FOUND_MAX else shown[:FOUND_MAX] + "…") if text else "nothing"
