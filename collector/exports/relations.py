"""The relations that an export's statements speak of, named over the files of a day.

events       the day's segments
addresses    its distinct source addresses, enriched (`addresses`)
withdrawn    stream and record of the rows that were found wrong (`withdrawn`)
"""

from collections.abc import Sequence
from pathlib import Path

from collector.exports import query
from collector.exports.addresses import write_addresses
from collector.exports.engine import Engine
from collector.exports.enrich import Enrichment
from collector.exports.source import DaySource
from collector.exports.withdrawn import KEYS, list_path
from collector.segments.table import EVENTS


def name_relations(
    engine: Engine,
    data_dir: Path,
    source: DaySource,
    networks: Sequence[tuple[str, ...]],
    enrichment: Enrichment,
) -> int:
    """Name them; how many addresses there are. `within_<n>` of an address belongs to `networks[n]`. Raises EngineError."""
    engine.view("events", [segment.path(data_dir) for segment in source.segments], EVENTS)
    path = engine.folder / "addresses.parquet"
    texts = (batch.column(0) for batch in engine.stream(query.distinct_addresses(), in_order=False))
    count = write_addresses(texts, networks, enrichment, path)
    engine.view("addresses", [path], EVENTS)
    lists = {one.sha256: list_path(data_dir, source.day, one.sha256) for one in source.withdrawn}
    engine.view("withdrawn", list(lists.values()), KEYS)
    return count
