"""Distinct addresses are counted exactly, whatever their kind, in whatever order and pieces they come."""

import ipaddress

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.court import rows as court_rows
from collector.court.rows import Distinct

ADDRESSES = st.one_of(
    st.ip_addresses(v=4), st.ip_addresses(v=6), st.sampled_from([ipaddress.ip_address("::1")])
).map(str)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(ADDRESSES, max_size=30), max_size=8), st.integers(0, 40))
def test_distinct_is_a_set(pieces, merge_from):
    """However the addresses come and whenever they are joined, the count is that of Python's set; so for a union."""
    court_rows._MERGE_FROM, before = merge_from, court_rows._MERGE_FROM
    try:
        whole, first, second = Distinct(), Distinct(), Distinct()
        for number, piece in enumerate(pieces):
            column = pa.chunked_array([piece], pa.string())
            whole.add(column)
            (first if number % 2 else second).add(column)
        first.update(second)
    finally:
        court_rows._MERGE_FROM = before
    assert whole.count() == first.count() == len({address for piece in pieces for address in piece})


def test_nothing_is_nothing():
    """No address: none."""
    assert Distinct().count() == 0
    empty = Distinct()
    empty.update(Distinct())
    empty.add(pa.chunked_array([[]], pa.string()))
    assert empty.count() == 0
