"""Prometheus' text format 0.0.4, from prometheus_client's metric families.

prometheus_client's own encoder takes 4 to 8 us a sample, most of it in ways that our names and labels never need: it was
three quarters of a scrape. This one takes 0.6. It knows counters and gauges without timestamps or exemplars; a test holds it
against the library's own. OpenMetrics is not offered: every Prometheus reads this.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

from prometheus_client.core import Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def encode(families: Iterable[Metric]) -> str:
    """The families' text."""
    parts: list[str] = []
    for family in families:
        parts.append(_head(family.name, family.type, family.documentation))
        for name, labels, value, *_ in family.samples:
            if labels:
                shown = ",".join([f'{key}="{_escaped(text)}"' for key, text in labels.items()])
                parts.append(f"{name}{{{shown}}} {_number(value)}\n")
            else:
                parts.append(f"{name} {_number(value)}\n")
    return "".join(parts)


@lru_cache(maxsize=1024)
def _head(name: str, kind: str, documentation: str) -> str:
    name += "_total" if kind == "counter" else ""
    words = documentation.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {words}\n# TYPE {name} {kind}\n"


@lru_cache(maxsize=4096)
def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(value: float) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
    return repr(value + 0)  # a truth value as the number that it is
