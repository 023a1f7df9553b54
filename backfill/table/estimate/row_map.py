"""Where rows are to do: how many of them between two pages, and how many a lane has ahead of its position.

The map is made from pages that were read at the start of a run, each of which stands for its neighbours. A window that
was in stripes by then had only the rows of the stripes that were to come.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise

from backfill.table.checkpoint import Checkpoint
from backfill.table.estimate.row_sample import ReadChunk, RowSample


@dataclass(frozen=True, slots=True)
class RowMap:
    """Rows to do before each of some pages, in order; between two of them they are spread evenly."""

    edges: tuple[int, ...] = (0,)
    before: tuple[float, ...] = (0.0,)

    @property
    def total(self) -> float:
        """Rows on all pages."""
        return self.before[-1]

    def rows(self, low: int, high: int) -> float:
        """Return the rows to do from page `low` up to page `high`."""
        return max(0.0, self._until(high) - self._until(low))

    def page_at(self, share: float) -> int:
        """Return the page before which this share of the rows lies."""
        rows = share * self.total
        place = bisect_right(self.before, rows)
        if place >= len(self.before) or self.total == 0:
            return int(share * self.edges[-1])
        low, high = self.before[place - 1], self.before[place]
        first, last = self.edges[place - 1], self.edges[place]
        return min(last - 1, first + int((rows - low) / (high - low) * (last - first)))

    def _until(self, page: int) -> float:
        place = bisect_right(self.edges, page)
        if place == 0:
            return 0.0
        if place == len(self.edges):
            return self.total
        low, high = self.edges[place - 1], self.edges[place]
        share = (page - low) / (high - low)
        return self.before[place - 1] + share * (self.before[place] - self.before[place - 1])


def row_map(read: Iterable[ReadChunk], pages: int) -> RowMap:
    """Return the map of a leaf with `pages` pages; a page between two chunks is like the nearer one."""
    chunks = sorted(
        (sampled for sampled in read if sampled.chunk.first < pages), key=lambda sampled: sampled.chunk.first
    )
    if not chunks or pages <= 0:
        return RowMap()
    borders = [(lower.chunk.first + lower.chunk.pages + other.chunk.first) // 2 for lower, other in pairwise(chunks)]
    edges = (0, *borders, pages)
    rows = (
        sampled.due / sampled.chunk.pages * (high - low)
        for sampled, (low, high) in zip(chunks, pairwise(edges), strict=True)
    )
    return _distinct(edges, (0.0, *accumulate(rows)))


def row_maps(sample: RowSample, leaves: Iterable[tuple[str, int]]) -> dict[str, RowMap]:
    """Return the map of each leaf, given with its pages; one of which nothing was read is like the others."""
    found, density = {}, sample.due.rows / max(1, sample.pages)
    for name, pages in leaves:
        read = sample.leaf(name, pages).read
        found[name] = row_map(read, pages) if read else even_map(round(density * pages), pages)
    return found


def even_map(rows: int, pages: int) -> RowMap:
    """Return the map of rows that may lie anywhere."""
    return RowMap((0, pages), (0.0, float(rows))) if pages > 0 else RowMap()


def rows_ahead(known: RowMap, origin: Checkpoint, checkpoint: Checkpoint) -> float:
    """Return the rows that a lane has ahead of its position, by a map that was made when it was at `origin`."""
    if checkpoint.pass_done:
        return 0.0
    return _in_window(known, origin, checkpoint) + _behind(known, checkpoint)


def _in_window(known: RowMap, origin: Checkpoint, checkpoint: Checkpoint) -> float:
    here = (checkpoint.pass_number, checkpoint.window_start)
    resumed = not origin.window_untouched and here == (origin.pass_number, origin.window_start)
    passed = {checkpoint.next.page, checkpoint.window_start, checkpoint.window_end}
    edges = sorted(passed | {min(origin.next.page, checkpoint.window_end)} if resumed else passed)
    rows = 0.0
    for low, high in pairwise(edges):
        mapped = _share_left(origin, low) if resumed else 1.0
        rows += known.rows(low, high) * min(1.0, _share_left(checkpoint, low) / mapped) if mapped else 0.0
    return rows


def _share_left(checkpoint: Checkpoint, page: int) -> float:
    """Return which share of the rows of a page of the window is ahead of a position."""
    sizes, here = checkpoint.layout.sizes, checkpoint.stripe
    ahead = sum(sizes[here + (page < checkpoint.next.page) :])
    return ahead / sum(sizes)


def _behind(known: RowMap, checkpoint: Checkpoint) -> float:
    """Return the rows of the lane's own segments behind its window."""
    segment, end = checkpoint.segment_pages, checkpoint.end_page
    if checkpoint.lanes == 1:
        return known.rows(checkpoint.window_end, end)
    own = (checkpoint.window_start // segment + checkpoint.lanes) * segment
    here = known.rows(checkpoint.window_end, min(end, (checkpoint.window_start // segment + 1) * segment))
    return here + sum(
        known.rows(start, min(start + segment, end)) for start in range(own, end, segment * checkpoint.lanes)
    )


def _distinct(edges: tuple[int, ...], before: tuple[float, ...]) -> RowMap:
    """Return the map with each page once, with all that lies before it."""
    found = dict(zip(edges, before, strict=True))
    return RowMap(tuple(found), tuple(found.values()))
