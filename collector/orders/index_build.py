"""Makes an index file (its format: index.py) from a schedule's rows.

The same rows give the same bytes, in whatever order the files list them. Everything is sorted in memory:
about 250 bytes a row at the peak, 600 MB for 2.4 million domains.
"""

import hashlib
import json
import zlib
from array import array
from collections.abc import Iterable
from itertools import accumulate, groupby, pairwise
from operator import itemgetter
from pathlib import Path

from collector.ground import files
from collector.ground.codes import Action
from collector.ground.errors import ConfigurationError, Problem
from collector.orders.index import HEADER_AT, MAGIC, PAGE, SECTIONS, verify
from collector.orders.instants import to_text
from collector.orders.schedule import PROBLEMS_MAX, Schedule, Term
from collector.orders.windows import Span, first_overlap, spans

NAMES_BYTES_MAX = 2**31 - 1
"""Arrow's string offsets are i32."""

ROWS_MAX = 2**32 - 2
NUMBERS_MAX = 2**16

_MARKER_SEQUENCE = 2**32 - 1
_MARKER_SPAN = Span(0, "", int(Action.BLOCK), "", 0, 0, 0, 0)
_KEY_TAIL = 5  # NUL and the sequence number
_KEY_HEAD = 4  # the bucket


def build_index(schedule: Schedule, operations: list[str], target: Path) -> None:
    """Write the index of a schedule without problems; ConfigurationError when rows of one domain overlap."""
    _check_limits(schedule, operations)
    deeper = nested(schedule.names)
    listed = {name for name in schedule.names if name in deeper}
    markers = sorted(deeper.keys() - listed)
    mask = _bucket_count(len(schedule.names) + len(markers)) - 1
    crc32 = zlib.crc32
    keys = [
        b"%b%b\0%b" % ((crc32(name) & mask).to_bytes(4, "big"), name, sequence.to_bytes(4, "big"))
        for sequence, name in enumerate(schedule.names)
    ]
    tail = b"\0" + _MARKER_SEQUENCE.to_bytes(4, "big")
    keys += [(crc32(name) & mask).to_bytes(4, "big") + name + tail for name in markers]
    keys.sort()
    _write(keys, deeper, _spans_of_rows(schedule, keys), operations, target)
    verify(target)


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


def _spans_of_rows(schedule: Schedule, keys: list[bytes]) -> list[Span]:
    """The span of each key, in the keys' order; rows of one name are put into the order of their spans (in
    `keys` too).
    """
    alone = [spans([term])[0] for term in schedule.term_list]
    numbers = schedule.terms
    result: list[Span] = []
    problems: list[Problem] = []
    repeated: list[int] = []
    append = result.append
    previous = b""
    for place, key in enumerate(keys):
        sequence = int.from_bytes(key[-4:], "big")
        append(alone[numbers[sequence]] if sequence != _MARKER_SEQUENCE else _MARKER_SPAN)
        name = key[:-4]
        if name == previous:
            repeated.append(place)
        previous = name
    for first, beyond in _runs(repeated):
        group = [(schedule.term_list[numbers[row]], row) for row in _sequences(keys[first:beyond])]
        placed = _arrange(schedule, sorted(group), problems)
        result[first:beyond] = [span for span, _ in placed]
        head = keys[first][:-4]
        keys[first:beyond] = [head + row.to_bytes(4, "big") for _, row in placed]
    if problems:
        raise ConfigurationError(_capped(problems))
    return result


def _sequences(keys: list[bytes]) -> list[int]:
    return [int.from_bytes(key[-4:], "big") for key in keys]


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


def _arrange(
    schedule: Schedule, group: list[tuple[Term, int]], problems: list[Problem]
) -> list[tuple[Span, int]]:
    placed: list[tuple[Span, int]] = []
    for _, rows in groupby(group, key=lambda entry: entry[0].operation):
        mine = sorted(rows, key=lambda entry: (entry[0].from_us, entry[0].until_us, entry[1]))
        terms = [term for term, _ in mine]
        overlap = first_overlap(terms)
        if overlap is not None:
            problems.append(_overlap_problem(schedule, mine[overlap - 1], mine[overlap]))
        placed += zip(spans(terms), [row for _, row in mine], strict=True)
    return sorted(placed)


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


def _write(
    keys: list[bytes], deeper: dict[bytes, int], of_rows: list[Span], operations: list[str], target: Path
) -> None:
    table = [_MARKER_SPAN, *sorted(set(of_rows) - {_MARKER_SPAN})]
    number = {span: place for place, span in enumerate(table)}
    families = sorted({span.family for span in table})
    registries = sorted({span.registry for span in table})
    family_number = {family: place for place, family in enumerate(families)}
    registry_number = {registry: place for place, registry in enumerate(registries)}
    names = [key[_KEY_HEAD:-_KEY_TAIL] for key in keys]
    step = deeper.get
    sections: dict[str, array[int] | bytes] = {
        "buckets": _bucket_starts(keys),
        "name_offsets": array("i", accumulate(map(len, names), initial=0)),
        "terms_of_rows": array("I", map(number.__getitem__, of_rows)),
        "deeper": array("B", (step(name, 0) for name in names) if deeper else bytes(len(names))),
        "names": b"".join(names),
        "term_from": array("q", (span.from_us for span in table)),
        "term_until": array("q", (span.until_us for span in table)),
        "term_in": array("q", (span.in_us for span in table)),
        "term_out": array("q", (span.out_us for span in table)),
        "term_operation": array("H", (span.operation for span in table)),
        "term_family": array("H", (family_number[span.family] for span in table)),
        "term_registry": array("H", (registry_number[span.registry] for span in table)),
        "term_action": array("B", (span.action for span in table)),
    }
    facts: dict[str, int | list[str]] = {
        "operations": operations,
        "families": families,
        "registries": registries,
        "rows": len(keys),
        "domains": sum(1 for before, name in pairwise([b"", *names]) if before != name)
        - sum(1 for span in of_rows if span is _MARKER_SPAN),
        "terms": len(table),
    }
    files.publish(target, lambda path: _write_file(path, sections, facts))


def _bucket_starts(keys: list[bytes]) -> "array[int]":
    counts = array("I", bytes(4 * _bucket_count(len(keys))))
    for key in keys:
        counts[int.from_bytes(key[:_KEY_HEAD], "big")] += 1
    return array("I", accumulate(counts, initial=0))


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
