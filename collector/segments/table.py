"""Records become the columns of `events`: numbers in, text out, and no Python runs per row.

`EVENTS` is the closed list of columns (contract: "Dataset events"; law: L-10). Where each column comes from:

    timestamp, ports, bytes_in, record     numbers of the record, or its place in the stream
    src_ip, dst_ip                         text made from the address's number (text.py)
    source_trust, transport, application   lower-case names of closed enums (ground/codes.py)
    domain                                 the schedule's, by row number: the court's text, never the wire's
    family, infection, order_id            the rules, by number
    sensor, stream                         names of ours
    src_asn, src_geo, mark                 null here; filled at export

Every text is therefore configuration's, the code's, or the canonical form of a number. Strings are
dictionary-coded: the distinct numbers are found first, only those are turned into text, and the rows carry
codes. The names of the schedule are not copied: an Arrow array is laid over the mapped index, and only the
distinct names of the run are taken from it. A dictionary holds what its rows use and nothing else, so that
a segment never carries a family or a domain that no row of it names.

A number that the rules or the enums do not know, or an order of another operation than its subject's, means
that the records and the rules do not belong together: CorruptError, and nothing is written; the journal
stays.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from collector.ground.codes import Application, Kind, Transport, Trust
from collector.ground.errors import CorruptError
from collector.ground.record import FIELDS, RECORD_SIZE, VOLUME_NONE
from collector.orders.index import MARKER, Index
from collector.orders.rules import GONE, Rules
from collector.segments.text import ADDRESS_BYTES, address_texts

ROW = np.dtype([(field.name, field.dtype) for field in FIELDS])
"""A record as numpy sees it, without padding."""

EVENTS = pa.schema(
    [
        pa.field("timestamp", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("src_ip", pa.string(), nullable=False),
        pa.field("src_port", pa.int32(), nullable=False),
        pa.field("source_trust", pa.string(), nullable=False),
        pa.field("src_asn", pa.int64()),
        pa.field("src_geo", pa.string()),
        pa.field("mark", pa.string()),
        pa.field("dst_ip", pa.string(), nullable=False),
        pa.field("dst_port", pa.int32(), nullable=False),
        pa.field("transport", pa.string(), nullable=False),
        pa.field("application", pa.string(), nullable=False),
        pa.field("domain", pa.string()),
        pa.field("family", pa.string(), nullable=False),
        pa.field("infection", pa.string(), nullable=False),
        pa.field("bytes_in", pa.int64()),
        pa.field("order_id", pa.string(), nullable=False),
        pa.field("sensor", pa.string(), nullable=False),
        pa.field("stream", pa.string(), nullable=False),
        pa.field("record", pa.int64(), nullable=False),
    ]
)

Numbers = npt.NDArray[Any]


def records_to_table(records: bytes, first: int, stream: str, sensor: str, rules: Rules) -> pa.Table:
    """The rows of consecutive records numbered from `first`, sorted by time, then record number.

    `records` is n x RECORD_SIZE bytes. Columns and order are those of `EVENTS`; strings are dictionary-coded
    (`.cast(EVENTS)` makes them plain). Raises CorruptError where a record's number is unknown to `rules`.
    """
    rows, numbers = sorted_rows(records, first)
    return rows_to_table(rows, numbers, stream, sensor, rules)


def sorted_rows(records: bytes, first: int) -> tuple[Numbers, Numbers]:
    """Records as a structured array sorted by time (stable), and the number of each."""
    if len(records) % RECORD_SIZE:
        raise ValueError(f"{len(records)} bytes are not a whole number of {RECORD_SIZE}-byte records")
    rows = np.frombuffer(records, dtype=ROW)
    numbers = np.arange(first, first + len(rows), dtype=np.int64)
    times = np.ascontiguousarray(rows["time_us"])
    if (times[1:] >= times[:-1]).all():
        return rows, numbers
    order = np.argsort(times, kind="stable")
    return rows[order], numbers[order]


def rows_to_table(rows: Numbers, numbers: Numbers, stream: str, sensor: str, rules: Rules) -> pa.Table:
    """The table of `rows` (dtype ROW) in their order; `numbers` are their record numbers."""
    count = len(rows)
    orders = _coded(rows["order"], len(rules.order_ids), rules.order_ids.__getitem__, "order", stream)
    domain, family, infection = _subjects(rows, stream, rules)
    columns: dict[str, pa.Array] = {
        "timestamp": pa.array(np.ascontiguousarray(rows["time_us"])).cast(EVENTS.field("timestamp").type),
        "src_ip": _addresses(rows["src"]),
        "src_port": pa.array(rows["src_port"].astype(np.int32)),
        "source_trust": _enum(rows, "trust", Trust, stream),
        "src_asn": pa.nulls(count, pa.int64()),
        "src_geo": pa.nulls(count, pa.string()),
        "mark": pa.nulls(count, pa.string()),
        "dst_ip": _addresses(rows["dst"]),
        "dst_port": pa.array(rows["dst_port"].astype(np.int32)),
        "transport": _enum(rows, "transport", Transport, stream),
        "application": _enum(rows, "application", Application, stream),
        "domain": domain,
        "family": family,
        "infection": infection,
        "bytes_in": pa.array(rows["bytes_in"].astype(np.int64), mask=rows["bytes_in"] == VOLUME_NONE),
        "order_id": orders,
        "sensor": _constant(sensor, count),
        "stream": _constant(stream, count),
        "record": pa.array(numbers),
    }
    fields = [pa.field(f.name, columns[f.name].type, f.nullable) for f in EVENTS]
    return pa.table([columns[f.name] for f in EVENTS], schema=pa.schema(fields))


def _subjects(rows: Numbers, stream: str, rules: Rules) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The three columns that a record's `subject` stands for: domain, family, infection."""
    index = rules.index
    kinds = rows["kind"]
    subjects = np.ascontiguousarray(rows["subject"])
    of_domain = kinds == Kind.DOMAIN
    of_service = kinds == Kind.SERVICE
    if not (of_domain | of_service).all():
        raise _unknown("kind", int(kinds.max()), len(Kind), stream)
    services = subjects[of_service]
    _check("service", services, len(rules.service_families), stream)
    domain, terms = _domains(subjects, of_domain, index, stream)

    # Families are numbered index first, services after; operations as the rules number them.
    families = [*index.families, *rules.service_families]
    family = np.empty(len(rows), dtype=np.int64)
    family[of_domain] = np.asarray(index.families_of_terms)[terms]
    family[of_service] = services.astype(np.int64) + len(index.families)
    operation = np.empty(len(rows), dtype=np.int64)
    operation[of_domain] = _numbered(index.operations, rules)[np.asarray(index.operations_of_terms)[terms]]
    operation[of_service] = _numbered(rules.service_operations, rules)[services]
    strangers = operation != _numbered(rules.order_operations, rules)[rows["order"]]
    if strangers.any():
        raise _unknown("order", int(rows["order"][strangers][0]), len(rules.order_ids), stream)
    infection = _coded(
        operation * len(families) + family,
        len(rules.operations) * len(families),
        lambda pair: f"{rules.operations[pair // len(families)]}-{families[pair % len(families)]}",
        "infection",
        stream,
    )
    return domain, _coded(family, len(families), families.__getitem__, "family", stream), infection


