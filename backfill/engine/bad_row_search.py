"""A batch that was refused for one of its rows: halved until that row is alone, which ends the run or is set aside."""

from __future__ import annotations

from backfill.engine.admission import AdmissionControl
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import LaneSession
from backfill.engine.retry_loop import RetryLoop
from backfill.events.batch import BatchRefused, RowRejected
from backfill.retry.sqlstate import BOUNDS, Remedy
from backfill.table import bisection
from backfill.table.batch import RowDescription
from backfill.table.bisection import Bisection
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.table.sparse_rows import RowAddresses
from backfill.values.errors import RowRefused, StatementRefused
from backfill.values.units import format_duration


class BadRowSearch:
    """The search of one lane; `known` are rows that were refused before, and stand alone when they are met again."""

    def __init__(self, session: LaneSession, group: LaneGroup, control: AdmissionControl, attempts: RetryLoop) -> None:
        self._session = session
        self._group = group
        self._control = control
        self._retry_loop = attempts
        self._suspects: Bisection | None = None
        self._timeouts = 0
        self.known: set[Tid] = set()

    @property
    def active(self) -> bool:
        """Whether rows of a refused batch are left to try."""
        return self._suspects is not None

    def forget(self) -> None:
        """Search no more: the addresses are too old."""
        self._suspects, self._timeouts = None, 0

    def concerns(self, error: StatementRefused) -> bool:
        """Whether a batch was refused for one of its rows, or for the time that they took."""
        return self._retry_loop.remedy(error) in (Remedy.ROW, Remedy.SPLIT)

    def batch_range(self, checkpoint: Checkpoint, rows: int) -> BatchRange:
        """Return the rows that are tried next."""
        assert self._suspects is not None, "a batch was refused"
        return bisection.batch_range(self._suspects, checkpoint, rows)

    def take(self, batch_range: BatchRange) -> None:
        """Note that the rows that were tried are committed."""
        self._timeouts = 0
        if self._suspects is not None:
            self._suspects = bisection.taken(self._suspects, len(batch_range.tids))

    async def meet(self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused) -> Checkpoint:
        """Go on after a batch was refused; return the place, which is behind a row that was set aside.

        Raises RowRefused at a row that ends the run, Refused where it is to be tried again, later.
        """
        self._tell(checkpoint, batch_range, error)
        if len(batch_range.tids) == 1:
            return await self._alone(checkpoint, batch_range, error)
        deducing = self._retry_loop.remedy(error) is Remedy.ROW
        if self._suspects is not None:
            self._suspects = bisection.refused(self._suspects, len(batch_range.tids))
            return checkpoint
        rows = (
            RowAddresses(checkpoint.next, batch_range.end, batch_range.tids)
            if batch_range.tids
            else await self._session.read_rows(checkpoint, batch_range)
        )
        self._timeouts = 0
        self._suspects = bisection.start(rows, deducing=deducing, known=self.known) if rows.tids else None
        return checkpoint

    async def _alone(self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused) -> Checkpoint:
        if self._retry_loop.remedy(error) is Remedy.SPLIT:
            self._timeouts += 1
            if self._retry_loop.remedy(error, self._timeouts + 1) is Remedy.SPLIT:
                raise error  # it may have been the server's bad moment
        if self._suspects is not None:
            self._suspects = bisection.refused(self._suspects, 1)
        if self._control.job.on_row_error == "fail":
            raise await self._refusal(checkpoint, batch_range, error)
        moved = await self._session.reject_row(checkpoint, batch_range, error)
        self._retry_loop.failures = 0
        self.take(batch_range)
        if moved.key is not None and batch_range.tids[0] not in self.known:
            job, leaf = self._control.job, checkpoint.leaf or str(self._control.job.table)
            told = RowRejected(job.name, leaf, moved.key, error.sqlstate, str(error), moved.rows_rejected)
            self._group.runtime.record(told)
        self.known.add(batch_range.tids[0])  # the last stripe of its window meets it again
        return moved.checkpoint

    async def _refusal(self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused) -> RowRefused:
        slow = self._retry_loop.remedy(error) is Remedy.SPLIT
        described = await self._session.describe(batch_range.tids[0], values=not slow)
        return RowRefused(
            _refusal_message(
                described or RowDescription(str(batch_range.tids[0])), checkpoint, self._control, error, slow=slow
            )
        )

    def _tell(self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused) -> None:
        searched = sum(group.rows for group in self._suspects.groups) if self._suspects else batch_range.rows
        told = BatchRefused(
            self._control.job.name, checkpoint.lane, batch_range.rows, searched, error.sqlstate, str(error)
        )
        self._group.runtime.record(told)


def _refusal_message(
    row: RowDescription, checkpoint: Checkpoint, control: AdmissionControl, error: StatementRefused, *, slow: bool
) -> str:
    """Return what is said of a row that ends the run: which, why, what it would be set to, what to do."""
    leaf = checkpoint.leaf or control.job.table
    if slow:
        timeout, tries = format_duration(control.job.statement_timeout_s), BOUNDS[Remedy.SPLIT].tries
        said = f"row {row.key} of {leaf} takes longer than statement_timeout {timeout}, {tries} times alone: {error}"
        return (
            f"{said}\nmake 'set' cheaper for it or raise the limit, and run again; or leave it out: on_row_error: skip"
        )
    values = (
        f"it would be set to {row.values}" if row.values else f"what it would be set to is not known: {row.unknown}"
    )
    return (
        f"row {row.key} of {leaf} is refused by the server: {error}\n{values}\n"
        "mend the row, 'set' or 'where', and run again; or set such rows aside: on_row_error: skip"
    )
