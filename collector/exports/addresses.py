"""One table of a day's distinct addresses: everything about a row that follows from its source address alone.

    src_ip       text, as the segments have it
    place        int32; rank in network order, IPv4 as ::ffff:0:0/96 and so before every global IPv6: what exports sort by
    src_asn      int64, null     from asn_db
    src_geo      string, null    from geo_db
    mark         string, null    from `marks`
    within_<n>   bool            whether it lies in the n-th of the lists of networks asked for

Two million addresses take some seconds here and nothing per row later: filtering, sorting and enriching a row is a join on
its address. All columns are numpy's; no Python runs per address but the one that reads its text.
"""

import bisect
from collections.abc import Iterable, Sequence
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from collector.exports.enrich import Enrichment, Found, Span, spans_of
from collector.ground.record import IPV4_PREFIX

Numbers = npt.NDArray[Any]
WIDTH = 16


def write_addresses(
    texts: Iterable[pa.Array], networks: Sequence[tuple[str, ...]], enrichment: Enrichment, path: Path
) -> None:
    """Write the table of the distinct addresses in `texts` to a Parquet file.

    `within_<n>` belongs to `networks[n]`. Raises ValueError where a text is no address.
    """
    chunks = list(texts)
    text = pa.chunked_array(chunks, pa.string()) if chunks else pa.chunked_array([], pa.string())
    octets = _octets(text)
    order = _network_order(octets)
    keys = octets[order].view(f"S{WIDTH}").ravel()
    columns: dict[str, Any] = {
        "src_ip": text.take(pa.array(order)),
        "place": pa.array(np.arange(len(keys), dtype=np.int32)),
        "src_asn": pa.array(_looked_up(keys, enrichment.asn), pa.int64()),
        "src_geo": pa.array(_looked_up(keys, enrichment.geo), pa.string()),
        "mark": pa.array(_spread(keys, enrichment.marks), pa.string()),
    }
    for number, listed in enumerate(networks):
        columns[f"within_{number}"] = pa.array(within(keys, listed))
    pq.write_table(pa.table(columns), path, compression="lz4", row_group_size=1 << 17)


def within(keys: Numbers, networks: Iterable[str]) -> npt.NDArray[np.bool_]:
    """Which of the sorted addresses lie in one of the networks."""
    found = np.zeros(len(keys), dtype=np.bool_)
    for network in networks:
        for first, last in spans_of(network):
            found[_before(keys, first) : _before(keys, last + 1)] = True
    return found


def _octets(text: pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Sixteen bytes a row, IPv4 mapped."""
    parts = [
        b"".join(
            inet_pton(AF_INET6, address) if ":" in address else IPV4_PREFIX + inet_pton(AF_INET, address)
            for address in chunk.to_pylist()
        )
        for chunk in text.chunks
    ]
    return np.frombuffer(b"".join(parts), dtype=np.uint8).reshape(-1, WIDTH)


def _network_order(octets: npt.NDArray[np.uint8]) -> Numbers:
    halves = np.ascontiguousarray(octets).view(">u8").reshape(-1, 2).astype(np.uint64)
    return np.lexsort((halves[:, 1], halves[:, 0]))


def _before(keys: Numbers, address: int) -> int:
    """How many of the sorted addresses lie before one."""
    if address >> (8 * WIDTH):
        return len(keys)
    return int(np.searchsorted(keys, np.bytes_(address.to_bytes(WIDTH, "big"))))


def _looked_up(keys: Numbers, find: Found | None) -> list[Any]:
    """What a database says of each address; asked once for each network that has any."""
    found: list[Any] = [None] * len(keys)
    if find is None:
        return found
    place = 0
    while place < len(keys):
        value, last = find(_number(keys, place))
        following = _before(keys, last + 1)
        if value is not None:
            found[place:following] = [value] * (following - place)
        place = following
    return found


def _spread(keys: Numbers, spans: Sequence[Span]) -> list[Any]:
    """The value of the span that each address lies in."""
    found: list[Any] = [None] * len(keys)
    place = 0
    firsts = [span.first for span in spans]
    while spans and place < len(keys):
        address = _number(keys, place)
        number = bisect.bisect_right(firsts, address) - 1
        if number >= 0 and address <= spans[number].last:
            following = _before(keys, spans[number].last + 1)
            found[place:following] = [spans[number].value] * (following - place)
        elif number + 1 < len(spans):
            following = max(place + 1, _before(keys, firsts[number + 1]))
        else:
            break
        place = following
    return found


def _number(keys: Numbers, place: int) -> int:
    # numpy gives a fixed-width text without its trailing zero bytes.
    return int.from_bytes(bytes(keys[place]).ljust(WIDTH, b"\0"), "big")