def _numbered(operations: Sequence[str], rules: Rules) -> Numbers:
    """Operations named in some list, by their number in the rules; GONE is no number of theirs."""
    numbers = {name: number for number, name in enumerate(rules.operations)}
    return np.array([numbers.get(name, GONE) for name in operations], dtype=np.int64)


def _domains(
    subjects: Numbers, of_domain: npt.NDArray[np.bool_], index: Index, stream: str
) -> tuple[pa.Array, Numbers]:
    """The column, and the term of each row that has a domain."""
    coded = pa.array(subjects, mask=~of_domain).dictionary_encode()
    listed = coded.dictionary.to_numpy()
    _check("subject", listed, index.count, stream)
    terms = np.asarray(index.terms_of_rows)[listed]
    if (terms == MARKER).any():
        raise _unknown("subject", int(listed[terms == MARKER][0]), index.count, stream)
    names = pa.StringArray.from_buffers(
        index.count, pa.py_buffer(index.name_offsets), pa.py_buffer(index.name_bytes)
    )
    codes = coded.indices.fill_null(0).to_numpy()
    return _dictionary(codes, names.take(pa.array(listed)), ~of_domain), terms[codes[of_domain]]


def _addresses(column: Numbers) -> pa.DictionaryArray:
    raw = np.ascontiguousarray(column)
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(ADDRESS_BYTES), len(raw), [None, pa.py_buffer(raw.view(np.uint8))]
    )
    coded = fixed.dictionary_encode()
    distinct = coded.dictionary
    octets = np.frombuffer(distinct.buffers()[1], dtype=np.uint8)[: len(distinct) * ADDRESS_BYTES]
    return pa.DictionaryArray.from_arrays(coded.indices, address_texts(octets.reshape(-1, ADDRESS_BYTES)))


def _enum(rows: Numbers, field: str, members: type[IntEnum], stream: str) -> pa.DictionaryArray:
    words = {int(member): member.name.lower() for member in members}
    numbers = np.ascontiguousarray(rows[field])
    for number in np.flatnonzero(np.bincount(numbers)):
        if int(number) not in words:
            raise _unknown(field, int(number), len(words), stream)
    return _coded(numbers, 1 + max(words), words.__getitem__, field, stream)


def _coded(
    numbers: Numbers, count: int, word: Callable[[int], str], field: str, stream: str
) -> pa.DictionaryArray:
    """Each row's word, by number; the dictionary holds the words in use only. `count` numbers exist."""
    _check(field, numbers, count, stream)
    if count > len(numbers):  # pairs may be many more than rows
        used, codes = np.unique(numbers, return_inverse=True)
    else:
        seen = np.bincount(numbers, minlength=1) > 0
        used, codes = np.flatnonzero(seen), (np.cumsum(seen) - 1)[numbers]
    return _dictionary(codes.astype(np.int32), pa.array([word(int(number)) for number in used], pa.string()))


def _dictionary(codes: Numbers, words: pa.StringArray, absent: Numbers | None = None) -> pa.DictionaryArray:
    """A dictionary-coded column; rows that are `absent` are null.

    Two numbers may stand for one word (a domain with two windows); it is in the dictionary once, for Arrow
    writes a dictionary with repetitions out in full. Null rows have code 0, so that no chance gets into the
    file.
    """
    coded = words.dictionary_encode()
    if len(coded.dictionary) < len(words):
        codes, words = coded.indices.to_numpy()[codes], coded.dictionary
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=absent), words)


def _constant(word: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(count, dtype=np.int32)), pa.array([word], pa.string())
    )


def _check(field: str, numbers: Numbers, count: int, stream: str) -> None:
    if len(numbers) and int(numbers.max()) >= count:
        raise _unknown(field, int(numbers.max()), count, stream)


def _unknown(field: str, found: int, count: int, stream: str) -> CorruptError:
    return CorruptError(
        "read records",
        stream,
        f"field {field}",
        f"found number {found}, expected one of {count} that the rules and codes know",
        "The journal stays; read it with the rules that its header names and the release that wrote it.",
    )
