"""Finds a lane's next batch: matching rows are counted page by page if they are many, and found by address if few.

A read that takes too long covers fewer pages the next time, down to one. If the condition fails on a row, that row is
searched for, because the run cannot go on without it.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import TypeVar

from backfill.engine.admission.limits import JobLimits
from backfill.engine.ports import LaneSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.retry.sqlstate import READ_TRIES, Blame
from backfill.table import bisection, row_counts, sparse_rows
from backfill.table.checkpoint import Checkpoint, Layout, Tid
from backfill.table.row_counts import BatchRange, RowCounts
from backfill.table.sparse_rows import READ_PAGES_FIRST, READ_PAGES_MIN, RowAddresses
from backfill.table.window_state import Density, WindowState
from backfill.values.errors import BackfillError, RowRefused, StatementRefused
from backfill.values.units import format_duration

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundBatch:
    """The next batch, and the window as the read has shown it; no rows if there is none before `batch_range.end`."""

    batch_range: BatchRange
    window: WindowState


class BatchFinder:
    """What one lane has read ahead of its position."""

    def __init__(self, session: LaneSession, runtime: Runtime, limits: JobLimits, retry_loop: RetryLoop) -> None:
        self._session = session
        self._runtime = runtime
        self._limits = limits
        self._retry_loop = retry_loop
        self._row_counts: RowCounts | None = None
        self._addresses: RowAddresses | None = None
        self._count_pages = sys.maxsize
        self._find_pages = READ_PAGES_FIRST
        self._find_pages_max = sys.maxsize
        self._timeouts = 0

    def forget(self) -> None:
        """Forget everything: the lane goes to another position."""
        self._row_counts = self._addresses = None

    def forget_counts(self) -> None:
        """Count again: the counts are too old, or were made for another layout."""
        self._row_counts = None

    def on_committed(self, batch_range: BatchRange) -> None:
        """Keep the addresses only if the batch was taken by them."""
        self._addresses = self._addresses if batch_range.tids else None

    async def next_batch(
        self, checkpoint: Checkpoint, window: WindowState, rows: int, known: AbstractSet[Tid]
    ) -> FoundBatch:
        """Return the next batch of at most `rows`; reads if the last read does not reach so far or is too coarse.

        Of rows that are found by address those that are `known` stand alone.
        """
        by_address = checkpoint.stripes == 1 and window.density is not Density.DENSE
        if by_address and self._limits.job.python is None:
            return await self._next_by_address(checkpoint, window, rows, known)
        if self._row_counts is not None and row_counts.covers(self._row_counts, checkpoint):
            batch_range = row_counts.batch_range(self._row_counts, checkpoint, rows)
            if batch_range is not None:
                return FoundBatch(batch_range, window)
        self._row_counts = await self._count(checkpoint, rows)
        batch_range = row_counts.batch_range(self._row_counts, checkpoint, rows)
        if batch_range is None:
            raise AssertionError(f"a slice made for {rows} rows has more")
        return FoundBatch(batch_range, window)

    async def _count(self, checkpoint: Checkpoint, rows: int) -> RowCounts:
        pages = min(self._count_pages, checkpoint.window_end - checkpoint.next.page)

        def shorten() -> None:
            self._count_pages = sparse_rows.fewer_read_pages(pages)

        end = Tid(checkpoint.next.page + pages)
        counts = await self._read(checkpoint, end, lambda: self._session.count_rows(checkpoint, rows, pages), shorten)
        self._count_pages = min(sys.maxsize, 2 * self._count_pages)
        return counts

    async def _next_by_address(
        self, checkpoint: Checkpoint, window: WindowState, rows: int, known: AbstractSet[Tid]
    ) -> FoundBatch:
        """Return the next batch of rows that are few; leaves the window to stripes if they turn out to be many."""
        addresses = self._addresses
        if addresses is None or not sparse_rows.covers(addresses, checkpoint):
            crowded = addresses is not None and addresses.crowded and addresses.end == checkpoint.next
            addresses = None if crowded else await self._find(checkpoint, window)
        self._addresses = addresses
        if addresses is None:
            return FoundBatch(BatchRange(end=checkpoint.next, rows=0), replace(window, density=Density.DENSE))
        return FoundBatch(bisection.isolate_known(addresses, checkpoint, rows, known), window)

    async def _find(self, checkpoint: Checkpoint, window: WindowState) -> RowAddresses | None:
        """Return the addresses of matching rows from here on; None if they are many right here."""
        pages, began_s = self._find_pages, self._runtime.now_s()

        def shorten() -> None:  # the planner preferred an index for this many pages, and it was slower
            self._find_pages = sparse_rows.fewer_read_pages(pages)
            self._find_pages_max = max(READ_PAGES_MIN, self._find_pages)

        end = sparse_rows.read_end(checkpoint, pages)
        addresses = await self._read(checkpoint, end, lambda: self._session.find_rows(checkpoint, pages), shorten)
        took_s = self._runtime.now_s() - began_s
        self._find_pages = min(
            self._find_pages_max, sparse_rows.next_read_pages(pages, addresses, took_s, checkpoint.end_page)
        )
        few = sparse_rows.before_dense(addresses) if checkpoint.pass_number == 1 else addresses
        if few.end == checkpoint.next and window.start == checkpoint.next.page:
            few = addresses  # the window's page profile spoke for single rows
        return None if few.end == checkpoint.next else few

    async def _read(
        self, checkpoint: Checkpoint, end: Tid, read: Callable[[], Awaitable[T]], shorten: Callable[[], None]
    ) -> T:
        """Read from the position up to `end`; raises StatementRefused if another attempt, with fewer pages, may do."""
        predicting = checkpoint.pass_number > 1
        while True:
            try:
                result = await read()
            except StatementRefused as error:
                blame = self._retry_loop.blame(error)
                if blame is Blame.ROW and predicting:  # what `set` makes of a row does not matter to a read
                    self._session.disable_prediction()
                    predicting = False
                    continue
                if blame is Blame.ROW:
                    raise await self._row_error(checkpoint, end, error) from None
                if blame is Blame.TIME:
                    shorten()
                    self._count_timeout(checkpoint, end)
                raise
            self._timeouts = 0
            return result

    def _count_timeout(self, checkpoint: Checkpoint, end: Tid) -> None:
        if end.page - checkpoint.next.page > 1:
            return
        self._timeouts += 1
        if self._timeouts >= READ_TRIES:
            job = self._limits.job
            timeout = format_duration(job.statement_timeout_s)
            raise BackfillError(
                f"page {checkpoint.next.page:,} of {checkpoint.leaf or job.table} was not read within statement_timeout"
                f" {timeout}, {READ_TRIES} times in a row: 'where' takes too long on it ({job.where});"
                f" make it cheaper, or raise the limit: backfill tune {job.name} statement_timeout=…"
            )

    async def _row_error(self, checkpoint: Checkpoint, end: Tid, error: StatementRefused) -> BackfillError:
        """Return the error that names the row on which a read fails; that of the read if no row does by itself."""
        low, high = checkpoint.next, end
        every_stripe = replace(checkpoint, layout=Layout(), stripe=0)
        while (half := bisection.midpoint(low, high)) is not None:
            try:
                await self._session.read_rows(every_stripe, BatchRange(end=half, rows=1, low=low, high=half))
            except StatementRefused as narrower:
                if self._retry_loop.blame(narrower) is not Blame.ROW:
                    raise
                high, error = half, narrower
            else:
                low = half
        described = await self._session.describe(low, values=False)
        if described is None:
            return error
        return RowRefused(
            f"'where' fails on row {described.key} of {checkpoint.leaf or self._limits.job.table}: {error}\n"
            "'where' is evaluated for every row and cannot skip this one; fix the row, or guard the condition, e.g."
            " with CASE"
        )
