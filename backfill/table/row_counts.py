"""The row cap, kept before a row is touched: where the matching rows of a window lie, and where to cut a batch.

A scout reads a range once and counts its matching rows per slice and stripe (it costs a few percent of the
UPDATE and no budget). A slice never has more line pointers than the rows wished for, so that any cap from one
row upward can be kept by cutting between slices.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from dataclasses import dataclass

from backfill.table.checkpoint import Checkpoint, Tid

LINE_POINTERS_MAX = 291
"""Tuples that fit a page of 8 kB (MaxHeapTuplesPerPage)."""
SLICES_MAX = 2048
"""Slices of one scout: bounds its array parameter and its result."""
SLICE_PAGES_MAX = 8


@dataclass(frozen=True, slots=True)
class Slices:
    """Lower bounds of slices, in order; the last slice ends at `end`."""

    bounds: tuple[Tid, ...]
    end: Tid


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Matching rows by slice and stripe, as they were when stripe `stripe` was about to begin or go on."""

    grid: Slices
    stripe: int
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRange:
    """A batch: all matching rows of the stripe from the place up to `end`, `rows` of them when scouted.

    They are from `low` up to `high` if these are given, and at `tids` if those are given.
    """

    end: Tid
    rows: int
    low: Tid | None = None
    high: Tid | None = None
    tids: tuple[Tid, ...] = ()


def make_slices(checkpoint: Checkpoint, rows: int, pages_most: int = sys.maxsize) -> Slices:
    """Return slices from the scan's place to its window's end, or as far as `SLICES_MAX` and `pages_most` reach.

    Each slice holds at most `rows` line pointers: whole pages when they fit, parts of a page when not.
    """
    start, limit = checkpoint.next, Tid(min(checkpoint.window_end, checkpoint.next.page + pages_most))
    pages = min(SLICE_PAGES_MAX, rows // LINE_POINTERS_MAX)
    if pages >= 1:
        first = range(start.page, limit.page, pages)[:SLICES_MAX]
        bounds = [start, *(Tid(page) for page in first[1:])]
        return Slices(tuple(bounds), Tid(min(first[-1] + pages, limit.page)))
    parts = range(0, LINE_POINTERS_MAX + 1, rows)
    last_page = min(start.page + max(1, SLICES_MAX // len(parts)), limit.page)
    tids = (Tid(page, part) for page in range(start.page, last_page) for part in parts)
    return Slices((start, *(tid for tid in tids if tid > start)), Tid(last_page))


def batch_range(row_counts: RowCounts, checkpoint: Checkpoint, rows: int) -> BatchRange | None:
    """Return the longest batch from the scan's place that has at most `rows` rows.

    The place moves on over empty slices behind it; those at either end are not read again. None when the first
    occupied slice alone has more: look closer.
    """
    bounds, counts = row_counts.grid.bounds, row_counts.counts
    ends = (*bounds[1:], row_counts.grid.end)
    taken, low, high = 0, checkpoint.next, checkpoint.next
    all_left, stripe = checkpoint.last_stripe and row_counts.stripe == checkpoint.stripe, checkpoint.stripe
    for index in range(bisect_left(bounds, checkpoint.next), len(bounds)):
        bound = bounds[index]
        found = sum(counts[index]) if all_left else counts[index][stripe]
        if taken + found > rows:
            return _cut(checkpoint, bound, taken, low, high) if taken else None
        if found:
            low, high = (low if taken else bound), ends[index]
        taken += found
    return _cut(checkpoint, row_counts.grid.end, taken, low, high)


def first_to_end(batch_range: BatchRange, other: BatchRange) -> BatchRange:
    """Return the shorter of two batches from one place."""
    return other if other.end < batch_range.end else batch_range


def _cut(checkpoint: Checkpoint, end: Tid, rows: int, low: Tid, high: Tid) -> BatchRange:
    if rows == 0:
        return BatchRange(end=end, rows=0)
    return BatchRange(
        end=end, rows=rows, low=None if low == checkpoint.next else low, high=None if high == end else high
    )


def covers(row_counts: RowCounts | None, checkpoint: Checkpoint) -> bool:
    """Whether the scouted range holds the scan's place, at a slice's bound."""
    return (
        row_counts is not None
        and row_counts.stripe <= checkpoint.stripe
        and checkpoint.next < row_counts.grid.end
        and _holds(row_counts.grid.bounds, checkpoint.next)
    )


def _holds(bounds: tuple[Tid, ...], place: Tid) -> bool:
    index = bisect_left(bounds, place)
    return index < len(bounds) and bounds[index] == place
