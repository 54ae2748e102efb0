"""`events` as OCSF 1.7.0 Network Activity (class 4001) in Parquet, for Amazon Security Lake and its kind.

1.7.0 is the first version with `observation_point_id`. One event per check-in, of these attributes and no others; what the
annex does not give is null, and an object without anything in it is null as a whole:

    class_uid 4001, category_uid 4, activity_id 1 (Open), type_uid 400101, severity_id 5 (Critical)
    time                  epoch milliseconds; metadata.original_time has the microseconds (law.md L-35)
    metadata              version, product{name, vendor_name, version}, uid (stream and record, joined by a dash)
    src_endpoint          ip, port, autonomous_system{number}, location{country}: the infected machine
    dst_endpoint          ip, port, hostname (the schedule's domain): us
    connection_info       direction_id 1 (Inbound), protocol_num, protocol_name, protocol_ver_id
    observation_point_id  2: the destination saw it
    traffic               bytes_in
    enrichments           one: type "sinkhole", data a JSON text of family, infection, application, source_trust and mark

The malware is an enrichment because OCSF's own `malware` belongs to a profile for security controls. It is told of
dst_endpoint.ip, the sinkhole, whose few addresses cost nothing, and of src_endpoint.ip only where the annex keeps those
back: repeating 13 bytes of source in every row makes a file a third larger. Nothing here is ever http_request, raw_data or
unmapped: those hold what was sent, and that is not recorded.

Storage as Security Lake asks for it: zstd, data pages of at most 1 MB, row groups of at most 256 MB, ordered by time
as the rows come. Encodings are PLAIN and dictionary alone, which every reader of a lake knows.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import collector
from collector.exports.kinds import Labels, WrittenFile
from collector.exports.labels import metadata_of
from collector.exports.layout import parquet_name
from collector.exports.parts import PART_BYTES_MAX, PartFile
from collector.ground.codes import Transport
from collector.segments.table import EVENTS

SCHEMA_VERSION = 1
"""Raised whenever an attribute is added or taken away, or changes its meaning, or the version of OCSF does."""
OCSF_VERSION = "1.7.0"
PRODUCT = "Pentrap"
CONSTANTS = {
    "class_uid": pa.scalar(4001, pa.int32()),
    "category_uid": pa.scalar(4, pa.int32()),
    "activity_id": pa.scalar(1, pa.int32()),
    "type_uid": pa.scalar(400101, pa.int64()),
    "severity_id": pa.scalar(5, pa.int32()),
}
DIRECTION_INBOUND, OBSERVED_AT_DESTINATION = 1, 2
ENRICHED = ("family", "infection", "application", "source_trust", "mark")
"""What the enrichment's data says, in this order."""
ROW_GROUP_ROWS = 1 << 18
"""About 40 MB before compression; 120 MB were every domain as long as a name can be."""
PAGE_BYTES = 1 << 19
"""Arrow ends a page after the batch of 1,024 values that fills it: a page is 512 KB, and 260 KB more were each value a domain
of the longest; the lake's limit is 1 MB.
"""
FOOTER_BYTES = 1 << 16
"""More than a row group's statistics and page index take at a part's end: 4 KB, and some 100 bytes a page."""
ZSTD_LEVEL = 1
"""Source addresses and numbers are close to random: level 3 takes twice as long on them and saves 2 %."""
_CODED = pa.dictionary(pa.int32(), pa.string())


