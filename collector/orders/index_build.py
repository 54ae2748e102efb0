"""Makes an index file (its format: index.py) from a schedule's rows.

The same rows give the same bytes, in whatever order the files list them. Everything is sorted in memory:
about 250 bytes a row at the peak, 600 MB for 2.4 million domains.
"""

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterable
from itertools import accumulate, compress, count, islice, repeat
from operator import eq, itemgetter
from pathlib import Path
from typing import NamedTuple

from collector.ground import files
from collector.ground.codes import Action
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.index import HEADER_AT, MAGIC, MARKER, PAGE, SECTIONS, WINDOW, verify
from collector.orders.instants import to_text
from collector.orders.schedule import PROBLEMS_MAX, Schedule, Term
from collector.orders.windows import Span, first_overlap, spans

NAMES_BYTES_MAX = 2**31 - 1
"""Arrow's string offsets are i32."""

ROWS_MAX = 2**32 - 2
NUMBERS_MAX = 2**16

_MARKER_SPAN = Span(0, "", int(Action.BLOCK), "", 0, 0, 0, 0)


def build_index(schedule: Schedule, operations: list[str], target: Path) -> None:
    """Write the index of a schedule without problems; ConfigurationError when rows of one domain overlap."""
    _check_limits(schedule, operations)
    deeper = nested(schedule.names)
    listed = {name for name in schedule.names if name in deeper}
    rows = _sorted_rows(schedule.names, sorted(deeper.keys() - listed))
    _write(rows, deeper, _spans_of_rows(schedule, rows), operations, target)
    verify(target)


class _Rows(NamedTuple):
    """Rows in the index's order; `sequence` is the place in the schedule, and beyond its rows: a marker."""

    names: list[bytes]
    sequence: "array[int]"
    bucket_starts: "array[int]"


class _Spans(NamedTuple):
    """A span for each row, as numbers into a list (in which one span may stand twice)."""

    of_rows: "array[int]"
    spans: list[Span]


def _sorted_rows(names: list[bytes], markers: list[bytes]) -> _Rows:
    """By bucket, then name. Counted into the buckets, which costs a third of sorting; few of them hold
    several.
    """
    names = names + markers
    buckets = _bucket_count(len(names))
    mask, crc32 = buckets - 1, zlib.crc32
    bucket_of = array("I", (crc32(name) & mask for name in names))
    counts = array("I", bytes(4 * buckets))
    for bucket in bucket_of:
        counts[bucket] += 1
    starts = array("I", accumulate(counts, initial=0))
    free = array("I", starts)
    sequence = array("I", bytes(4 * len(names)))
    for row, bucket in enumerate(bucket_of):
        place = free[bucket]
        sequence[place] = row
        free[bucket] = place + 1
    name_of = names.__getitem__
    for first, size in zip(starts, counts, strict=False):
        if size > 1:
            rows = sequence[first : first + size]
            sequence[first : first + size] = array("I", sorted(rows, key=name_of))
    return _Rows(list(map(name_of, sequence)), sequence, starts)


def nested(names: Iterable[bytes]) -> dict[bytes, int]:
    """For each name below which others are listed: how many labels the next of those have.

    Includes names that are not listed themselves. Every listed name is reached from its last two labels by
    these steps.
    """
    groups: dict[bytes, list[bytes]] = {}
    for name in names:
        if name.count(b".") > 1:
            groups.setdefault(_last(name, 2), []).append(name)
    steps: dict[bytes, int] = {}
    unfinished = list(groups.items())
    while unfinished:
        suffix, below = unfinished.pop()
        steps[suffix] = labels = min(name.count(b".") for name in below) + 1
        further: dict[bytes, list[bytes]] = {}
        for name in below:
            if name.count(b".") >= labels:
                further.setdefault(_last(name, labels), []).append(name)
        unfinished.extend(further.items())
    return steps


def _last(name: bytes, labels: int) -> bytes:
    return b".".join(name.rsplit(b".", labels)[-labels:])


