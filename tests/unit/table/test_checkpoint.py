from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table import checkpoint as checkpoints
from backfill.table.checkpoint import (
    WINDOW_PAGES,
    Checkpoint,
    Layout,
    Tid,
    advance,
    begin_pass,
    begin_window,
    lay_out,
    progress_ratio,
    restart,
    skip_to_last_stripe,
)

STRIPES = (1, 2, 3, 8, 12)


def equal(stripes: int) -> Layout:
    return Layout((1,) * stripes)


def begin(end_page: int, stripes: int, *, lane: int = 0, lanes: int = 1) -> Checkpoint:
    return checkpoints.begin(end_page, equal(stripes), lane=lane, lanes=lanes)


def walk(checkpoint: Checkpoint) -> list[Checkpoint]:
    """Return every place of a pass, each window's stripe taken in one step."""
    places = []
    while not checkpoint.pass_done:
        places.append(checkpoint)
        checkpoint = advance(checkpoint, checkpoint.window_limit)
        assert len(places) < 10_000, "a pass that does not end"
    return places


def test_an_address_reads_as_postgres_writes_it():
    assert str(Tid(7, 3)) == "(7,3)"
    assert str(Tid(7)) == "(7,0)"
    assert Tid(1, 291) < Tid(2) < Tid(2, 1)


def test_an_empty_table_is_done_before_it_begins():
    checkpoint = begin(0, 8)
    assert checkpoint.pass_done
    assert progress_ratio((checkpoint,)) == 1.0


def test_a_pass_begins_at_the_first_page_of_the_first_window():
    checkpoint = begin(10_000, 8)
    assert (
        checkpoint.pass_number,
        checkpoint.window_start,
        checkpoint.window_end,
        checkpoint.stripe,
        checkpoint.next,
    ) == (
        1,
        0,
        WINDOW_PAGES,
        0,
        Tid(0),
    )


def test_the_end_page_stays_what_it_was_when_the_pass_began():
    ends = {checkpoint.end_page for checkpoint in walk(begin(3 * WINDOW_PAGES + 5, 4))}
    assert ends == {3 * WINDOW_PAGES + 5}


def test_the_last_window_ends_at_the_end_page():
    assert walk(begin(WINDOW_PAGES + 5, 1))[-1].window_limit == Tid(WINDOW_PAGES + 5)


@pytest.mark.parametrize("stripes", STRIPES)
def test_only_the_last_stripe_takes_all_that_is_left(stripes: int):
    places = walk(begin(100, stripes))
    assert [place.stripe for place in places] == list(range(stripes))
    assert [place.last_stripe for place in places] == [False] * (stripes - 1) + [True]


@given(st.integers(0, 5 * WINDOW_PAGES), st.sampled_from(STRIPES))
def test_every_page_is_visited_once_by_every_stripe(end_page: int, stripes: int):
    places = walk(begin(end_page, stripes))
    for stripe in range(stripes):
        windows = [(place.window_start, place.window_end) for place in places if place.stripe == stripe]
        starts, ends = [0, *(end for _, end in windows)], [*(start for start, _ in windows), end_page]
        assert starts == ends


def test_a_place_inside_a_window_moves_only_the_address():
    checkpoint = begin(100, 8)
    assert advance(checkpoint, Tid(3, 17)) == replace(checkpoint, next=Tid(3, 17))


def test_a_place_never_moves_back():
    checkpoint = advance(begin(100, 8), Tid(9))
    assert advance(checkpoint, Tid(4)) == checkpoint


def test_a_place_far_behind_the_window_opens_one_there():
    after = advance(begin(10 * WINDOW_PAGES, 1), Tid(3 * WINDOW_PAGES + 7, 5))
    assert (after.window_start, after.next) == (3 * WINDOW_PAGES + 7, Tid(3 * WINDOW_PAGES + 7, 5))
    assert after.window_end == 4 * WINDOW_PAGES + 7
    assert advance(after, Tid(10 * WINDOW_PAGES)).pass_done


def test_a_window_begins_anew_at_the_start_of_a_page_where_there_are_no_stripes():
    checkpoint = advance(begin(10_000, 1), Tid(9))
    assert (begin_window(checkpoint).window_start, begin_window(checkpoint).window_untouched) == (9, True)
    inside = advance(begin(10_000, 1), Tid(9, 3))
    assert begin_window(inside) == inside
    striped = advance(begin(10_000, 2), Tid(9))
    assert begin_window(striped) == striped


def test_an_address_is_read_as_postgres_writes_it():
    assert Tid.parse("(4294967294,291)") == Tid(4294967294, 291)
    assert Tid.parse(str(Tid(7, 3))) == Tid(7, 3)


def test_a_finished_stripe_begins_the_next_one_at_the_windows_start():
    second = advance(begin(2 * WINDOW_PAGES, 1), Tid(WINDOW_PAGES))
    striped = lay_out(second, equal(2))
    after = advance(striped, Tid(2 * WINDOW_PAGES))
    assert (after.stripe, after.next, after.window_start) == (1, Tid(WINDOW_PAGES), WINDOW_PAGES)


