"""The search for the rows that a server refuses, against an oracle that knows them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table.bisection import batch_range, isolate_known, midpoint, refused, start, taken
from backfill.table.checkpoint import Checkpoint, Layout, Tid, advance, begin
from backfill.table.row_counts import LINE_POINTERS_MAX
from backfill.table.sparse_rows import RowAddresses

PAGE = 7


@dataclass
class Search:
    """A batch of rows of which some are bad, and what was tried to find them."""

    rows: int
    bad: frozenset[int]
    cap: int = 1_000_000
    deducing: bool = True
    tries: int = 0
    committed: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)

    def run(self) -> Checkpoint:
        """Search as a lane does: commit what passes, set a row aside that is refused alone, move on behind either."""
        tids = tuple(Tid(number // PAGE, number % PAGE + 1) for number in range(self.rows))
        numbers = {tid: number for number, tid in enumerate(tids)}
        checkpoint = begin(self.rows // PAGE + 2, Layout())

        suspects = start(
            RowAddresses(start=checkpoint.next, end=Tid(self.rows // PAGE + 1), tids=tids), deducing=self.deducing
        )

        going = True
        while going:
            batch = batch_range(suspects, checkpoint, self.cap)
            assert 1 <= len(batch.tids) <= self.cap
            tried = [numbers[tid] for tid in batch.tids]
            self.tries += 1
            if self.bad.isdisjoint(tried):
                self.committed += tried
            else:
                suspects = refused(suspects, len(tried))
                if len(tried) > 1:
                    continue
                self.rejected += tried
            checkpoint = advance(checkpoint, batch.end)
            after = taken(suspects, len(tried))
            going, suspects = after is not None, after or suspects
        return checkpoint


ROWS = st.integers(1, 400).flatmap(lambda rows: st.tuples(st.just(rows), st.frozensets(st.integers(0, rows - 1))))


@given(ROWS, st.integers(1, 500), st.booleans())
def test_any_bad_rows_are_rejected_and_all_others_committed_in_order(
    batch: tuple[int, frozenset[int]], cap: int, deducing: bool
):
    rows, bad = batch
    search = Search(rows, bad, cap, deducing)
    checkpoint = search.run()
    assert search.rejected == sorted(bad)
    assert search.committed == sorted(set(range(rows)) - bad)
    assert checkpoint.next == Tid(rows // PAGE + 1), "the place is behind the whole batch"


@given(ROWS)
def test_each_bad_row_costs_about_the_logarithm_of_the_batch(batch: tuple[int, frozenset[int]]):
    rows, bad = batch
    search = Search(rows, bad or frozenset({0}))
    search.run()
    steps = math.ceil(math.log2(rows)) if rows > 1 else 0
    assert search.tries <= 2 * len(search.bad) * steps + 1
    assert search.tries <= 2 * rows


@pytest.mark.parametrize("at", [0, 1, 4095, 4096, 9999])
def test_one_bad_row_of_ten_thousand_is_found_by_fourteen_refusals_at_most(at: int):
    search = Search(10_000, frozenset({at}))
    search.run()
    assert search.tries <= 2 * 14
    assert search.rejected == [at]


def test_neighbours_share_most_of_their_search():
    alone, three = Search(10_000, frozenset({5000})), Search(10_000, frozenset({5000, 5001, 5002}))
    alone.run()
    three.run()
    assert three.tries <= alone.tries + 8


def test_where_every_row_is_bad_each_costs_two_attempts():
    search = Search(1000, frozenset(range(1000)))
    search.run()
    assert search.rejected == list(range(1000))
    assert search.tries <= 2000


def test_a_half_that_is_to_blame_is_not_tried_as_a_whole():
    """Rows 4 to 7 are refused: what is left after 0 to 3 and 4 to 5 were taken can only be 6 or 7."""
    search = Search(8, frozenset({7}))
    search.run()
    assert search.tries == 4  # 0-3, 4-5, 6, 7


def test_rows_that_were_refused_before_cost_an_attempt_each():
    tids = tuple(Tid(0, row) for row in range(1, 101))
    found = start(
        RowAddresses(start=Tid(0), end=Tid(9), tids=tids),
        deducing=True,
        known=frozenset({Tid(0, 10), Tid(0, 11), Tid(5)}),
    )
    assert [group.rows for group in found.groups] == [9, 1, 1, 89]
    assert not any(group.blamed for group in found.groups)


def test_where_rows_only_take_too_long_together_nothing_is_deduced():
    found = start(
        RowAddresses(start=Tid(0), end=Tid(9), tids=tuple(Tid(0, row) for row in range(1, 9))), deducing=False
    )
    after = taken(found, 4)
    assert after is not None
    assert [group.rows for group in after.groups] == [4]
    assert not after.groups[0].blamed


def test_a_row_that_is_not_refused_any_more_ends_the_search_there():
    found = start(RowAddresses(start=Tid(0), end=Tid(9), tids=(Tid(0, 1), Tid(0, 2))), deducing=True)
    after = taken(found, 1)
    assert after is not None
    assert after.groups[0].blamed
    assert taken(after, 1) is None


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 60)), st.integers(1, 40))
def test_a_row_that_was_refused_before_stands_alone(due: set[int], known: set[int], rows: int):
    tids = tuple(Tid(number // PAGE, number % PAGE + 1) for number in sorted(due))
    before = frozenset(Tid(number // PAGE, number % PAGE + 1) for number in known)
    found, checkpoint = RowAddresses(start=Tid(0), end=Tid(10), tids=tids), begin(10, Layout())
    seen: list[Tid] = []
    while checkpoint.next < found.end:
        batch = isolate_known(found, checkpoint, rows, before)
        assert len(batch.tids) <= rows
        assert len(batch.tids) == 1 or before.isdisjoint(batch.tids)
        seen += batch.tids
        checkpoint = advance(checkpoint, batch.end)
    assert tuple(seen) == tids


TIDS = st.builds(Tid, st.integers(0, 10**6), st.integers(0, LINE_POINTERS_MAX))


@given(TIDS, TIDS)
def test_half_way_lies_between_and_ends_at_one_row(one: Tid, other: Tid):
    low, high = min(one, other), max(one, other)
    steps = 0
    while (half := midpoint(low, high)) is not None:
        assert low < half < high
        low, steps = half, steps + 1
    assert steps <= 30
    assert (high.page - low.page) * (LINE_POINTERS_MAX + 1) + high.offset - low.offset <= 1
