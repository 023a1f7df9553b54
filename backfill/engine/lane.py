"""THE loop: lay out a window, look, ask the gate, run one batch with its checkpoint, tell what happened.

A lane is one session on its own pages; it knows protocols and values, no driver and no clock of its own. Between two
steps it looks whether it should stop; inside a batch nothing stops it but the server's own timeouts.
"""

from __future__ import annotations

from contextlib import nullcontext

from backfill.engine.admission import AdmissionControl
from backfill.engine.bad_row_search import BadRowSearch
from backfill.engine.batch_finder import BatchFinder
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import LaneSession
from backfill.engine.retry_loop import RetryLoop
from backfill.engine.window_planner import WindowPlanner
from backfill.events.batch import BatchDone
from backfill.table.batch import BatchRequest, BatchResult, TooManyRows
from backfill.table.checkpoint import Checkpoint, Tid, advance, begin_window
from backfill.table.row_counts import BatchRange
from backfill.table.window_layout import TableTraits
from backfill.throttle.decision import Admission
from backfill.values.errors import StatementRefused


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
        self._retry_loop = RetryLoop(session, group.runtime, control, checkpoint.lane)
        self._rows_cap = control.job.batch.max_rows
        self._finder = BatchFinder(session, group, control, self._retry_loop)
        self._planner = WindowPlanner(session, group, control, traits, self._finder)
        self._search = BadRowSearch(session, group, control, self._retry_loop)

    async def run_pass(self) -> None:
        """Go on to the end of the pass."""
        while not self.checkpoint.pass_done:
            await self._retry_loop.run(self._advance, self._shrink)

    def begin(self, checkpoint: Checkpoint, known: frozenset[Tid] = frozenset()) -> None:
        """Take another place, of which nothing is known but rows that were refused before."""
        self.checkpoint = checkpoint
        self._finder.forget()
        self._search.forget()
        self._search.known = set(known)

    async def _advance(self) -> None:
        """Move the place on: over a stretch without work, or by one batch."""
        await self._group.runtime.sleep(0)
        if not self._search.active:
            self.checkpoint = await self._planner.lay_out(self.checkpoint)
            await self._planner.rest(self.checkpoint)
        rows = min(self._control.rows_wished(self.checkpoint.stripe), self._control.rows_in_time)
        rows = min(rows, self._rows_cap, self.session.rows_at_once)
        batch_range = await self._cut(rows)
        if batch_range.rows == 0:
            await self._skip(batch_range.end)
            return
        await self.session.map_rows(self.checkpoint, batch_range)
        refused = None
        async with nullcontext() if self._group.proven else self._group.trial:
            admission = await self._control.admit(self.session, self.checkpoint)
            try:
                batch_range = await self._cut(min(admission.rows, self._rows_cap, rows))
                if batch_range.rows:
                    refused = await self._fill(batch_range, admission)
            finally:
                self._control.release(self.checkpoint.lane)
        if refused is not None:
            self.checkpoint = await self._search.meet(self.checkpoint, batch_range, refused)
            self._finder.forget_counts()
            self._group.place(self.checkpoint)

    async def _cut(self, rows: int) -> BatchRange:
        """Return the next batch of at most `rows`: of rows that are suspect first."""
        if self._search.active:
            return self._search.batch_range(self.checkpoint, rows)
        return await self._finder.batch_range(self.checkpoint, rows, self._search.known)

    async def _skip(self, end: Tid) -> None:
        before, self.checkpoint = self.checkpoint, begin_window(advance(self.checkpoint, end))
        if self.checkpoint.window_start != before.window_start:
            self.checkpoint = await self.session.save_place(self.checkpoint)
            await self._control.look(self.session)
        self._group.place(self.checkpoint)

    async def _fill(self, batch_range: BatchRange, admission: Admission) -> StatementRefused | None:
        """Run a batch; return what it was refused with where one of its rows may be to blame."""
        before, searching = self.checkpoint, self._search.active
        # A half of a batch may be a single row, which proves nothing of the job.
        request = BatchRequest(before, batch_range, admission, trial=not self._group.proven and not searching)
        try:
            done = await self.session.run_batch(request, lambda position: self._control.charge(before.lane, position))
        except StatementRefused as error:
            if self._search.concerns(error):
                return error
            raise
        if isinstance(done, TooManyRows):
            self._finder.forget_counts()
            self._search.forget()
            return None
        self.checkpoint = done.checkpoint
        self._finder.keep_addresses(batch_range)
        self._search.take(batch_range)
        self._group.place(self.checkpoint)
        self._group.samples = (*self._group.samples, *done.samples)[:5]
        self._group.proven = self._group.proven or (done.rows > 0 and not searching)
        self._retry_loop.failures, self._group.progressed = 0, True
        self._rows_cap = min(self._control.job.batch.max_rows, self._rows_cap * 2)
        self._control.learn(done, before.stripe, self._planner.spare_share(before))
        self._tell(before, batch_range, done)
        self.checkpoint = self._planner.judge(before, self.checkpoint, done)
        return None

    def _shrink(self) -> None:
        self._rows_cap = max(1, min(self._rows_cap, self._control.rows_wished(self.checkpoint.stripe)) // 2)

    def _tell(self, before: Checkpoint, batch_range: BatchRange, done: BatchResult) -> None:
        batch = BatchDone(
            job=self._control.job.name,
            pass_number=before.pass_number,
            stripe=before.stripe,
            first_page=before.next.page,
            last_page=max(before.next.page, batch_range.end.page - (batch_range.end.offset == 0)),
            rows=done.rows,
            rows_unconverged=done.rows_unconverged,
            rows_hot=done.rows_hot,
            wal_bytes=done.wal_bytes,
            took_s=done.took_s,
            rows_total=self._group.rows_total,
            progress_ratio=self._group.progress_ratio,
            eta_s=self._group.eta_s(),
            blocked_sessions=done.blocked_sessions,
            stripes=before.stripes,
            lane=before.lane,
        )
        self._group.runtime.record(batch)
