"""Rows of a function are read, mapped and kept in bounded memory, whatever their sizes, and none is lost by that."""

from __future__ import annotations

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from backfill.postgres.mapping.mapped_rows import MappedRow, MappedRows, RowVersion, rows_within, slices_of, stripe_of
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange, first_to_end

AT = Checkpoint(end_page=100, leaf="public.users")


def mapped(*places: int, high: Tid, end: Tid) -> MappedRows:
    rows = tuple(MappedRow(Tid(page, 1), "7", (f"value {page}",)) for page in places)
    return MappedRows(stripe=stripe_of(AT), low=Tid(0), high=high, end=end, read_s=0.0, rows=rows)


@given(st.lists(st.integers(0, 50)), st.integers(1, 60))
def test_no_slice_has_more_bytes_than_allowed_unless_it_is_one_row(sizes: list[int], most: int):
    parts = list(slices_of(sizes, most))
    assert list(chain.from_iterable(range(part.start, part.stop) for part in parts)) == list(range(len(sizes)))
    for part in parts:
        assert sum(sizes[part]) <= most or part.stop - part.start == 1


def test_a_batch_ends_where_memory_did():
    kept = mapped(1, 2, 3, high=Tid(4), end=Tid(9))
    wanted = BatchRange(end=Tid(9), rows=8, tids=tuple(Tid(page, 1) for page in range(1, 9)))
    assert kept.cut(AT, wanted) == BatchRange(end=Tid(4), rows=3, tids=(Tid(1, 1), Tid(2, 1), Tid(3, 1)))
    assert kept.cut(AT, BatchRange(end=Tid(9), rows=8, low=Tid(1), high=Tid(9))) == BatchRange(
        end=Tid(4), rows=3, low=Tid(1)
    )
    assert kept.cut(AT, BatchRange(end=Tid(3), rows=2)) == BatchRange(end=Tid(3), rows=2)
    assert kept.is_rest(AT)
    assert not mapped(1, high=Tid(9), end=Tid(9)).is_rest(AT)


def test_of_two_batches_from_one_place_the_shorter_is_run():
    short, long = BatchRange(end=Tid(4), rows=3), BatchRange(end=Tid(9), rows=8)
    assert first_to_end(short, long) is first_to_end(long, short) is short


def test_rows_at_once_follow_the_larger_of_inputs_and_values():
    versions = [RowVersion(Tid(page, 1), "7", 1000) for page in range(10)]
    small, large = (MappedRow(Tid(0, 1), "7", ("x" * size, None)) for size in (10, 4000))
    assert rows_within(100_000, versions, [small]) == 100
    assert rows_within(100_000, versions, [large]) == 25
    assert rows_within(100, versions, [large]) == 1
    assert rows_within(100_000, [], []) is None