class OcsfWriter:
    """Writes rows of `events`, ordered by time, into parts."""

    def __init__(self, labels: Labels, folder: Path, part_bytes: int = PART_BYTES_MAX) -> None:
        """Nothing is created before a row group is whole."""
        self._labels, self._folder, self._part_bytes = labels, folder, part_bytes
        self._said = metadata_of(labels, "network_activity", SCHEMA_VERSION)
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._file: PartFile | None = None
        self._parquet: pq.ParquetWriter | None = None
        self._rows = 0
        self._groups = 0
        self._largest_group = 0
        self._done: list[WrittenFile] = []

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in; a row group is written once it is whole. Raises OSError."""
        self._waiting.append(plain(batch))
        self._waiting_rows += batch.num_rows
        while self._waiting_rows >= ROW_GROUP_ROWS:
            self._write_group(ROW_GROUP_ROWS)

    def close(self) -> list[WrittenFile]:
        """Write what is left; the complete files: at least one, without rows if there were none. Raises OSError."""
        if self._waiting_rows:
            self._write_group(self._waiting_rows)
        if self._parquet is None and not self._done:
            self._open()
        self._end_part()
        return self._done

    def _write_group(self, count: int) -> None:
        table = pa.Table.from_batches(self._waiting)
        rest = table.slice(count)
        self._waiting, self._waiting_rows = rest.to_batches(), rest.num_rows
        (rows,) = table.slice(0, count).combine_chunks().to_batches()
        parquet, file = self._open()
        before = file.tell()
        parquet.write_batch(network_activity(rows), row_group_size=ROW_GROUP_ROWS)
        self._rows += count
        self._groups += 1
        self._largest_group = max(self._largest_group, file.tell() - before)
        # Room for another group that compresses worse than any before, and for the footer.
        footer = (self._groups + 1) * FOOTER_BYTES
        if file.tell() + 2 * self._largest_group + footer > self._part_bytes:
            self._end_part()

    def _open(self) -> tuple[pq.ParquetWriter, PartFile]:
        if self._parquet is None or self._file is None:
            name = parquet_name(self._labels, "network_activity", len(self._done) + 1)
            self._file = PartFile(self._folder / name)
            self._parquet = pq.ParquetWriter(
                self._file,
                SCHEMA,
                compression="zstd",
                compression_level=ZSTD_LEVEL,
                use_dictionary=_WITH_DICTIONARY,
                data_page_size=PAGE_BYTES,
                dictionary_pagesize_limit=PAGE_BYTES,
                write_statistics=True,
                write_page_index=True,
                write_page_checksum=True,
                store_schema=False,  # plain Parquet types, whatever Arrow had in memory
            )
            self._parquet.add_key_value_metadata(self._said)
        return self._parquet, self._file

    def _end_part(self) -> None:
        if self._parquet is None or self._file is None:
            return
        self._parquet.close()
        self._done.append(self._file.complete(self._rows, "events", "ocsf-parquet", SCHEMA_VERSION))
        self._parquet, self._file, self._rows, self._groups = None, None, 0, 0


def network_activity(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of `events`, any of its columns but those that every annex gives, as events of class 4001."""
    count = rows.num_rows
    times = rows.column("timestamp")
    microseconds = times.cast(pa.timestamp("us")).cast(pa.string())
    uid = [rows.column("stream"), rows.column("record").cast(pa.string()), "-"]
    product = {"name": PRODUCT, "vendor_name": PRODUCT, "version": collector.__version__}
    metadata = {
        "version": _word(OCSF_VERSION, count),
        "product": _object({name: _word(word, count) for name, word in product.items()}),
        "uid": pc.binary_join_element_wise(*uid),
        "original_time": pc.binary_join_element_wise(microseconds, "Z", ""),
    }
    asn, country = _given(rows, "src_asn"), _given(rows, "src_geo").dictionary_encode()
    source = {
        "ip": rows.column("src_ip"),
        "port": rows.column("src_port"),
        "autonomous_system": _object({"number": asn}),
        "location": _object({"country": country}),
    }
    destination = {
        "ip": _given(rows, "dst_ip").dictionary_encode(),
        "port": _given(rows, "dst_port"),
        "hostname": _given(rows, "domain"),
    }
    transport = _given(rows, "transport").dictionary_encode()
    numbers = pa.array([Transport[word.upper()] for word in transport.dictionary.to_pylist()], pa.int32())
    of_six = pc.match_substring(rows.column("src_ip"), ":")
    connection = {
        "direction_id": _number(DIRECTION_INBOUND, count),
        "protocol_num": numbers.take(transport.indices),
        "protocol_name": transport,
        "protocol_ver_id": pc.if_else(of_six, pa.scalar(6, pa.int32()), pa.scalar(4, pa.int32())),
    }
    return pa.RecordBatch.from_pydict(
        {name: pa.repeat(value, count) for name, value in CONSTANTS.items()}
        | {
            "time": times.cast(pa.timestamp("ms", tz="UTC"), safe=False).cast(pa.int64()),
            "metadata": _object(metadata),
            "src_endpoint": _object(source),
            "dst_endpoint": _object(destination),
            "connection_info": _object(connection),
            "observation_point_id": _number(OBSERVED_AT_DESTINATION, count),
            "traffic": _object({"bytes_in": _given(rows, "bytes_in")}),
            "enrichments": _enrichments(rows),
        }
    )


