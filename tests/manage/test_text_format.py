"""Our encoder of Prometheus' text format says what prometheus_client's says, for everything that we give it."""

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from collector.manage.text_format import encode

NAME = st.from_regex(r"[a-z][a-z_]{0,11}", fullmatch=True)
NUMBER = st.floats() | st.integers(-(2**53), 2**53) | st.booleans()
SAMPLES = st.lists(st.tuples(st.text(max_size=6), st.text(max_size=6), NUMBER), max_size=5)


def read(text):
    """Families by name: kind, words, samples; not-a-number as text, since it equals nothing."""
    return {
        family.name: (
            family.type,
            family.documentation,
            [(one.name, one.labels, "NaN" if math.isnan(one.value) else one.value) for one in family.samples],
        )
        for family in text_string_to_metric_families(text)
    }


@given(st.lists(st.tuples(NAME, st.booleans(), st.text(max_size=20), SAMPLES), unique_by=lambda one: one[0]))
def test_it_says_what_the_librarys_own_encoder_says(described):
    """Any counters and gauges with any labels, words and numbers: read back, the two pages are the same."""
    families = []
    for name, counts, words, samples in described:
        kind = CounterMetricFamily if counts else GaugeMetricFamily
        family = kind(f"x_{name}", words, labels=("first", "second"))
        for first, second, number in samples:
            family.add_metric((first, second), number)
        families.append(family)

    class Families:
        def collect(self):
            return families

    library = CollectorRegistry(auto_describe=False)
    library.register(Families())
    assert read(encode(families)) == read(generate_latest(library).decode())
