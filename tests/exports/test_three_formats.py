"""One day of segments, exported in every format at once: each tells the rows that the annex gives, and no others."""

from collections import defaultdict

import pyarrow.parquet as pq
from as_read import read_reports, report, report_row, row_of_event, told
from day_world import OTHER_STREAM, STREAM, Day, entitlement, given_rows, rows_in
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rows_world import KEYS, by_time
from segment_world import record_strategy

from collector.exports.enrich import Enrichment, Span
from collector.exports.publication import publications

FORMATS = ("parquet", "shadowserver-csv", "ocsf-parquet")
EVERYWHERE = (1 << 128) - 1
KNOWN = {"src_asn": 64_500, "src_geo": "DE", "mark": "probe"}
"""Of every address."""
ENRICHED = Enrichment(
    lambda _: (64_500, EVERYWHERE), lambda _: ("DE", EVERYWHERE), (Span(0, EVERYWHERE, "probe"),), ()
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_l31_every_format_tells_the_rows_and_columns_that_are_given(data, rules, tmp_path_factory):
    """From records to files and back: the native rows, the reports' cells and the events are those of the model."""
    world = Day(tmp_path_factory.mktemp("day"), rules, ENRICHED)
    for stream in (STREAM, OTHER_STREAM):
        world.record(data.draw(st.lists(record_strategy(rules), min_size=1, max_size=12)), stream)
    world.seal()
    for row in world.rows:
        row.update(KNOWN)
    columns = data.draw(
        st.sampled_from(
            [
                (),
                KEYS,
                (*KEYS, "family", "domain", "application"),
                (*KEYS, "dst_port", "mark", "src_asn", "transport"),
            ]
        )
    )
    families = data.draw(st.sampled_from([(), ("tinba", "zeroaccess")]))
    one = entitlement(datasets=("events",), formats=FORMATS, columns=columns, families=families)
    world.export([one])
    (publication,) = publications(world.data, one.partner)
    want = given_rows(world.rows, one)

    assert rows_in(publication.folder, "events") == want
    cells = defaultdict(list)
    for row in want:
        cells[report(row)].append(report_row(row))
    reports = {path.name: path.read_text("ascii") for path in publication.folder.glob("*.csv")}
    assert read_reports(reports) == dict(cells)
    events = [
        row_of_event(event)
        for path in sorted(publication.folder.glob("*-network_activity-*.parquet"))
        for event in pq.read_table(path).to_pylist()
    ]
    whole = [
        row
        for row in world.rows
        if (row["stream"], row["record"]) in {(w["stream"], w["record"]) for w in want}
    ]
    assert events == [told(row, columns) for row in by_time(whole)]
    listed = {file.name: file.rows for file in publication.manifest.files}
    assert sum(rows for name, rows in listed.items() if name.endswith(".csv")) == len(want)
    assert sum(rows for name, rows in listed.items() if "network_activity" in name) == len(want)
