"""Rows of a leaf that are set aside, tried again one by one: they may have been mended meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from backfill.engine.admission import AdmissionControl
from backfill.engine.ports import JobSession
from backfill.engine.retry_loop import RetryLoop
from backfill.events.batch import RowRetried
from backfill.retry.sqlstate import Remedy
from backfill.table.batch import BatchRequest, BatchResult, RejectedRow
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import StatementRefused

T = TypeVar("T")


class RejectedRowRetrier:
    """One row after the other, each through the gate, in a transaction of its own that also sets it aside no more."""

    def __init__(self, session: JobSession, gate: AdmissionControl, attempts: RetryLoop) -> None:
        self._session = session
        self._gate = gate
        self._attempts = attempts

    async def try_all(self, leaf: str, scan: Checkpoint) -> Checkpoint:
        """Try all rows of the leaf that are set aside; return the place, which stays where it is, with its fence."""
        for row in await self._attempts.until_done(self._session.read_rejected):
            scan = await self._try(leaf, scan, row)
        return scan

    async def _try(self, leaf: str, scan: Checkpoint, row: RejectedRow) -> Checkpoint:
        session, result, message, around = self._session, "gone", "", self._gate.around
        try:
            tid = await self._bounded(lambda: session.find_rejected(row))
            if tid is None:
                await self._attempts.until_done(lambda: session.forget_rejected(scan, row))
            else:
                filled = await self._bounded(lambda: self._fill(scan, row, tid))
                scan, result = filled.scan, "filled" if filled.rows else "gone"
        except _RejectedAgain as again:
            result, message, error = "refused", str(again.error), again.error
            kept = replace(row, pass_number=scan.pass_number, message=message)
            await self._attempts.until_done(lambda: session.keep_rejected(scan, kept, error))
        around.record(RowRetried(self._gate.job.name, leaf, row.key, result, message))
        await around.sleep(0)
        return scan

    async def _bounded(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step on one row, again where that may help; raises _RefusedAgain where the row is to blame."""
        timeouts = 0

        async def once() -> T:
            nonlocal timeouts
            try:
                return await step()
            except StatementRefused as error:
                wanted = self._attempts.remedy(error)
                timeouts += wanted is Remedy.SPLIT
                if wanted is Remedy.ROW or self._attempts.remedy(error, timeouts + 1) is Remedy.ROW:
                    raise _RejectedAgain(error) from None
                raise

        return await self._attempts.until_done(once)

    async def _fill(self, scan: Checkpoint, row: RejectedRow, tid: Tid) -> BatchResult:
        admission = await self._gate.admit(self._session, scan)
        order = BatchRequest(scan, BatchRange(Tid(tid.page, tid.offset + 1), 1, tids=(tid,)), admission, again=row)
        try:
            filled = await self._session.run_batch(order, lambda position: self._gate.charge(scan.lane, position))
        finally:
            self._gate.release(scan.lane)
        assert isinstance(filled, BatchResult), "one row is never too many"
        self._gate.learn(filled, scan.stripe)
        self._attempts.failures = 0
        return filled


class _RejectedAgain(Exception):
    """A row is refused, or takes too long every time."""

    def __init__(self, error: StatementRefused) -> None:
        super().__init__(str(error))
        self.error = error