def test_a_later_pass_has_no_stripes_and_the_tables_present_end():
    checkpoint = replace(
        begin(100, 8), rows_pass=7, rows_converged_pass=5, rows_total=7, rows_unconverged=2, wal_bytes=9
    )
    again = begin_pass(checkpoint, 120)
    assert (again.pass_number, again.end_page, again.stripes, again.last_stripe) == (2, 120, 1, True)
    assert (again.rows_pass, again.rows_converged_pass) == (0, 0)
    assert (again.rows_total, again.rows_unconverged, again.wal_bytes) == (7, 2, 9)


def test_a_rewritten_table_is_scanned_from_its_start_in_stripes_and_keeps_its_fence():
    checkpoint = replace(advance(begin(100, 8), Tid(50)), rows_total=7, epoch=3, sequence=41)
    fresh = restart(checkpoint, 60, equal(8))
    assert (fresh.pass_number, fresh.next, fresh.stripes, fresh.end_page) == (1, Tid(0), 8, 60)
    assert (fresh.rows_total, fresh.epoch, fresh.sequence) == (7, 3, 41)


@given(st.integers(1, 3 * WINDOW_PAGES), st.sampled_from(STRIPES), st.lists(st.integers(1, 700), max_size=60))
def test_progress_only_grows_within_a_pass_and_ends_at_one(end_page: int, stripes: int, strides: list[int]):
    checkpoint, seen = begin(end_page, stripes), [0.0]
    for stride in [*strides, *[10**6] * (4 * stripes)]:
        if checkpoint.pass_done:
            break
        checkpoint = advance(checkpoint, min(Tid(checkpoint.next.page + stride), checkpoint.window_limit))
        seen.append(progress_ratio((checkpoint,)))
    assert seen == sorted(seen)
    assert checkpoint.pass_done
    assert seen[-1] == 1.0


@given(st.integers(0, 6 * checkpoints.SEGMENT_PAGES), st.integers(1, 5), st.integers(20, 2 * WINDOW_PAGES))
def test_lanes_share_every_page_and_none_twice(end_page: int, lanes: int, window_pages: int):
    layout = Layout((1,), window_pages)
    windows = [
        (place.window_start, place.window_end)
        for lane in range(lanes)
        for place in walk(checkpoints.begin(end_page, layout, lane=lane, lanes=lanes))
    ]
    starts = sorted(start for start, _ in windows)
    ends = sorted(end for _, end in windows)
    assert [0, *ends] == [*starts, end_page]


@given(st.integers(1, 6 * checkpoints.SEGMENT_PAGES), st.integers(1, 5), st.data())
def test_progress_of_lanes_is_that_of_the_pass(end_page: int, lanes: int, data: st.DataObject):
    begun = [begin(end_page, 2, lane=lane, lanes=lanes) for lane in range(lanes)]
    seen = [progress_ratio(tuple(begun))]
    while left := [lane for lane in range(lanes) if not begun[lane].pass_done]:
        lane = data.draw(st.sampled_from(left))
        begun[lane] = advance(begun[lane], begun[lane].window_limit)
        seen.append(progress_ratio(tuple(begun)))
    assert seen[0] == 0
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_stripes_that_are_given_up_leave_the_rest_of_the_window_to_its_last():
    checkpoint = advance(advance(begin(100, 4), Tid(100)), Tid(30))
    given_up = skip_to_last_stripe(checkpoint, "why")
    assert (given_up.stripe, given_up.last_stripe, given_up.next) == (1, True, Tid(0))
    assert (given_up.layout.sizes, given_up.layout.why) == ((1, 3), "why")


def test_a_window_may_be_laid_out_anew_until_something_of_it_is_done():
    checkpoint = begin(100, 4)
    assert checkpoint.window_untouched
    assert lay_out(checkpoint, Layout((1,), 10)).window_end == 10
    assert not advance(checkpoint, Tid(1)).window_untouched
    assert not advance(checkpoint, Tid(100)).window_untouched


@given(st.integers(0, 40_000), st.sampled_from(STRIPES), st.integers(1, 3))
def test_every_place_that_a_lane_comes_to_is_possible(end_page: int, stripes: int, lanes: int):
    for lane in range(lanes):
        begun = begin(end_page, stripes, lane=lane, lanes=lanes)
        places = [*walk(begun), restart(begun, end_page, equal(1)), begin_pass(begun, end_page + 1)]
        assert all(place.possible for place in places)
        assert all(advance(place, place.window_limit).possible for place in places if not place.pass_done)


IMPOSSIBLE = (
    {"layout": Layout(())},
    {"layout": Layout((0, 0))},
    {"layout": Layout((1, -1, 3))},
    {"layout": Layout(window_pages=0)},
    {"window_end": 0},
    {"window_end": 20_000},
    {"window_start": -1},
    {"stripe": 8},
    {"stripe": -1},
    {"next": Tid(9_000)},
    {"lanes": 0},
    {"lane": 1},
    {"pass_number": 0},
)


@pytest.mark.parametrize("edit", IMPOSSIBLE, ids=str)
def test_a_place_that_no_worker_leaves_is_not_possible_and_counts_as_nothing_done(edit):
    edited = replace(begin(10_000, 8), **edit)
    assert not edited.possible
    assert edited.pages_done == 0
    assert progress_ratio((edited,)) == 0
