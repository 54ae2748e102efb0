"""What the page is told of orders: their own clocks, and how long their chains go on."""

from collector.orders.rules import OrderState
from collector.service.outlook import Known, orders_of

DAY_US = 86_400_000_000
DUE_US = 90 * DAY_US


def state(name, starts, ends, chain, due=DUE_US):
    """An order of some days; active on day 5."""
    return OrderState(name, "op", "pen-trap", starts * DAY_US, ends * DAY_US, starts <= 5 < ends, due, chain)


def test_chains_end_with_their_last_order_and_returns_go_when_the_court_has_them() -> None:
    """An order that is extended says how long its chain goes on; a return that was delivered, or is not asked for, is None."""
    orders = [
        state("a-1", 0, 10, "a-1"),
        state("a-2", 10, 30, "a-1"),
        state("b-1", 0, 10, "b-1"),
        state("c-1", 0, 10, "c-1", due=None),
    ]
    known = Known({}, orders, {"b-1": object()}, (), 0, 0, {})
    found = {order.order: order for order in orders_of(known)}
    assert [(order.ends / 86_400, order.chain_ends / 86_400) for order in found.values()] == [
        (10, 30),
        (30, 30),
        (10, 10),
        (10, 10),
    ]
    assert [order.return_due for order in found.values()] == [DUE_US / 1e6, DUE_US / 1e6, None, None]
    assert [order.active for order in found.values()] == [True, False, True, True]
    assert not found["a-1"].just_ended(10 * 86_400)
    assert found["b-1"].just_ended(10 * 86_400)
