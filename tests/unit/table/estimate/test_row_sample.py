"""Rows to do by a sample of pages: even over the table at any time, exact if all were read, and never above the bound."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.table.estimate.row_sample import STRATA, WHOLE_PAGES, Chunk, ReadChunk, RowSample, chunks_to_read

ROWS_A_PAGE = 60
SIZES = st.lists(st.integers(0, 100_000), min_size=1, max_size=5)


def read(pages: list[int], chunks: tuple[Chunk, ...], total: int) -> RowSample:
    """Return the sample of one leaf, whose pages have so many rows to do."""
    found = (ReadChunk(one, ROWS_A_PAGE * one.pages, sum(pages[one.first : one.first + one.pages])) for one in chunks)
    return RowSample(total, tuple(found))


@given(SIZES, st.floats(0, 1))
def test_chunks_lie_inside_their_leaves_and_do_not_meet(sizes: list[int], jitter: float):
    leaves = [(f"leaf{number}", pages) for number, pages in enumerate(sizes)]
    chunks = chunks_to_read(leaves, jitter)
    for name, pages in leaves:
        own = sorted((one for one in chunks if one.leaf == name), key=lambda one: one.first)
        assert all(one.first >= 0 and one.pages > 0 and one.first + one.pages <= pages for one in own)
        assert all(one.first + one.pages <= other.first for one, other in pairwise(own))
        assert own or not pages
    if sum(sizes) <= WHOLE_PAGES:
        assert sum(one.pages for one in chunks) == sum(sizes)
    else:
        assert len(chunks) <= STRATA + 2 * len(sizes)


def test_chunks_cover_the_table_evenly_wherever_time_runs_out():
    pages = 1_000_000
    chunks = chunks_to_read([("users", pages)], 0.3)
    for number in (16, 64, 256):
        starts = sorted(one.first for one in chunks[:number])
        gaps = [after - before for before, after in zip([0, *starts], [*starts, pages], strict=True)]
        assert max(gaps) < 4 * pages / number


def test_a_table_that_was_read_whole_is_counted():
    pages = [number % 7 for number in range(1000)]
    due = read(pages, chunks_to_read([("users", 1000)], 0.5), 1000).due
    assert (due.rows, due.low, due.high, due.most, due.exact) == (sum(pages), *3 * (sum(pages),), True)


def test_of_pages_without_any_the_interval_is_not_empty():
    due = read([0] * 200_000, chunks_to_read([("users", 200_000)], 0.5), 200_000).due
    assert (due.rows, due.low) == (0, 0)
    assert 0 < due.high < due.most < 0.04 * 200_000 * ROWS_A_PAGE


def test_nothing_read_is_nothing_known():
    assert RowSample(100, ()).due.rows == 0
    assert RowSample(100, ()).due_pages == 0


def test_pages_with_rows_to_do_are_estimated_from_how_dense_these_are():
    sample = read([ROWS_A_PAGE] * 500 + [0] * 500, chunks_to_read([("users", 1000)], 0.5), 1000)
    assert sample.due_pages == pytest.approx(500, rel=0.1)
    sample = read([1] * 1000, chunks_to_read([("users", 1000)], 0.5), 1000)
    assert sample.due_pages == pytest.approx(1000 * 0.63, rel=0.1)


SHAPES = {
    "all": lambda place, chance: ROWS_A_PAGE,
    "sparse": lambda place, chance: int(chance.random() < 0.1),
    "end": lambda place, chance: ROWS_A_PAGE * (place > 0.9),
    "skew": lambda place, chance: int(ROWS_A_PAGE * place**4),
    "one place": lambda place, chance: ROWS_A_PAGE * (0.4 < place < 0.401),
    "nothing": lambda place, chance: 0,
}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SHAPES)), st.floats(0, 1), st.integers(0, 1 << 32), st.integers(20, STRATA))
def test_the_bound_is_never_passed(shape: str, jitter: float, seed: int, chunks: int):
    total, chance = 50_000, random.Random(seed)
    pages = [int(SHAPES[shape](number / total, chance)) for number in range(total)]
    due = read(pages, chunks_to_read([("users", total)], jitter)[:chunks], total).due
    assert due.low <= due.rows <= due.high <= due.most
    assert sum(pages) <= due.most


@pytest.mark.parametrize("shape", [one for one in SHAPES if one not in ("one place", "nothing")])
def test_the_estimate_is_near_and_the_interval_holds_it_nearly_always(shape: str):
    total, held, chance = 60_000, 0, random.Random(7)
    pages = [int(SHAPES[shape](number / total, chance)) for number in range(total)]
    for number in range(40):
        due = read(pages, chunks_to_read([("users", total)], number / 40), total).due
        assert due.rows == pytest.approx(sum(pages), rel=0.25)
        held += due.low <= sum(pages) <= due.high
    assert held >= 36