def _bucket_count(rows: int) -> int:
    """A power of two, so that 4 to 8 rows share 10 buckets: most unlisted hosts meet an empty one."""
    return 1 << max(1, (rows + rows // 4).bit_length())


def _spans_of_rows(schedule: Schedule, rows: _Rows) -> _Spans:
    """Windows; where a name has several rows they also get the order of their spans."""
    made = [_MARKER_SPAN, *(spans([term])[0] for term in schedule.term_list)]
    numbers = schedule.terms
    own = array("I", (number + 1 for number in numbers))
    own.extend(repeat(0, len(rows.sequence) - len(numbers)))  # markers
    of_rows = array("I", map(own.__getitem__, rows.sequence))
    problems: list[Problem] = []
    repeated = list(compress(count(1), map(eq, rows.names, islice(rows.names, 1, None))))
    for first, beyond in _runs(repeated):
        group = [(schedule.term_list[numbers[row]], row) for row in rows.sequence[first:beyond]]
        for place, span in enumerate(_arrange(schedule, group, problems), first):
            of_rows[place] = len(made)
            made.append(span)
    if problems:
        raise ConfigurationError(_capped(problems))
    return _Spans(of_rows, made)


def _runs(repeated: list[int]) -> Iterable[tuple[int, int]]:
    """Places that repeat their predecessor's name, as ranges that include the first of each name."""
    first = beyond = -1
    for place in repeated:
        if place != beyond:
            if beyond > 0:
                yield first, beyond
            first = place - 1
        beyond = place + 1
    if beyond > 0:
        yield first, beyond


def _arrange(schedule: Schedule, group: list[tuple[Term, int]], problems: list[Problem]) -> list[Span]:
    placed: list[Span] = []
    for operation in sorted({term.operation for term, _ in group}):
        mine = sorted(
            ((term, row) for term, row in group if term.operation == operation),
            key=lambda entry: (entry[0].from_us, entry[0].until_us, entry[1]),
        )
        terms = [term for term, _ in mine]
        overlap = first_overlap(terms)
        if overlap is not None:
            problems.append(_overlap_problem(schedule, mine[overlap - 1], mine[overlap]))
        placed += spans(terms)
    return placed


def _overlap_problem(schedule: Schedule, one: tuple[Term, int], two: tuple[Term, int]) -> Problem:
    (term, row), (earlier, earlier_row) = sorted((one, two), key=itemgetter(1), reverse=True)
    file, line = schedule.place_of(row)
    earlier_file, earlier_line = schedule.place_of(earlier_row)
    where = f"line {earlier_line}" if earlier_file == file else f"{earlier_file} line {earlier_line}"
    return Problem(
        file,
        f"line {line}, column domain",
        f"{schedule.names[row].decode()} from {_window(term)}, and {where} has it from {_window(earlier)}",
        "rows of one domain whose windows do not overlap (valid_until is exclusive)",
        "remove one of the two rows, or end the first where the second begins",
    )


def _window(term: Term) -> str:
    return f"{to_text(term.from_us)} to {to_text(term.until_us)}"


def _capped(problems: list[Problem]) -> list[Problem]:
    problems.sort(key=lambda problem: (problem.file, int(problem.place.split()[1].rstrip(","))))
    rest = len(problems) - PROBLEMS_MAX
    if rest <= 0:
        return problems
    more = Problem(
        problems[0].file, "further lines", f"{rest} more domains listed twice", "none", "correct those above"
    )
    return [*problems[:PROBLEMS_MAX], more]


def _write(rows: _Rows, deeper: dict[bytes, int], made: _Spans, operations: list[str], target: Path) -> None:
    # In the order in which rows first have them, which does not depend on the files' order.
    place_of = {_MARKER_SPAN: MARKER}
    numbers = dict.fromkeys(made.of_rows, MARKER)
    for number in numbers:
        numbers[number] = place_of.setdefault(made.spans[number], len(place_of))
    table = list(place_of)
    operation, family, action, registry, from_us, until_us, in_us, out_us = zip(*table, strict=True)
    names = rows.names
    families = sorted(set(family))
    registries = sorted(set(registry))
    family_number = {family: place for place, family in enumerate(families)}
    registry_number = {registry: place for place, registry in enumerate(registries)}
    sections: dict[str, array[int] | bytes] = {
        "buckets": rows.bucket_starts,
        "name_offsets": array("i", accumulate(map(len, names), initial=0)),
        "terms_of_rows": array("I", map(numbers.__getitem__, made.of_rows)),
        "deeper": array("B", map(deeper.get, names, repeat(0))),
        "names": b"".join(names),
        "term_from": array("q", from_us),
        "term_until": array("q", until_us),
        "term_windows": b"".join(map(WINDOW.pack, in_us, out_us, operation)),
        "term_operation": array("H", operation),
        "term_family": array("H", map(family_number.__getitem__, family)),
        "term_registry": array("H", map(registry_number.__getitem__, registry)),
        "term_action": array("B", action),
    }
    facts: dict[str, int | list[str]] = {
        "operations": operations,
        "families": families,
        "registries": registries,
        "rows": len(names),
        "domains": len(names) - sum(map(eq, names, islice(names, 1, None))) - made.of_rows.count(MARKER),
        "terms": len(table),
    }
    files.publish(target, lambda path: _write_file(path, sections, facts))


def _write_file(
    path: Path, sections: "dict[str, array[int] | bytes]", facts: "dict[str, int | list[str]]"
) -> None:
    room = len(json.dumps(facts)) + 2048  # the rest is short: thirteen places, one digest
    body = -(-(HEADER_AT + room) // PAGE) * PAGE
    places: dict[str, tuple[int, int]] = {}
    at = body
    digest = hashlib.sha256()
    with path.open("wb") as file:
        file.seek(body)
        for name in SECTIONS:
            content = memoryview(sections[name]).cast("B")
            places[name] = (at, len(content))
            gap = bytes(-len(content) % PAGE or (0 if len(content) else PAGE))
            for part in (content, gap):
                digest.update(part)
                file.write(part)
            at += len(content) + len(gap)
        header = {
            **facts,
            "sections": places,
            "body": body,
            "size": at,
            "sha256": digest.hexdigest(),
        }
        text = json.dumps(header, sort_keys=True).encode("ascii").ljust(body - HEADER_AT)
        file.seek(0)
        file.write(MAGIC + len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text)


def _check_limits(schedule: Schedule, operations: list[str]) -> None:
    families = {term.family for term in schedule.term_list}
    registries = {term.registry for term in schedule.term_list}
    for what, found, most in (
        ("rows", len(schedule.names), ROWS_MAX // 2),
        ("bytes of names", sum(map(len, schedule.names)), NAMES_BYTES_MAX // 2),
        ("operations", len(operations), NUMBERS_MAX),
        ("families", len(families), NUMBERS_MAX - 1),
        ("registries", len(registries), NUMBERS_MAX - 1),
    ):
        if found > most:
            raise ConfigurationError(
                [
                    Problem(
                        "all schedules",
                        "together",
                        f"{found} {what}",
                        f"at most {most}",
                        "split the operations",
                    )
                ]
            )
