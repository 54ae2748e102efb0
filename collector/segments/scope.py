"""A second look at every row on its way to Parquet: was its order in force when it came?

Intake decides by the rules in force (orders/rules.py), check-in by check-in, in plain Python. Here the same rules are asked of
the rows as they were written, all at once and by nothing of intake's code: a mistake there, or a record that rotted in between,
would show as rows outside of their order (law.md L-02). They are kept, because the court has to know of them, and counted.
"""

import numpy as np

from collector.orders.rules import Rules
from collector.segments.table import ROW


def rows_outside_order(records: bytes, rules: Rules) -> int:
    """How many of these records came before their order's start, or at its end or later. About 10 ns each.

    Raises IndexError where an order is unknown to the rules; `write_segments` has refused those before.
    """
    rows = np.frombuffer(records, dtype=ROW)
    times, orders = rows["time_us"].astype(np.int64), rows["order"]
    starts = np.array([order.starts_us for order in rules.orders], dtype=np.int64)[orders]
    ends = np.array([order.ends_us for order in rules.orders], dtype=np.int64)[orders]
    return int(((times < starts) | (times >= ends)).sum())