def _enrichments(rows: pa.RecordBatch) -> pa.ListArray:
    """A list of one for each row; null where nothing of it is given."""
    count = rows.num_rows
    told = "dst" if "dst_ip" in rows.schema.names else "src"
    data = _data(rows)
    one = {
        "name": _word(f"{told}_endpoint.ip", count),
        "value": rows.column(f"{told}_ip").dictionary_encode(),
        "type": _word("sinkhole", count),
        "provider": _word(PRODUCT, count),
        "data": data,
    }
    absent = data.is_null() if data.null_count else None
    offsets = pa.array(np.arange(count + 1, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, _struct(one), mask=absent)


def _data(rows: pa.RecordBatch) -> pa.DictionaryArray:
    """The enrichment's JSON: written once for each combination that occurs, and there are few."""
    names = [name for name in ENRICHED if name in rows.schema.names]
    if not names:
        return pa.nulls(rows.num_rows, _CODED)
    combined = np.zeros(rows.num_rows, np.int64)
    words: list[list[str | None]] = []
    for name in names:
        coded = rows.column(name).dictionary_encode()
        words.append([*coded.dictionary.to_pylist(), None])
        absent = len(coded.dictionary)
        combined = combined * (absent + 1) + coded.indices.fill_null(absent).to_numpy()
    found = pa.array(combined).dictionary_encode()
    texts = [_json(names, words, number) for number in found.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(found.indices, pa.array(texts, pa.string()))


def _json(names: Sequence[str], words: Sequence[Sequence[str | None]], number: int) -> str:
    said = {}
    for name, listed in zip(reversed(names), reversed(words), strict=True):
        number, place = divmod(number, len(listed))
        if listed[place] is not None:
            said[name] = listed[place]
    return json.dumps(dict(reversed(said.items())), separators=(",", ":"))


def plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Dictionary-coded texts written out, so that all batches are of one type."""
    return pa.RecordBatch.from_pydict(
        {
            name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        }
    )


def _given(rows: pa.RecordBatch, name: str) -> pa.Array:
    """A column, null where the annex does not give it."""
    return (
        rows.column(name) if name in rows.schema.names else pa.nulls(rows.num_rows, EVENTS.field(name).type)
    )


def _object(attributes: dict[str, pa.Array]) -> pa.StructArray:
    """An object for each row, null where all its attributes are."""
    absent: pa.BooleanArray | None = None
    for values in attributes.values():
        if not values.null_count:
            return _struct(attributes)
        null = values.is_null()
        absent = null if absent is None else pc.and_(absent, null)
    return _struct(attributes, absent)


def _struct(attributes: dict[str, pa.Array], absent: pa.BooleanArray | None = None) -> pa.StructArray:
    return pa.StructArray.from_arrays(list(attributes.values()), names=list(attributes), mask=absent)


def _word(word: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([word], pa.string()))


def _number(number: int, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(number, pa.int32()), count)


def leaves(fields: Iterable[pa.Field], above: str = "") -> Iterator[str]:
    """The columns of Parquet that fields become."""
    for field in fields:
        if pa.types.is_struct(field.type):
            yield from leaves(field.type, f"{above}{field.name}.")
        elif pa.types.is_list(field.type):
            yield from leaves(field.type.value_type, f"{above}{field.name}.list.element.")
        else:
            yield above + field.name


SCHEMA = network_activity(pa.RecordBatch.from_pylist([], schema=EVENTS)).schema
_DISTINCT = ("time", "metadata.uid", "metadata.original_time", "src_endpoint.ip", "src_endpoint.port")
_WITH_DICTIONARY = [path for path in leaves(SCHEMA) if path not in _DISTINCT]
