"""The data dictionary says what the files have: their columns, types and what may be null, with a meaning for each."""

from typing import get_args

import pyarrow as pa
import pytest

from collector.exports import schema
from collector.exports.native import HOSTS, SCHEMAS
from collector.exports.network_activity import SCHEMA, leaves
from collector.exports.shadowserver import REPORTS
from collector.segments.table import EVENTS
from collector.segments.versions import SCHEMA_VERSION

DATASETS = (*SCHEMAS, "network_activity", *REPORTS)


@pytest.mark.parametrize(("dataset", "written"), [("events", EVENTS), ("hosts", HOSTS)])
def test_native_columns_are_the_writers(dataset, written):
    """Names in order, types and nullability are those that the writer has; the version too."""
    document = schema.schema_document(dataset)
    assert document["schema_version"] == SCHEMA_VERSION
    assert [(one["name"], one["nullable"]) for one in document["columns"]] == [
        (field.name, field.nullable) for field in written
    ]
    types = {"timestamp[us, UTC]": pa.timestamp("us", tz="UTC"), "string": pa.string()}
    types |= {"int32": pa.int32(), "int64": pa.int64()}
    assert [types[one["type"]] for one in document["columns"]] == list(written.types)


@pytest.mark.parametrize("report", REPORTS)
def test_reports_columns_are_the_writers(report):
    """A report's dictionary has every column of the report in order; content is said to be empty."""
    columns = schema.schema_document(report)["columns"]
    assert [one["name"] for one in columns] == list(REPORTS[report])
    content = {one["name"] for one in columns if one["class"] == "content"}
    expected = {
        "http_url",
        "http_agent",
        "http_referer",
        "forwarded_by",
        "machine_name",
        "ssl_cipher",
        "version",
    }
    assert content == expected & set(REPORTS[report])


def test_ocsf_attributes_are_the_writers():
    """Every leaf of the written schema has a line with its type, in the order of the file."""
    columns = schema.schema_document("network_activity")["columns"]
    assert [one["name"].replace("[].", ".list.element.") for one in columns] == list(leaves(SCHEMA))
    types = {one["name"]: one["type"] for one in columns}
    assert types["time"] == types["type_uid"] == "int64"
    assert types["src_endpoint.port"] == "int32"
    assert types["dst_endpoint.hostname"] == types["enrichments[].data"] == "string"


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_column_is_explained(dataset):
    """Each has a class that the dictionary knows and words of its own; no native or OCSF column is content, or empty."""
    document = schema.schema_document(dataset)
    assert document["dataset"] == dataset
    for one in document["columns"]:
        assert one["class"] in get_args(schema.Class), one
        assert len(one["meaning"]) > 3, one
        assert "|" not in one["meaning"] + one["unit"]
        if dataset not in REPORTS:
            assert one["class"] not in ("content", "empty"), one


def test_times_have_a_unit_and_a_zone():
    """Whatever is a time says its unit and that it is UTC."""
    for dataset in DATASETS:
        for one in schema.schema_document(dataset)["columns"]:
            if one["name"] in ("timestamp", "time", "first_seen", "last_seen"):
                assert "UTC" in one["unit"], (dataset, one)


def test_what_is_no_dataset_has_no_dictionary():
    """Another name gives None."""
    assert schema.schema_document("secrets") is None
    assert schema.schema_document("") is None
