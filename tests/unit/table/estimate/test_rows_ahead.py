"""Progress by rows: what the lanes of a leaf have ahead, over passes and leaves, falls as they go on and never jumps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance, begin, begin_pass, skip_to_last_stripe
from backfill.table.estimate.row_map import RowMap, even_map, row_map
from backfill.table.estimate.row_sample import Chunk, ReadChunk
from backfill.table.estimate.rows_ahead import PassRows, share_done
from backfill.table.leaves import Leaf, leaf_places

KNOWN = row_map([ReadChunk(Chunk("users", 0, 50), 100, 100), ReadChunk(Chunk("users", 50, 50), 100, 0)], 100)


def test_rows_first_and_pages_last_are_told_apart():
    origin = begin(100, Layout())
    rows = PassRows(KNOWN, (origin,))
    assert share_done(50, [rows.at(advance(origin, Tid(25)))]) == 0.5
    assert share_done(100, [rows.at(advance(origin, Tid(60)))]) == 1.0


def test_lane_0_has_the_leaves_to_come():
    lanes = tuple(begin(100, Layout(), lane=lane, lanes=2) for lane in range(2))
    rows = PassRows(KNOWN, lanes, after=300.0)
    assert [rows.at(lane).rows_ahead for lane in lanes] == [400, 0]
    assert share_done(100, map(rows.at, lanes)) == 0.2


def test_another_pass_begins_where_the_one_before_it_ended():
    origin = begin(100, Layout())
    later = begin_pass(origin, 120)
    rows = PassRows(KNOWN, (origin,)).next_pass((later,), 10)
    assert share_done(90, [rows.at(later)]) == 0.9
    assert share_done(95, [rows.at(advance(later, Tid(60)))]) == 0.95


def test_what_nobody_has_estimated_is_unknown():
    assert share_done(10, [begin(100, Layout())]) is None
    assert share_done(0, []) == 1.0


def test_the_rows_of_leaves_to_come_are_known_if_those_of_each_are():
    known = [Leaf(name=name, pages=10, known=even_map(rows, 10)) for name, rows in (("a", 5), ("b", 7), ("c", 9))]
    assert [place.rows_after for _, place in leaf_places(tuple(known))] == [16, 9, 0]
    unknown = (*known[:2], Leaf(name="c", pages=10))
    assert [place.rows_after for _, place in leaf_places(unknown)] == [None, None, 0]
    assert leaf_places(unknown)[2][1].known is None


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    window_pages=st.integers(20, 400),
    dues=st.lists(st.integers(0, 1000), min_size=10, max_size=10),
    give_up_at=st.integers(0, 60),
    data=st.data(),
)
def test_counted_rows_are_within_a_row_of_the_progress_that_is_shown(
    sizes: list[int], window_pages: int, dues: list[int], give_up_at: int, data: st.DataObject
):
    """Stripes that take their shares of evenly filled chunks, given up somewhere: the truth is what a map says too."""
    known = row_map([ReadChunk(Chunk("users", 100 * place, 100), due, due) for place, due in enumerate(dues)], 1000)
    checkpoint = origin = begin(1000, Layout(tuple(sizes), window_pages))
    rows, done, total = PassRows(known, (origin,)), 0.0, sum(dues)
    for step in range(200):
        if checkpoint.pass_done:
            break
        if step == give_up_at and checkpoint.stripe_untouched:
            checkpoint = skip_to_last_stripe(checkpoint, "plain")
        end = min(checkpoint.next.page + data.draw(st.integers(1, 100)), checkpoint.window_end)
        done += taken(known, checkpoint, end)
        checkpoint = advance(checkpoint, Tid(end))
        shown = share_done(round(done), [rows.at(checkpoint)])
        assert shown is not None
        if total:
            assert shown == pytest.approx(done / total, abs=2 / total + 1e-9)


def taken(known: RowMap, checkpoint: Checkpoint, end: int) -> float:
    """Return the rows of a stripe from its position up to a page."""
    sizes = checkpoint.layout.sizes
    return known.rows(checkpoint.next.page, end) * sizes[checkpoint.stripe] / sum(sizes)
