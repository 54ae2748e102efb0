"""Rows of `events` as events of OCSF 1.7.0, class 4001, Network Activity.

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

So a row can be told from its event in full, but for `order_id`, which the file says once. The malware is an enrichment
because OCSF's own `malware` belongs to a profile for security controls. It is told of dst_endpoint.ip, the sinkhole, whose
few addresses cost nothing, and of src_endpoint.ip only where the annex keeps those back: repeating 13 bytes of source in
every row makes a file a third larger. Nothing here is ever http_request, raw_data or unmapped: those hold what was sent,
and that is not recorded.
"""

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import collector
from collector.ground.codes import Transport
from collector.segments.table import EVENTS

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
            "enrichments": _enrichments(rows, destination["ip"]),
        }
    )


def _enrichments(rows: pa.RecordBatch, sinkhole: pa.DictionaryArray) -> pa.ListArray:
    """A list of one for each row; null where nothing of it is given."""
    count = rows.num_rows
    told = "dst" if "dst_ip" in rows.schema.names else "src"
    data = _data(rows)
    one = {
        "name": _word(f"{told}_endpoint.ip", count),
        "value": sinkhole if told == "dst" else rows.column("src_ip").dictionary_encode(),
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
        return pa.nulls(rows.num_rows, pa.dictionary(pa.int32(), pa.string()))
    words = [rows.column(name) for name in names]
    joined = pc.binary_join_element_wise(*words, " ", null_handling="replace", null_replacement="")
    found = joined.dictionary_encode()
    texts = [
        json.dumps(
            {name: word for name, word in zip(names, one.split(" "), strict=True) if word},
            separators=(",", ":"),
        )
        for one in found.dictionary.to_pylist()
    ]
    return pa.DictionaryArray.from_arrays(found.indices, pa.array(texts, pa.string()))


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
