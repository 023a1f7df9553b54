"""THE loop: plan the window, find a batch, admit it, run it with its checkpoint, record it.

A lane is one session on its own pages; it knows protocols and values, no driver and no clock of its own. Between two
steps it checks whether it should stop; inside a batch nothing stops it but the server's own timeouts.
"""

from __future__ import annotations

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.bad_row_search import BadRowSearch
from backfill.engine.batch_finder import BatchFinder
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import LaneSession
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.window_planner import WindowPlanner
from backfill.events.batch import BatchDone
from backfill.table.batch import BatchRequest, Committed, RowsRefused, TooManyRows
from backfill.table.checkpoint import Checkpoint, Tid, advance, begin_window
from backfill.table.row_counts import BatchRange, first_to_end
from backfill.table.window_layout import TableTraits
from backfill.table.window_state import WindowState
from backfill.throttle.batch_size import next_batch_rows, rows_in_time
from backfill.throttle.decision_values import Admission


class Lane:
    """One lane's way through the passes of a leaf."""

    def __init__(
        self,
        session: LaneSession,
        group: LaneGroup,
        control: AdmissionControl,
        traits: TableTraits,
        checkpoint: Checkpoint,
    ) -> None:
        self.session = session
        self.checkpoint = checkpoint
        self._group = group
        self._control = control
        self._window = WindowState()
        self._rows_cap = control.job.batch.max_rows
        runtime, limits = group.runtime, control.limits
        self._retry_loop = RetryLoop(session, runtime, limits, control.save_wait, checkpoint.lane)
        self._planner = WindowPlanner(session, runtime, limits, traits)
        self._finder = BatchFinder(session, runtime, limits, self._retry_loop)
        self._search = BadRowSearch(session, runtime, limits, self._retry_loop)

    def begin(self, checkpoint: Checkpoint, known: frozenset[Tid] = frozenset()) -> None:
        """Go to another position, of which nothing is known but rows that were rejected before."""
        self.checkpoint, self._window = checkpoint, WindowState()
        self._finder.forget()
        self._search.forget()
        self._search.known = set(known)

    async def run_pass(self) -> None:
        """Go on to the end of the pass."""
        while not self.checkpoint.pass_done:
            await self._retry_loop.run(self._step, self._halve_rows)

    async def _step(self) -> None:
        """Move on: over a stretch in which no row matches, or by one batch."""
        await self._group.runtime.check_stop()
        await self._prepare_window()
        rows = self._rows_at_most()
        batch_range = await self._next_batch(rows)
        if batch_range.rows == 0:
            await self._skip_to(batch_range.end)
            return
        mapped = await self.session.map_rows(self.checkpoint, batch_range)
        mapped = batch_range if self._search.active else mapped  # a search has to try all of the rows that it chose
        async with self._group.trial(), self._control.granted(self.session, self.checkpoint) as admission:
            batch_range = first_to_end(await self._next_batch(min(admission.rows, rows)), mapped)
            if batch_range.rows == 0:
                return
            result = await self._run(batch_range, admission)
            if isinstance(result, Committed):
                self._on_committed(batch_range, result)
        match result:
            case TooManyRows():
                self._finder.forget_counts()
                self._search.forget()
            case RowsRefused():
                self.checkpoint = await self._search.on_refused(self.checkpoint, batch_range, result)
                self._finder.forget_counts()
                self._group.update(self.checkpoint)

    async def _prepare_window(self) -> None:
        if self._search.active:
            return
        control = self._control
        plan = await self._planner.plan(self.checkpoint, self._window, control.throttle_state, control.snapshots)
        self._window = plan.window
        self._move(plan.checkpoint)
        await self._planner.wait_for_pruning(self.checkpoint, control.snapshots)

    def _rows_at_most(self) -> int:
        """Return the rows of the next batch if it were admitted now, under every other limit."""
        job, cost = self._control.job, self._control.throttle_state.cost
        return min(
            self._throttled_rows(),
            rows_in_time(cost.row_s, job.statement_timeout_s),
            self._rows_cap,
            self.session.rows_at_once,
        )

    def _throttled_rows(self) -> int:
        job, throttle_state = self._control.job, self._control.throttle_state
        return next_batch_rows(job.throttle, job.batch, throttle_state, self.checkpoint.stripe).rows

    async def _next_batch(self, rows: int) -> BatchRange:
        """Return the next batch of at most `rows`: rows of a refused batch come first."""
        if self._search.active:
            return self._search.next_batch(self.checkpoint, rows)
        found = await self._finder.next_batch(self.checkpoint, self._window, rows, self._search.known)
        self._window = found.window
        return found.batch_range

    async def _skip_to(self, end: Tid) -> None:
        before, self.checkpoint = self.checkpoint, begin_window(advance(self.checkpoint, end))
        if self.checkpoint.window_start != before.window_start:
            placed = self._group.with_rows_ahead(self.checkpoint, self.checkpoint)
            self.checkpoint = await self.session.save_checkpoint(placed)
            await self._control.refresh(self.session)
        self._group.update(self.checkpoint)

    async def _run(self, batch_range: BatchRange, admission: Admission) -> Committed | TooManyRows | RowsRefused:
        # Half of a refused batch may be a single row, which proves nothing about the job.
        trial = not self._group.proven and not self._search.active
        checkpoint = self._group.with_rows_ahead(self.checkpoint, advance(self.checkpoint, batch_range.end))
        request = BatchRequest(
            checkpoint=checkpoint,
            batch_range=batch_range,
            admission=admission,
            trial=trial,
            time_left=self._group.time_left,
        )
        lane = self.checkpoint.lane
        return await self.session.run_batch(request, lambda position: self._control.attribute_wal(lane, position))

    def _on_committed(self, batch_range: BatchRange, batch: Committed) -> None:
        before, self.checkpoint = self.checkpoint, batch.checkpoint
        self._group.on_committed(batch, proves=not self._search.active)
        self._finder.on_committed(batch_range)
        self._search.on_committed(batch_range)
        self._retry_loop.reset()
        self._rows_cap = min(self._control.job.batch.max_rows, self._rows_cap * 2)
        self._control.record_cost(batch, before.stripe, self._planner.unfilled_share(before))
        self._record(before, batch_range, batch)
        self._move(self._planner.review(before, self.checkpoint, batch, self._control.snapshots))

    def _move(self, checkpoint: Checkpoint) -> None:
        """Go to a position on which the planner has decided; under another layout the counts are worth nothing."""
        if checkpoint is not self.checkpoint:
            self._finder.forget_counts()
        self.checkpoint = checkpoint

    def _halve_rows(self) -> None:
        self._rows_cap = max(1, min(self._rows_cap, self._throttled_rows()) // 2)

    def _record(self, before: Checkpoint, batch_range: BatchRange, batch: Committed) -> None:
        self._group.runtime.record(
            BatchDone(
                job=self._control.job.name,
                pass_number=before.pass_number,
                stripe=before.stripe,
                first_page=before.next.page,
                last_page=max(before.next.page, batch_range.end.page - (batch_range.end.offset == 0)),
                rows=batch.rows,
                rows_unconverged=batch.rows_unconverged,
                rows_hot=batch.rows_hot,
                wal_bytes=batch.wal_bytes,
                took_s=batch.took_s,
                rows_total=self._group.rows_total,
                progress_ratio=self._group.progress_ratio,
                time_left=self._group.time_left_after(before, self._control.paused.total_s),
                blocked_sessions=batch.blocked_sessions,
                stripes=before.stripes,
                lane=before.lane,
            )
        )
