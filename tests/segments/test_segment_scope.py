"""The second look at rows: whoever is outside of its order's window is counted, exactly at the edges, and kept."""

import segment_world
from hypothesis import given
from hypothesis import strategies as st
from segment_world import DAY_US, NOON_US, pack

from collector.ground import logs
from collector.ground.counters import CELL, Board
from collector.journal.format import BLOCK_SIZE
from collector.journal.writer import Batch, Journal
from collector.segments.scope import rows_outside_order
from collector.service.sealer import Sealer

DAY = NOON_US // DAY_US


@given(st.data())
def test_l02_rows_outside_their_order_are_counted_exactly(rules, data):
    """Around every edge of every order: a row at `starts` is inside, one at `ends` is not, to the microsecond."""
    moments = [
        edge + more
        for order in rules.orders
        for edge in (order.starts_us, order.ends_us)
        for more in (-1, 0, 1)
    ]
    chosen = data.draw(
        st.lists(st.tuples(st.integers(0, len(rules.orders) - 1), st.sampled_from(moments)), min_size=1)
    )
    outside = sum(
        not rules.orders[order].starts_us <= moment < rules.orders[order].ends_us for order, moment in chosen
    )
    records = b"".join(pack(time_us=moment, order=order) for order, moment in chosen)
    assert rows_outside_order(records, rules) == outside


def test_l02_the_clerk_counts_rows_outside_their_order_and_keeps_them(tmp_path):
    """A journal with rows that no worker may write becomes Parquet with all of them, and the counter says how many; one without
    adds nothing.
    """
    rules = segment_world.small_rules(tmp_path)
    order = rules.order_ids.index("avalanche-2")  # begins nine days later
    board = Board(1)
    clerk = Sealer(tmp_path, "sinkhole-1", NOON_US, 10_000_000, board, logs.get("clerk"))
    for outside in (0, 3):
        journal = Journal(tmp_path / "journal", "sinkhole-1", 0, sync=False, seal_us=1, settle_us=1)
        batch = Batch(DAY, rules.digest)
        records = pack() * 2 + pack(order=order) * outside
        batch.buffer[BLOCK_SIZE : BLOCK_SIZE + len(records)] = records
        batch.count = 2 + outside
        assert journal.commit(batch, NOON_US + outside)
        journal.close()
        assert clerk.work(NOON_US) == 0
        assert board.clerk.counts[CELL["segments_rows_outside_order"]] == outside
    assert board.clerk.counts[CELL["segments_rows"]] == 7
