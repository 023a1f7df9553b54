"""The row cap: what `make_grid` and `batch_range` promise, checked against a table of slots."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table import checkpoint as checkpoints
from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance
from backfill.table.row_counts import (
    LINE_POINTERS_MAX,
    SLICES_MAX,
    BatchRange,
    RowCounts,
    Slices,
    batch_range,
    covers,
    make_slices,
)


def begin(end_page: int, stripes: int) -> Checkpoint:
    return checkpoints.begin(end_page, Layout((1,) * stripes))


def line_pointers(grid: Slices) -> list[int]:
    """Return how many line pointers each slice can hold."""
    edges = [*grid.bounds, grid.end]
    return [
        sum(1 for page in range(low.page, high.page + 1) for offset in _offsets(page, low, high))
        for low, high in pairwise(edges)
    ]


def _offsets(page: int, low: Tid, high: Tid) -> range:
    first = max(1, low.offset) if page == low.page else 1
    last = min(LINE_POINTERS_MAX, high.offset - 1) if page == high.page else LINE_POINTERS_MAX
    return range(first, last + 1)


def row_counts(counts: list[list[int]], *, stripe: int = 0) -> RowCounts:
    """Return one slice a page."""
    bounds = tuple(Tid(page) for page in range(len(counts)))
    return RowCounts(Slices(bounds, Tid(len(counts))), stripe, tuple(map(tuple, counts)))


@given(st.integers(1, 5000), st.integers(0, 6000), st.integers(0, LINE_POINTERS_MAX), st.integers(1, 20_000))
def test_no_slice_holds_more_line_pointers_than_rows(pages: int, page: int, offset: int, rows: int):
    checkpoint = replace(begin(pages, 1), next=Tid(min(page, pages - 1), offset))
    if checkpoint.next >= checkpoint.window_limit:
        return
    grid = make_slices(checkpoint, rows)
    head = Slices(grid.bounds[:20], (*grid.bounds, grid.end)[min(20, len(grid.bounds))])
    assert max(line_pointers(head)) <= rows


@given(st.integers(1, 9000), st.integers(0, 6000), st.integers(0, LINE_POINTERS_MAX), st.integers(1, 20_000))
def test_slices_begin_at_the_place_ascend_and_end_inside_the_window(pages: int, page: int, offset: int, rows: int):
    checkpoint = begin(pages, 1)
    checkpoint = replace(checkpoint, next=min(Tid(page, offset), Tid(checkpoint.window_end - 1, offset)))
    grid = make_slices(checkpoint, rows)
    assert grid.bounds[0] == checkpoint.next
    assert list(grid.bounds) == sorted(set(grid.bounds))
    assert grid.bounds[-1] < grid.end <= checkpoint.window_limit
    assert len(grid.bounds) <= SLICES_MAX


def test_a_grid_of_one_row_slices_moves_on_even_over_a_full_page():
    checkpoint = begin(10, 1)
    assert make_slices(checkpoint, 1).end > checkpoint.next


def test_a_large_wish_covers_the_window_in_a_few_pages_a_slice():
    grid = make_slices(begin(4096, 8), 100_000)
    assert grid.end == Tid(4096)
    assert grid.bounds[1] == Tid(8)


def test_a_cut_takes_as_many_slices_as_the_cap_allows():
    assert batch_range(row_counts([[3], [4], [5], [6]]), begin(4, 1), 12) == BatchRange(end=Tid(3), rows=12)
    assert batch_range(row_counts([[3], [4], [5], [6]]), begin(4, 1), 11) == BatchRange(end=Tid(2), rows=7)


def test_the_place_moves_on_over_empty_slices_which_the_batch_does_not_read():
    assert batch_range(row_counts([[3], [0], [0], [9]]), begin(4, 1), 3) == BatchRange(end=Tid(3), rows=3, high=Tid(1))
    assert batch_range(row_counts([[3], [0], [0], [0]]), begin(4, 1), 3) == BatchRange(end=Tid(4), rows=3, high=Tid(1))
    assert batch_range(row_counts([[0], [3], [0], [4], [9]]), begin(5, 1), 7) == BatchRange(
        end=Tid(4), rows=7, low=Tid(1)
    )


def test_a_stretch_without_rows_is_one_empty_cut():
    assert batch_range(row_counts([[0], [0]]), begin(2, 1), 1) == BatchRange(end=Tid(2), rows=0)


def test_an_occupied_slice_above_the_cap_is_looked_at_closer():
    assert batch_range(row_counts([[0], [9], [1]]), begin(3, 1), 5) is None


def test_a_cut_goes_on_from_the_place():
    checkpoint = advance(begin(3, 1), Tid(1))
    assert batch_range(row_counts([[9], [4], [5]]), checkpoint, 9) == BatchRange(end=Tid(3), rows=9)


def test_a_stripe_counts_its_own_rows():
    checkpoint = begin(2, 2)
    assert batch_range(row_counts([[3, 4], [5, 6]]), checkpoint, 8) == BatchRange(end=Tid(2), rows=8)


def test_the_last_stripe_scouted_afresh_counts_all_that_is_left():
    checkpoint = advance(begin(2, 2), Tid(2))
    assert checkpoint.last_stripe
    assert batch_range(row_counts([[3, 4], [5, 6]], stripe=1), checkpoint, 18) == BatchRange(end=Tid(2), rows=18)
    assert batch_range(row_counts([[3, 4], [5, 6]], stripe=0), checkpoint, 18) == BatchRange(end=Tid(2), rows=10)


def test_a_scout_covers_the_place_only_where_a_slice_begins():
    seen, checkpoint = row_counts([[1], [1], [1]]), begin(9, 2)
    assert covers(seen, checkpoint)
    assert covers(seen, advance(checkpoint, Tid(2)))
    assert not covers(seen, advance(checkpoint, Tid(1, 5)))
    assert not covers(seen, advance(checkpoint, Tid(3)))
    assert not covers(None, checkpoint)


def test_a_scout_of_a_later_stripe_says_nothing_about_an_earlier_one():
    assert not covers(row_counts([[1, 1]], stripe=1), begin(9, 2))
    assert covers(row_counts([[1, 1]], stripe=0), replace(begin(9, 2), stripe=1))


@given(
    st.lists(st.lists(st.integers(0, 40), min_size=4, max_size=4), min_size=1, max_size=30),
    st.integers(0, 3),
    st.integers(1, 400),
)
def test_cuts_to_the_end_stay_under_the_cap_and_miss_no_row(counts: list[list[int]], stripe: int, rows: int):
    seen = row_counts(counts, stripe=stripe)
    checkpoint: Checkpoint = replace(begin(len(counts), 4), stripe=stripe)
    expected = sum(sum(one) if stripe == 3 else one[stripe] for one in counts)
    taken = 0
    while checkpoint.stripe == stripe and not checkpoint.pass_done:
        batch = batch_range(seen, checkpoint, rows)
        if batch is None:
            page = checkpoint.next.page
            assert any((sum(one) if stripe == 3 else one[stripe]) > rows for one in counts[page:])
            return
        assert batch.rows <= rows
        assert batch.end > checkpoint.next
        taken += batch.rows
        checkpoint = advance(checkpoint, batch.end)
    assert taken == expected


@pytest.mark.parametrize("rows", [1, 290, 291, 292, 5000])
def test_a_grid_reaches_the_windows_end_in_the_end(rows: int):
    checkpoint, grids = begin(40, 1), 0
    while not checkpoint.pass_done:
        checkpoint, grids = advance(checkpoint, make_slices(checkpoint, rows).end), grids + 1
        assert grids <= 40
