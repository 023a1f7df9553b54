"""Rows that are few: what a read of their addresses promises, how far it reaches, and where it stops being theirs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table import checkpoint as checkpoints
from backfill.table.checkpoint import SEGMENT_PAGES, Checkpoint, Layout, Tid, advance
from backfill.table.row_counts import BatchRange
from backfill.table.sparse_rows import (
    READ_PAGES_MIN,
    READ_S,
    TIDS_MAX,
    RowAddresses,
    before_dense,
    covers,
    fewer_read_pages,
    next_batch,
    next_read_pages,
    read_end,
    whole_pages,
)

TABLE = 1_000_000
TIDS = st.lists(st.builds(Tid, st.integers(0, 300), st.integers(1, 291)), max_size=200, unique=True).map(sorted)


def begin(end_page: int = TABLE, *, lane: int = 0, lanes: int = 1) -> Checkpoint:
    return checkpoints.begin(end_page, Layout(), lane=lane, lanes=lanes)


def found(*tids: Tid, end: int = 100, crowded: bool = False) -> RowAddresses:
    return RowAddresses(start=Tid(0), end=Tid(end), tids=tids, crowded=crowded)


def test_a_batch_has_the_next_rows_and_the_place_behind_it_is_the_page_of_the_next_one():
    due = found(Tid(3, 1), Tid(3, 2), Tid(9, 5))
    assert next_batch(due, begin(), 2) == BatchRange(end=Tid(9), rows=2, tids=(Tid(3, 1), Tid(3, 2)))
    assert next_batch(due, begin(), 1) == BatchRange(end=Tid(3, 2), rows=1, tids=(Tid(3, 1),))


def test_a_batch_of_all_rows_ends_where_the_read_ended():
    assert next_batch(found(Tid(3, 1)), begin(), 1) == BatchRange(end=Tid(100), rows=1, tids=(Tid(3, 1),))
    assert next_batch(found(), begin(), 1) == BatchRange(end=Tid(100), rows=0)


@given(TIDS, st.integers(1, 50))
def test_batches_have_every_row_once_and_none_too_many(tids: list[Tid], rows: int):
    due, checkpoint = RowAddresses(start=Tid(0), end=Tid(301), tids=tuple(tids)), begin()
    taken: list[Tid] = []
    while covers(due, checkpoint):
        batch_range = next_batch(due, checkpoint, rows)
        assert batch_range.rows == len(batch_range.tids) <= rows
        assert all(checkpoint.next <= tid < batch_range.end for tid in batch_range.tids)
        checkpoint, taken = advance(checkpoint, batch_range.end), [*taken, *batch_range.tids]
    assert taken == tids
    assert checkpoint.next == Tid(301)


def test_a_read_that_found_more_than_it_may_keeps_whole_pages():
    many = [Tid(page, offset) for page in range(200) for offset in range(1, 101)][: TIDS_MAX + 1]
    due = whole_pages(Tid(0), Tid(4096), many)
    assert (due.end, len(due.tids)) == (Tid(81), 8100)
    assert whole_pages(Tid(0), Tid(4096), many[:-1]) == RowAddresses(start=Tid(0), end=Tid(4096), tids=tuple(many[:-1]))


def test_a_read_stays_in_the_lanes_own_pages_and_before_the_end():
    assert read_end(begin(5000), 4096) == Tid(4096)
    assert read_end(begin(5000), 6000) == Tid(5000)
    assert read_end(begin(10 * SEGMENT_PAGES, lane=1, lanes=2), 10**6) == Tid(2 * SEGMENT_PAGES)


def test_over_emptiness_a_read_reaches_twice_as_far_as_the_one_before_it():
    assert next_read_pages(4096, found(end=4096), 0.01, TABLE) == 8192
    assert next_read_pages(4096, found(end=4096), 0.0, TABLE) == 8192


def test_a_read_that_took_long_reaches_less_far():
    assert next_read_pages(8192, found(end=8192), 4 * READ_S, TABLE) == 2048
    assert next_read_pages(8192, found(end=8192), 1000.0, TABLE) == READ_PAGES_MIN


def test_a_read_reaches_as_far_as_half_of_the_rows_that_it_may_return():
    tids = [Tid(page, 1) for page in range(TIDS_MAX)]
    assert next_read_pages(8192, whole_pages(Tid(0), Tid(8192), tids), 0.0, TABLE) == 4096
    crowd = whole_pages(Tid(0), Tid(65_536), [Tid(page // 4, page % 4) for page in range(TIDS_MAX + 1)])
    assert crowd.end == Tid(2048)
    assert next_read_pages(65_536, crowd, 0.0, TABLE) == 1024


@given(st.integers(1, 10**7), TIDS, st.floats(0, 1e6), st.integers(0, 10**8))
def test_a_reach_is_never_too_small_nor_too_large_a_part_of_the_table(
    pages: int, tids: list[Tid], took_s: float, end_page: int
):
    reached = next_read_pages(pages, found(*tids, end=301), took_s, end_page)
    assert min(pages, READ_PAGES_MIN) <= reached <= max(2 * READ_PAGES_MIN, end_page / 4)
    assert reached <= max(READ_PAGES_MIN, 2 * pages)


def test_a_reach_that_timeouts_made_short_grows_again_by_quick_reads_alone():
    assert [fewer_read_pages(pages) for pages in (8192, 512, 9, 8, 1)] == [1024, 64, 1, 1, 1]
    assert next_read_pages(1, found(), 0.1, TABLE) == 2
    assert next_read_pages(64, found(), READ_S, TABLE) == 64
    assert next_read_pages(300, found(), 0.1, TABLE) == 600


def test_a_crowd_is_left_to_stripes_from_its_first_page_on():
    singles = [Tid(page, 1) for page in range(0, 1000, 100)]
    crowd = [Tid(page, offset) for page in range(1000, 1010) for offset in range(1, 31)]
    due = RowAddresses(start=Tid(0), end=Tid(4096), tids=(*singles, *crowd))
    assert before_dense(due) == RowAddresses(start=Tid(0), end=Tid(1000), tids=tuple(singles), crowded=True)


def test_a_crowd_right_here_leaves_nothing():
    crowd = tuple(Tid(7, offset) for offset in range(3, 103))
    assert before_dense(RowAddresses(start=Tid(7, 2), end=Tid(4096), tids=crowd)) == RowAddresses(
        start=Tid(7, 2), end=Tid(7, 2), tids=(), crowded=True
    )


@pytest.mark.parametrize(("on_a_page", "crowded"), [(1, False), (2, False), (3, True)])
def test_two_rows_a_page_are_few_and_three_are_a_crowd(on_a_page: int, crowded: bool):
    tids = tuple(Tid(page, offset) for page in range(100) for offset in range(1, on_a_page + 1))
    assert before_dense(RowAddresses(start=Tid(0), end=Tid(100), tids=tids)).crowded is crowded


def test_full_pages_far_from_each_other_are_no_crowd():
    due = found(*(Tid(page, offset) for page in range(0, 4000, 100) for offset in range(1, 61)), end=4000)
    assert before_dense(due) is due


def test_a_read_reports_its_own_range_alone():
    due, checkpoint = found(Tid(3, 1)), begin()
    assert covers(due, checkpoint)
    assert covers(due, replace(checkpoint, next=Tid(99, 200)))
    assert not covers(due, replace(checkpoint, next=Tid(100)))
    assert not covers(replace(due, start=Tid(0, 1)), checkpoint)
    assert not covers(None, checkpoint)
