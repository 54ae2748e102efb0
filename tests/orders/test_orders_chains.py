"""Chains of extensions beside a model: what belongs together, when it ends, where nothing was in force."""

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from collector.orders.chains import Gap, chain_of, chains, end_of, gaps_in, roots


class Link(NamedTuple):
    id: str
    extends: str | None
    starts_us: int
    ends_us: int


@st.composite
def forests(draw):
    """Orders of which some extend an earlier one; windows of any kind, empty and reversed ones included."""
    links = []
    for number in range(draw(st.integers(0, 12))):
        base = draw(st.none() | st.sampled_from(links)) if links else None
        start = draw(st.integers(0, 40))
        links.append(Link(f"o{number}", base.id if base else None, start, draw(st.integers(0, 60))))
    return draw(st.permutations(links))


@given(links=forests())
def test_a_chain_is_the_closure_of_extends_both_ways(links):
    """Two orders are in one chain exactly where a path of extensions joins them, in whatever order the file has them."""
    joined = {link.id: {link.id} for link in links}
    for _ in links:
        for link in links:
            if link.extends:
                both = joined[link.id] | joined[link.extends]
                for member in both:
                    joined[member] |= both
    first = roots(links)
    for link in links:
        assert {member.id for member in chain_of(links, link.id)} == joined[link.id]
        [root] = [
            member for member in joined[link.id] if next(o for o in links if o.id == member).extends is None
        ]
        assert first[link.id] == root
    assert sorted(chains(links)) == sorted(set(first.values()))


@given(links=forests())
def test_gaps_are_what_no_order_covers(links):
    """Between the first start and the last end of a chain, each instant is in an order or in exactly one gap."""
    for chain in chains(links).values():
        gaps = gaps_in(chain)
        lasting = [link for link in chain if link.starts_us < link.ends_us]
        assert end_of(chain) == max(link.ends_us for link in chain)
        assert bool(gaps) <= bool(lasting)
        for moment in range(-1, 62):
            covered = any(link.starts_us <= moment < link.ends_us for link in lasting)
            within = lasting and min(link.starts_us for link in lasting) <= moment < max(
                link.ends_us for link in lasting
            )
            in_gaps = sum(gap.from_us <= moment < gap.until_us for gap in gaps)
            assert in_gaps == (1 if within and not covered else 0)


def test_a_gap_names_the_order_that_ends_it():
    """From the end of the one to the start of the other; an order within another makes none."""
    chain = [Link("a", None, 0, 10), Link("b", "a", 2, 5), Link("c", "b", 12, 20), Link("d", "c", 20, 30)]
    assert gaps_in(chain) == [Gap(10, 12, "c")]


def test_a_circle_is_cut_open_and_not_followed_forever():
    """`agreement` refuses circles; whoever asks before that still gets an answer."""
    assert set(roots([Link("a", "b", 0, 1), Link("b", "a", 0, 1)]).values()) <= {"a", "b"}
    tail = [Link("x", "a", 0, 1), Link("a", "b", 0, 1), Link("b", "a", 0, 1)]
    found = roots(tail)
    assert set(found) == {"x", "a", "b"}
    assert set(found.values()) <= {"a", "b"}  # a path that leads into a circle ends there too


def test_each_gap_begins_where_the_longest_order_before_it_ended():
    """Several gaps in one chain: each from the last end before it, not from an earlier one."""
    chain = [Link("a", None, 0, 5), Link("b", "a", 8, 10), Link("c", "b", 9, 20), Link("d", "c", 25, 30)]
    assert gaps_in(chain) == [Gap(5, 8, "b"), Gap(20, 25, "d")]
