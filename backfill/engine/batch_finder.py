"""Where a lane's next batch is: rows that are counted page by page where they are many, or found one by one where few.

A read that takes too long covers fewer pages the next time, down to one. A condition that fails on a row is searched
down to that row, since the run cannot go on without it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import TypeVar

from backfill.engine.admission import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import LaneSession
from backfill.engine.retry_loop import RetryLoop
from backfill.retry.sqlstate import READ_TRIES, Remedy
from backfill.table import bisection, row_counts, sparse_rows
from backfill.table.checkpoint import Checkpoint, Layout, Tid
from backfill.table.row_counts import BatchRange, RowCounts
from backfill.table.sparse_rows import READ_PAGES_FIRST, READ_PAGES_MIN, RowAddresses
from backfill.values.errors import BackfillError, RowRefused, StatementRefused
from backfill.values.units import format_duration

T = TypeVar("T")


class BatchFinder:
    """What one lane has read ahead of its place.

    `sparse` is whether rows are few here, None while nobody has looked; `laid_out` the window whose layout was decided.
    """

    def __init__(self, session: LaneSession, group: LaneGroup, control: AdmissionControl, attempts: RetryLoop) -> None:
        self._session = session
        self._group = group
        self._control = control
        self._retry_loop = attempts
        self.sparse: bool | None = None
        self.laid_out: int | None = None
        self._row_counts: RowCounts | None = None
        self._due: RowAddresses | None = None
        self._scout_pages = sys.maxsize
        self._reach_pages = READ_PAGES_FIRST
        self._reach_most = sys.maxsize
        self._timeouts = 0

    def forget(self) -> None:
        """Know nothing of another place."""
        self.forget_counts()
        self.sparse, self._due, self.laid_out = None, None, None

    def forget_counts(self) -> None:
        """Count again: what was counted is too old, or was counted for another layout."""
        self._row_counts = None

    def keep_addresses(self, batch_range: BatchRange) -> None:
        """Go on with the addresses that were read if a batch was taken by them."""
        self._due = self._due if batch_range.tids else None

    async def batch_range(self, checkpoint: Checkpoint, rows: int, known: AbstractSet[Tid]) -> BatchRange:
        """Return the next batch of at most `rows`; reads when what was read does not reach or is too coarse.

        Of rows that are found one by one those that are `known` stand alone.
        """
        if checkpoint.stripes == 1 and self.sparse is not False and self._control.job.python is None:
            return await self._pick(checkpoint, rows, known)
        if self._row_counts is not None and row_counts.covers(self._row_counts, checkpoint):
            found = row_counts.batch_range(self._row_counts, checkpoint, rows)
            if found is not None:
                return found
        self._row_counts = await self._count(checkpoint, rows)
        found = row_counts.batch_range(self._row_counts, checkpoint, rows)
        if found is None:
            raise AssertionError(f"a slice made for {rows} rows has more")
        return found

    async def _count(self, checkpoint: Checkpoint, rows: int) -> RowCounts:
        pages = min(self._scout_pages, checkpoint.window_end - checkpoint.next.page)

        def shorten() -> None:
            self._scout_pages = sparse_rows.fewer_read_pages(pages)

        end = Tid(checkpoint.next.page + pages)
        read = await self._read(checkpoint, end, lambda: self._session.read_scout(checkpoint, rows, pages), shorten)
        self._scout_pages = min(sys.maxsize, 2 * self._scout_pages)
        return read

    async def _pick(self, checkpoint: Checkpoint, rows: int, known: AbstractSet[Tid]) -> BatchRange:
        """Return the next batch of rows that are few; leaves it to stripes where they turn out to be many."""
        if self._due is None or not sparse_rows.covers(self._due, checkpoint):
            crowded = self._due is not None and self._due.crowded and self._due.end == checkpoint.next
            if crowded or await self._find(checkpoint):
                self.sparse, self._due = False, None
                return BatchRange(checkpoint.next, 0)
        assert self._due is not None, "found just now"
        return bisection.isolate_known(self._due, checkpoint, rows, known)

    async def _find(self, checkpoint: Checkpoint) -> bool:
        """Read which rows are to do from here on; return whether they are many right here."""
        pages, began_s = self._reach_pages, self._group.runtime.now_s()

        def shorten() -> None:  # an index may have looked better for so many pages, and was not
            self._reach_pages = sparse_rows.fewer_read_pages(pages)
            self._reach_most = max(READ_PAGES_MIN, self._reach_pages)

        end = sparse_rows.read_end(checkpoint, pages)
        found = await self._read(checkpoint, end, lambda: self._session.read_due(checkpoint, pages), shorten)
        took_s = self._group.runtime.now_s() - began_s
        self._reach_pages = min(
            self._reach_most, sparse_rows.next_read_pages(pages, found, took_s, checkpoint.end_page)
        )
        few = sparse_rows.before_dense(found) if checkpoint.pass_number == 1 else found
        if (
            few.end == checkpoint.next and self.laid_out == checkpoint.next.page
        ):  # the window's shape spoke for single rows
            few = found
        self._due = few
        return few.end == checkpoint.next

    async def _read(
        self, checkpoint: Checkpoint, end: Tid, read: Callable[[], Awaitable[T]], shorten: Callable[[], None]
    ) -> T:
        """Read from the place up to `end`; raises Refused where another try may do, with fewer pages."""
        foreseeing = checkpoint.pass_number > 1
        while True:
            try:
                found = await read()
            except StatementRefused as error:
                wanted = self._retry_loop.remedy(error)
                if wanted is Remedy.ROW and foreseeing:  # what `set` makes of a row is no matter of a read
                    self._session.stop_foreseeing()
                    foreseeing = False
                    continue
                if wanted is Remedy.ROW:
                    raise await self._blame(checkpoint, end, error) from None
                if wanted is Remedy.SPLIT:
                    shorten()
                    self._count_timeout(checkpoint, end)
                raise
            self._timeouts = 0
            return found

    def _count_timeout(self, checkpoint: Checkpoint, end: Tid) -> None:
        if end.page - checkpoint.next.page > 1:
            return
        self._timeouts += 1
        if self._timeouts >= READ_TRIES:
            job = self._control.job
            timeout = format_duration(job.statement_timeout_s)
            raise BackfillError(
                f"page {checkpoint.next.page:,} of {checkpoint.leaf or job.table} was not read within statement_timeout"
                f" {timeout}, {READ_TRIES} times in a row: 'where' takes too long on it ({job.where});"
                f" make it cheaper, or raise the limit: backfill tune {job.name} statement_timeout=…"
            )

    async def _blame(self, checkpoint: Checkpoint, end: Tid, error: StatementRefused) -> BackfillError:
        """Return the error that names the row on which a read of the range fails; that of the read where none does."""
        low, high, whole = checkpoint.next, end, replace(checkpoint, layout=Layout(), stripe=0)  # whatever its stripe
        while (half := bisection.midpoint(low, high)) is not None:
            try:
                await self._session.read_rows(whole, BatchRange(half, 1, low, half))
            except StatementRefused as again:
                if self._retry_loop.remedy(again) is not Remedy.ROW:
                    raise
                high, error = half, again
            else:
                low = half
        described = await self._session.describe(low, values=False)
        if described is None:
            return error
        return RowRefused(
            f"'where' fails on row {described.key} of {checkpoint.leaf or self._control.job.table}: {error}\n"
            "every row is asked, so none can be left out: mend the row, or let 'where' bear it, as by CASE"
        )
