"""Retries the rejected rows of a leaf one by one: they may have been fixed meanwhile."""

from __future__ import annotations

from dataclasses import replace

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.ports import LaneSession, LeafSession
from backfill.engine.retry_loop import RetryLoop
from backfill.events.batch import RowRetried
from backfill.retry.sqlstate import TIMEOUT_TRIES, Blame
from backfill.table.batch import BatchRequest, Committed, RejectedRow, RowsRefused, TooManyRows
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.values.errors import StatementRefused


class RejectedRowRetrier:
    """One row after the other, each admitted, in a transaction of its own that also removes it from the rejected."""

    def __init__(
        self, leaf_session: LeafSession, session: LaneSession, control: AdmissionControl, retry_loop: RetryLoop
    ) -> None:
        self._leaf_session = leaf_session
        self._session = session
        self._control = control
        self._retry_loop = retry_loop
        self._timeouts = 0

    async def retry_all(self, leaf: str, checkpoint: Checkpoint) -> Checkpoint:
        """Retry all rejected rows of the leaf; return the checkpoint, which stays where it is, with its fence."""
        for row in await self._retry_loop.run(self._leaf_session.read_rejected):
            checkpoint = await self._retry(leaf, checkpoint, row)
        return checkpoint

    async def _retry(self, leaf: str, checkpoint: Checkpoint, row: RejectedRow) -> Checkpoint:
        self._timeouts = 0
        result, message = "gone", ""
        match await self._retry_loop.run(lambda: self._attempt(checkpoint, row)):
            case Committed() as batch:
                checkpoint, result = batch.checkpoint, "filled" if batch.rows else "gone"
            case RowsRefused(error):
                result, message = "refused", str(error)
                refused = replace(row, pass_number=checkpoint.pass_number, message=message)
                await self._retry_loop.run(lambda: self._leaf_session.keep_rejected(checkpoint, refused, error))
        runtime = self._control.runtime
        runtime.record(RowRetried(job=self._control.job.name, leaf=leaf, key=row.key, result=result, message=message))
        await runtime.check_stop()
        return checkpoint

    async def _attempt(self, checkpoint: Checkpoint, row: RejectedRow) -> Committed | RowsRefused | None:
        """Try one row; return None if it is gone. Raises StatementRefused if the row is not to blame, or not yet."""
        try:
            tid = await self._leaf_session.find_rejected(row)
        except StatementRefused as error:
            if (blame := self._retry_loop.blame(error)) is None:
                raise
            return self._after_timeouts(RowsRefused(error, blame))
        if tid is None:
            await self._leaf_session.forget_rejected(checkpoint, row)
            return None
        result = await self._fill(checkpoint, row, tid)
        return self._after_timeouts(result) if isinstance(result, RowsRefused) else result

    def _after_timeouts(self, refused: RowsRefused) -> RowsRefused:
        self._timeouts += refused.blame is Blame.TIME
        if refused.blame is Blame.TIME and self._timeouts < TIMEOUT_TRIES:
            raise refused.error
        return refused

    async def _fill(self, checkpoint: Checkpoint, row: RejectedRow, tid: Tid) -> Committed | RowsRefused:
        batch_range = BatchRange(end=Tid(tid.page, tid.offset + 1), rows=1, tids=(tid,))
        async with self._control.granted(self._session, checkpoint) as admission:
            request = BatchRequest(checkpoint=checkpoint, batch_range=batch_range, admission=admission, again=row)
            result = await self._session.run_batch(
                request, lambda position: self._control.attribute_wal(checkpoint.lane, position)
            )
            assert not isinstance(result, TooManyRows), "one row is never too many"
            if isinstance(result, Committed):
                self._control.record_cost(result, checkpoint.stripe)
                self._retry_loop.reset()
        return result
