"""Rows to do where they are few: found by one read of many pages, updated by their addresses.

If a page has one matching row or none, stripes gain nothing and a range of pages would be read twice, to count and to
update. So the read returns the addresses themselves, and a batch is as many of them as may go: it cannot have more
rows than that, whatever happens to the pages meanwhile. Each read sets how far the next one reaches.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.table.stripe_plan import PROFILE_PAGES

TIDS_MAX = 8192
"""Addresses of one read: bounds its result, and the array of an UPDATE."""
READ_PAGES_MIN = 512
READ_PAGES_FIRST = 4096
READ_GROWTH_SHARE = 0.25
"""Part of the table that one read covers at most; of more than half a sequential scan of all would look cheaper."""
READ_S = 0.5
"""A read that takes longer reaches less far the next time; we can stop only between two."""
SPARSE_ROWS_MAX = 2
"""Rows to do on an average page up to which they are found one by one; stripes may pay for more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowAddresses:
    """Addresses of all rows to do from `start` up to `end`, in order, as they were when they were read.

    `crowded` is whether the pages behind `end` have more than a few each.
    """

    start: Tid
    end: Tid
    tids: tuple[Tid, ...]
    crowded: bool = False

    @property
    def pages(self) -> int:
        """Pages covered."""
        return max(1, self.end.page - self.start.page)


def read_end(checkpoint: Checkpoint, pages: int) -> Tid:
    """Return where a read of at most `pages` of the lane's own pages ends."""
    own = (checkpoint.next.page // checkpoint.segment_pages + 1) * checkpoint.segment_pages
    return Tid(min(checkpoint.next.page + pages, own, checkpoint.end_page))


def whole_pages(start: Tid, end: Tid, tids: list[Tid]) -> RowAddresses:
    """Return what a read of at most `TIDS_MAX` + 1 addresses found: where there are more, whole pages of them."""
    if len(tids) <= TIDS_MAX:
        return RowAddresses(start=start, end=end, tids=tuple(tids))
    cut_at = Tid(tids[TIDS_MAX].page)
    return RowAddresses(start=start, end=cut_at, tids=tuple(tid for tid in tids if tid < cut_at))


def next_read_pages(pages: int, due: RowAddresses, took_s: float, end_page: int) -> int:
    """Return how many pages the next read should cover, after one of `pages`: at most twice as many.

    After timeouts it may have come below `REACH_PAGES_MIN`, and goes up again only from pages that are read quickly.
    """
    if pages < READ_PAGES_MIN:
        return 2 * pages if took_s < READ_S else pages
    growth = 2.0
    if took_s > 0:
        growth = min(growth, READ_S / took_s)
    if due.tids:
        growth = min(growth, TIDS_MAX / 2 / len(due.tids) * due.pages / pages)
    return max(READ_PAGES_MIN, min(int(pages * growth), int(end_page * READ_GROWTH_SHARE)))


def fewer_read_pages(pages: int) -> int:
    """Return how many pages the next read covers after one of `pages` was timed out."""
    return max(1, pages // 8)


def before_dense(due: RowAddresses) -> RowAddresses:
    """Return it up to the first page from which on as many rows are to do as would be laid out in a window."""
    for tid, later in zip(due.tids, due.tids[SPARSE_ROWS_MAX * PROFILE_PAGES :], strict=False):
        if later.page < tid.page + PROFILE_PAGES:
            end = max(due.start, Tid(tid.page))
            return RowAddresses(start=due.start, end=end, tids=due.tids[: bisect_left(due.tids, end)], crowded=True)
    return due


def covers(due: RowAddresses | None, checkpoint: Checkpoint) -> bool:
    """Whether all that is to do at the scan's place is known."""
    return due is not None and due.start <= checkpoint.next < due.end


def next_batch(due: RowAddresses, checkpoint: Checkpoint, rows: int) -> BatchRange:
    """Return the next batch of at most `rows`, and the pages without any behind it."""
    first = bisect_left(due.tids, checkpoint.next)
    tids = due.tids[first : first + rows]
    if first + rows >= len(due.tids):
        return BatchRange(end=due.end, rows=len(tids), tids=tids)
    following = due.tids[first + rows]
    end = Tid(following.page) if following.page > tids[-1].page else following
    return BatchRange(end=end, rows=rows, tids=tids)
