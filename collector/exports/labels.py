"""What every published Parquet file says of itself in its key-value metadata (law.md L-34).

The order by its alias: docket, court and agency are in no file (law.md L-30).
"""

from collector.exports.kinds import Labels
from collector.segments.write import PRODUCER


def metadata_of(labels: Labels, dataset: str, schema_version: int) -> dict[str, str]:
    """Keys `pentrap.*`, as segments have them."""
    said = {
        "dataset": dataset,
        "schema_version": str(schema_version),
        "order": labels.order,
        "day": labels.day.isoformat(),
        "supplement": str(labels.supplement),
        "tlp": f"TLP:{labels.tlp}",
        "purpose": labels.purpose,
        "partner": labels.partner,
        "producer": PRODUCER,
    }
    return {f"pentrap.{key}": value for key, value in said.items()}
