"""Where rows are to do, and what a lane has ahead of it: exact by pages that were read, whatever the windows' stripes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance, begin, skip_to_last_stripe
from backfill.table.estimate.row_map import RowMap, even_map, row_map, rows_ahead
from backfill.table.estimate.row_sample import Chunk, ReadChunk

STRIPES = Layout((2, 3, 5), 40)


def read(first: int, pages: int, due: int) -> ReadChunk:
    return ReadChunk(Chunk("users", first, pages), due, due)


HALF = row_map([read(0, 50, 0), read(50, 50, 500)], 100)


def test_pages_that_were_read_are_counted():
    assert (HALF.total, HALF.rows(0, 50), HALF.rows(50, 100), HALF.rows(50, 60)) == (500, 0, 500, 100)
    assert (HALF.rows(90, 1000), HALF.rows(60, 60), HALF.rows(60, 50)) == (100, 0, 0)


def test_pages_between_are_like_the_nearer_chunk():
    known = row_map([read(10, 2, 20), read(88, 2, 0)], 100)
    assert known.total == 500
    assert known.rows(0, 25) == 250
    assert known.rows(50, 100) == 0


def test_a_map_of_nothing_has_no_rows():
    assert row_map([], 100).total == 0
    assert even_map(10, 0).total == 0
    assert even_map(10, 100).rows(0, 50) == 5


def test_the_page_before_which_a_share_of_the_rows_lies():
    assert [HALF.page_at(share) for share in (0, 0.5, 0.9)] == [50, 75, 95]
    assert RowMap((0, 80), (0.0, 0.0)).page_at(0.5) == 40


def steps(checkpoint: Checkpoint, pages: int = 7) -> list[Checkpoint]:
    """Every position of a pass, in steps of so many pages."""
    found = [checkpoint]
    while not found[-1].pass_done:
        found.append(advance(found[-1], Tid(min(found[-1].next.page + pages, found[-1].window_end))))
    return found


@pytest.mark.parametrize("layout", [Layout(), Layout((1,), 30), STRIPES])
def test_what_is_ahead_falls_from_all_to_nothing(layout: Layout):
    origin = begin(100, layout)
    ahead = [rows_ahead(HALF, origin, one) for one in steps(origin)]
    assert (ahead[0], ahead[-1]) == (500, 0)
    assert ahead == sorted(ahead, reverse=True)


def test_a_stripe_takes_its_share_of_the_rows():
    origin = begin(40, STRIPES)
    known = even_map(400, 40)
    ahead = [rows_ahead(known, origin, one) for one in steps(origin, 20)]
    assert ahead == [400, 360, 320, 260, 200, 100, 0]


def test_giving_up_stripes_moves_nothing_ahead():
    origin = begin(40, STRIPES)
    known = even_map(400, 40)
    second = advance(origin, Tid(40))
    assert second.stripe == 1
    given_up = skip_to_last_stripe(second, "plain")
    assert given_up.last_stripe
    assert rows_ahead(known, origin, given_up) == rows_ahead(known, origin, second) == 320
    assert rows_ahead(known, origin, advance(given_up, Tid(20))) == 160


def test_a_map_made_amid_a_window_has_only_what_was_left_there():
    """Counted when the second stripe was at page 20: 3 of 10 rows were done before it, 2 of 10 behind it."""
    middle = advance(advance(begin(80, STRIPES), Tid(40)), Tid(20))
    known = row_map([read(0, 20, 100), read(20, 20, 160), read(40, 40, 400)], 80)
    assert rows_ahead(known, middle, middle) == 660
    assert rows_ahead(known, middle, advance(middle, Tid(40))) == pytest.approx(400 + 100 + 100)
    last = advance(advance(middle, Tid(40)), Tid(20))
    assert rows_ahead(known, middle, last) == pytest.approx(400 + 100)
    assert rows_ahead(known, middle, advance(last, Tid(40))) == 400


@given(st.integers(1, 6), st.integers(1, 60_000), st.integers(1, 1000))
def test_lanes_share_the_rows_without_gap_or_overlap(lanes: int, pages: int, rows: int):
    known = even_map(rows, pages)
    begun = [begin(pages, Layout(), lane=lane, lanes=lanes) for lane in range(lanes)]
    assert sum(rows_ahead(known, one, one) for one in begun) == pytest.approx(rows)


def test_another_pass_has_a_map_of_its_own():
    origin = replace(begin(100, Layout()), pass_number=2)
    assert rows_ahead(even_map(10, 100), origin, advance(origin, Tid(50))) == 5
