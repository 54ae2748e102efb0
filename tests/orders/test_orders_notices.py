"""Which answers carry a public notice, and the cell that counts how often each is served."""

import hashlib

from collector.ground.counters import NOTICE_CELLS
from collector.orders.notices import answer_digest, has_notice, notice_cells

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
NOTICE = HEAD + b"This machine is infected."


def wish(name: str, answer: bytes) -> int:
    """The cell that a notice wants for itself, as written down beside the counters: a digest of operation and answer."""
    return int(hashlib.sha256(name.encode() + b"\0" + answer).hexdigest()[:8], 16) % NOTICE_CELLS


def test_a_notice_is_what_follows_the_head():
    """A head alone is none, nor is an empty answer."""
    assert has_notice(NOTICE)
    assert not has_notice(HEAD)
    assert not has_notice(b"")


def test_the_log_names_an_answer_by_its_sha_256():
    """So that anybody can compare the notice with the entry."""
    assert answer_digest(NOTICE) == hashlib.sha256(NOTICE).hexdigest()


def test_a_cell_follows_from_operation_and_answer_alone():
    """Not from the place in the rules: workers with older and newer rules count one notice in one cell."""
    alone = notice_cells(["b"], [NOTICE])
    among = notice_cells(["a", "b", "c"], [HEAD, NOTICE, b""])
    assert alone == {0: wish("b", NOTICE)}
    assert among == {1: wish("b", NOTICE)}
    assert wish("a", NOTICE) != wish("b", NOTICE)


def test_two_notices_never_share_a_cell_and_what_is_beyond_the_cells_goes_uncounted():
    """As many notices as cells fill each once, whatever cells they wish for; one more has none."""
    names = [f"operation-{number}" for number in range(NOTICE_CELLS + 1)]
    cells = notice_cells(names[:-1], [NOTICE] * NOTICE_CELLS)
    assert sorted(cells) == list(range(NOTICE_CELLS))
    assert sorted(cells.values()) == list(range(NOTICE_CELLS))
    more = notice_cells(names, [NOTICE] * (NOTICE_CELLS + 1))
    assert len(more) == NOTICE_CELLS
    assert sorted(more.values()) == list(range(NOTICE_CELLS))


def test_of_two_that_wish_for_one_cell_the_smaller_digest_has_it_and_the_other_the_next():
    """Both beginnings: within the cells, and around their end."""
    wished: dict[int, list[str]] = {}
    for number in range(20 * NOTICE_CELLS):
        wished.setdefault(wish(f"o{number}", NOTICE), []).append(f"o{number}")
    for cell in (0, 5, NOTICE_CELLS - 1):
        two = sorted(
            wished[cell][:2], key=lambda name: hashlib.sha256(name.encode() + b"\0" + NOTICE).hexdigest()
        )
        assert notice_cells(two[::-1], [NOTICE] * 2) == {1: cell, 0: (cell + 1) % NOTICE_CELLS}
