"""Searches a refused batch for its bad row: it is halved until the row is alone, which ends the run or is rejected."""

from __future__ import annotations

from backfill.engine.admission.limits import JobLimits
from backfill.engine.ports import LaneSession, Runtime
from backfill.engine.retry_loop import RetryLoop
from backfill.events.batch import BatchRefused, RowRejected
from backfill.jobfile.job import Job
from backfill.retry.sqlstate import TIMEOUT_TRIES, Blame
from backfill.table import bisection
from backfill.table.batch import RowDescription, RowsRefused
from backfill.table.bisection import Bisection
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.table.sparse_rows import RowAddresses
from backfill.values.errors import RowRefused
from backfill.values.units import format_duration


class BadRowSearch:
    """The search of one lane; `known` are rows that were rejected before, and stand alone when they are met again."""

    def __init__(self, session: LaneSession, runtime: Runtime, limits: JobLimits, retry_loop: RetryLoop) -> None:
        self._session = session
        self._runtime = runtime
        self._limits = limits
        self._retry_loop = retry_loop
        self._bisection: Bisection | None = None
        self._timeouts = 0
        self.known: set[Tid] = set()

    @property
    def active(self) -> bool:
        """Whether rows of a refused batch are left to try."""
        return self._bisection is not None

    def forget(self) -> None:
        """End the search: its addresses are too old."""
        self._bisection, self._timeouts = None, 0

    def next_batch(self, checkpoint: Checkpoint, rows: int) -> BatchRange:
        """Return the rows to try next."""
        assert self._bisection is not None, "a batch was refused"
        return bisection.batch_range(self._bisection, checkpoint, rows)

    def on_committed(self, batch_range: BatchRange) -> None:
        """Go on with the other rows: these are committed."""
        self._timeouts = 0
        if self._bisection is not None:
            self._bisection = bisection.taken(self._bisection, len(batch_range.tids))

    async def on_refused(self, checkpoint: Checkpoint, batch_range: BatchRange, refused: RowsRefused) -> Checkpoint:
        """Go on after a batch was refused; return the position, which is behind a row that was rejected.

        Raises RowRefused for a row that ends the run, StatementRefused if the row is to be tried again, later.
        """
        self._record(checkpoint, batch_range, refused)
        if len(batch_range.tids) == 1:
            return await self._on_row_refused(checkpoint, batch_range, refused)
        if self._bisection is not None:
            self._bisection = bisection.refused(self._bisection, len(batch_range.tids))
            return checkpoint
        rows = (
            RowAddresses(start=checkpoint.next, end=batch_range.end, tids=batch_range.tids)
            if batch_range.tids
            else await self._session.read_rows(checkpoint, batch_range)
        )
        self._timeouts = 0
        deducing = refused.blame is Blame.ROW
        self._bisection = bisection.start(rows, deducing=deducing, known=self.known) if rows.tids else None
        return checkpoint

    async def _on_row_refused(
        self, checkpoint: Checkpoint, batch_range: BatchRange, refused: RowsRefused
    ) -> Checkpoint:
        if refused.blame is Blame.TIME:
            self._timeouts += 1
            if self._timeouts < TIMEOUT_TRIES:
                raise refused.error  # it may have been a bad moment of the server
        if self._bisection is not None:
            self._bisection = bisection.refused(self._bisection, 1)
        [tid], job, error = batch_range.tids, self._limits.job, refused.error
        if job.on_row_error == "fail":
            described = await self._session.describe(tid, values=refused.blame is Blame.ROW)
            raise RowRefused(_refusal_message(described or RowDescription(str(tid)), checkpoint, job, refused))
        rejected = await self._session.reject_row(checkpoint, batch_range, error)
        self._retry_loop.reset()
        self.on_committed(batch_range)
        if rejected.key is not None and tid not in self.known:
            leaf = checkpoint.leaf or str(job.table)
            self._runtime.record(
                RowRejected(
                    job=job.name,
                    leaf=leaf,
                    key=rejected.key,
                    reason=error.sqlstate,
                    message=str(error),
                    rows_rejected=rejected.rows_rejected,
                )
            )
        self.known.add(tid)  # the last stripe of its window meets it again
        return rejected.checkpoint

    def _record(self, checkpoint: Checkpoint, batch_range: BatchRange, refused: RowsRefused) -> None:
        searched = sum(group.rows for group in self._bisection.groups) if self._bisection else batch_range.rows
        job, error = self._limits.job.name, refused.error
        self._runtime.record(
            BatchRefused(
                job=job,
                lane=checkpoint.lane,
                rows=batch_range.rows,
                rows_searched=searched,
                reason=error.sqlstate,
                message=str(error),
            )
        )


def _refusal_message(row: RowDescription, checkpoint: Checkpoint, job: Job, refused: RowsRefused) -> str:
    """Return the message for a row that ends the run: which, why, what it would be set to, what to do."""
    leaf, error = checkpoint.leaf or job.table, refused.error
    if refused.blame is Blame.TIME:
        timeout = format_duration(job.statement_timeout_s)
        return (
            f"row {row.key} of {leaf} takes longer than statement_timeout {timeout}, {TIMEOUT_TRIES} times alone:"
            f" {error}\nmake 'set' cheaper for it or raise the limit, and run again; or skip it with on_row_error: skip"
        )
    values = f"it would be set to {row.values}" if row.values else f"its new value is unknown: {row.unknown}"
    return (
        f"the server rejected row {row.key} of {leaf}: {error}\n{values}\n"
        "fix the row or the job's 'set'/'where' and run again, or skip such rows with on_row_error: skip"
    )
