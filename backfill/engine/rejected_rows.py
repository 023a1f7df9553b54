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

    def __init__(self, session: JobSession, control: AdmissionControl, attempts: RetryLoop) -> None:
        self._session = session
        self._control = control
        self._retry_loop = attempts

    async def try_all(self, leaf: str, checkpoint: Checkpoint) -> Checkpoint:
        """Try all rows of the leaf that are set aside; return the place, which stays where it is, with its fence."""
        for row in await self._retry_loop.run(self._session.read_rejected):
            checkpoint = await self._try(leaf, checkpoint, row)
        return checkpoint

    async def _try(self, leaf: str, checkpoint: Checkpoint, row: RejectedRow) -> Checkpoint:
        session, result, message, runtime = self._session, "gone", "", self._control.runtime
        try:
            tid = await self._bounded(lambda: session.find_rejected(row))
            if tid is None:
                await self._retry_loop.run(lambda: session.forget_rejected(checkpoint, row))
            else:
                batch_result = await self._bounded(lambda: self._fill(checkpoint, row, tid))
                checkpoint, result = batch_result.checkpoint, "filled" if batch_result.rows else "gone"
        except _RejectedAgain as again:
            result, message, error = "refused", str(again.error), again.error
            kept = replace(row, pass_number=checkpoint.pass_number, message=message)
            await self._retry_loop.run(lambda: session.keep_rejected(checkpoint, kept, error))
        runtime.record(RowRetried(self._control.job.name, leaf, row.key, result, message))
        await runtime.sleep(0)
        return checkpoint

    async def _bounded(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step on one row, again where that may help; raises _RefusedAgain where the row is to blame."""
        timeouts = 0

        async def once() -> T:
            nonlocal timeouts
            try:
                return await step()
            except StatementRefused as error:
                wanted = self._retry_loop.remedy(error)
                timeouts += wanted is Remedy.SPLIT
                if wanted is Remedy.ROW or self._retry_loop.remedy(error, timeouts + 1) is Remedy.ROW:
                    raise _RejectedAgain(error) from None
                raise

        return await self._retry_loop.run(once)

    async def _fill(self, checkpoint: Checkpoint, row: RejectedRow, tid: Tid) -> BatchResult:
        admission = await self._control.admit(self._session, checkpoint)
        request = BatchRequest(
            checkpoint, BatchRange(Tid(tid.page, tid.offset + 1), 1, tids=(tid,)), admission, again=row
        )
        try:
            batch_result = await self._session.run_batch(
                request, lambda position: self._control.charge(checkpoint.lane, position)
            )
        finally:
            self._control.release(checkpoint.lane)
        assert isinstance(batch_result, BatchResult), "one row is never too many"
        self._control.learn(batch_result, checkpoint.stripe)
        self._retry_loop.failures = 0
        return batch_result


class _RejectedAgain(Exception):
    """A row is refused, or takes too long every time."""

    def __init__(self, error: StatementRefused) -> None:
        super().__init__(str(error))
        self.error = error
