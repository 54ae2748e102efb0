"""L-02, L-03, L-09: any orders at any instants, beside a model of one comparison, edges and their neighbours included."""

from collectors import SCHEDULE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from order_world import EPOCH, MICROSECOND, belongs, order, rules_of, us

from collector.orders.timeline import OrderWindow, timeline

UNIT_US = 3_600_000_000
"""Orders of the model begin and end on hours, with a microsecond more or less."""

SHIFTS = st.sampled_from([-1, 0, 0, 0, 1])
PIECES = st.tuples(
    st.integers(0, 40), st.integers(1, 30), SHIFTS, SHIFTS, st.none() | st.integers(-10, 80), st.booleans()
)


def at(hour: int, shift: int = 0) -> int:
    """An instant of the model, in microseconds."""
    return us(EPOCH) + (490_000 + hour) * UNIT_US + shift


def moment(at_us: int):
    return EPOCH + at_us * MICROSECOND


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(st.lists(PIECES, min_size=1, max_size=5), min_size=1, max_size=3))
def test_l09_each_instant_belongs_to_the_earliest_order_in_force(tmp_path_factory, operations):
    """Chains, gaps, overlaps, terminations before the start and after the end, several operations that list one domain: at each
    edge, and a microsecond beside it, a check-in is recorded exactly if some order's [starts, ends) holds it, once, under the
    one that starts first, then by id.
    """
    files, model = [], []
    for number, pieces in enumerate(operations):
        text, previous = "", None
        for place, (begin, hours, first, last, terminated, chained) in enumerate(pieces):
            name, starts, ends = f"o{number}-{place}", at(begin, first), at(begin + hours, last)
            extends = f'extends = "{previous[0]}"' if chained and previous and previous[1] < starts else ""
            ended = {"terminated": moment(at(terminated))} if terminated is not None else {}
            text += order(name, moment(starts), moment(ends), more=extends, **ended)
            over = min(ends, at(terminated)) if terminated is not None else ends
            model.append((starts, over, name))
            previous = name, starts
        files.append({"name": f"op{number}", "orders": text, "schedule": SCHEDULE})
    rules = rules_of(tmp_path_factory.mktemp("model"), *files)
    for edge in {edge for starts, ends, _ in model for edge in (starts, ends)}:
        for now in (edge - 1, edge, edge + 1):
            wanted = min(
                ((starts, name) for starts, ends, name in model if starts <= now < ends), default=(0, None)
            )[1]
            assert belongs(rules, now) == wanted
            assert belongs(rules, now, b"x.y.evil-two.net") == wanted
            assert belongs(rules, now, b"good.example") is None
    rules.close()


@given(
    windows=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8), now=st.integers(-1, 51)
)
def test_l02_the_timeline_is_the_comparison(windows, now):
    """Precomputed choices say at every instant what comparing each order would say."""
    from bisect import bisect_right

    orders = [
        OrderWindow(f"o{n}", n, 0, "k", starts, ends, volume=False)
        for n, (starts, ends) in enumerate(windows)
    ]
    edges, choices = timeline(orders)
    found = choices[bisect_right(edges, now)]
    wanted = min(
        (order for order in orders if order.starts_us <= now < order.ends_us),
        key=lambda o: (o.starts_us, o.id),
        default=None,
    )
    assert found == wanted
