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
        self, session: LaneSession, shift: LaneGroup, gate: AdmissionControl, heap: TableTraits, scan: Checkpoint
    ) -> None:
        self.session = session
        self.scan = scan
        self._shift = shift
        self._gate = gate
        self._attempts = RetryLoop(session, shift.around, gate, scan.lane)
        self._rows_cap = gate.job.batch.max_rows
        self._looking = BatchFinder(session, shift, gate, self._attempts)
        self._laying = WindowPlanner(session, shift, gate, heap, self._looking)
        self._suspecting = BadRowSearch(session, shift, gate, self._attempts)

    async def run_pass(self) -> None:
        """Go on to the end of the pass."""
        while not self.scan.pass_done:
            await self._attempts.until_done(self._advance, self._shrink)

    def begin(self, scan: Checkpoint, known: frozenset[Tid] = frozenset()) -> None:
        """Take another place, of which nothing is known but rows that were refused before."""
        self.scan = scan
        self._looking.forget()
        self._suspecting.forget()
        self._suspecting.known = set(known)

    async def _advance(self) -> None:
        """Move the place on: over a stretch without work, or by one batch."""
        await self._shift.around.sleep(0)
        if not self._suspecting.active:
            self.scan = await self._laying.lay_out(self.scan)
            await self._laying.rest(self.scan)
        rows = min(self._gate.rows_wished(self.scan.stripe), self._gate.rows_in_time)
        rows = min(rows, self._rows_cap, self.session.rows_at_once)
        cut = await self._cut(rows)
        if cut.rows == 0:
            await self._skip(cut.end)
            return
        await self.session.map_rows(self.scan, cut)
        refused = None
        async with nullcontext() if self._shift.proven else self._shift.trial:
            admission = await self._gate.admit(self.session, self.scan)
            try:
                cut = await self._cut(min(admission.rows, self._rows_cap, rows))
                if cut.rows:
                    refused = await self._fill(cut, admission)
            finally:
                self._gate.release(self.scan.lane)
        if refused is not None:
            self.scan = await self._suspecting.meet(self.scan, cut, refused)
            self._looking.forget_counts()
            self._shift.place(self.scan)

    async def _cut(self, rows: int) -> BatchRange:
        """Return the next batch of at most `rows`: of rows that are suspect first."""
        if self._suspecting.active:
            return self._suspecting.cut(self.scan, rows)
        return await self._looking.cut(self.scan, rows, self._suspecting.known)

    async def _skip(self, end: Tid) -> None:
        before, self.scan = self.scan, begin_window(advance(self.scan, end))
        if self.scan.window_start != before.window_start:
            self.scan = await self.session.save_place(self.scan)
            await self._gate.look(self.session)
        self._shift.place(self.scan)

    async def _fill(self, cut: BatchRange, admission: Admission) -> StatementRefused | None:
        """Run a batch; return what it was refused with where one of its rows may be to blame."""
        before, searching = self.scan, self._suspecting.active
        # A half of a batch may be a single row, which proves nothing of the job.
        order = BatchRequest(before, cut, admission, trial=not self._shift.proven and not searching)
        try:
            done = await self.session.run_batch(order, lambda position: self._gate.charge(before.lane, position))
        except StatementRefused as error:
            if self._suspecting.concerns(error):
                return error
            raise
        if isinstance(done, TooManyRows):
            self._looking.forget_counts()
            self._suspecting.forget()
            return None
        self.scan = done.scan
        self._looking.keep_addresses(cut)
        self._suspecting.take(cut)
        self._shift.place(self.scan)
        self._shift.samples = (*self._shift.samples, *done.samples)[:5]
        self._shift.proven = self._shift.proven or (done.rows > 0 and not searching)
        self._attempts.failures, self._shift.progressed = 0, True
        self._rows_cap = min(self._gate.job.batch.max_rows, self._rows_cap * 2)
        self._gate.learn(done, before.stripe, self._laying.spare_share(before))
        self._tell(before, cut, done)
        self.scan = self._laying.judge(before, self.scan, done)
        return None

    def _shrink(self) -> None:
        self._rows_cap = max(1, min(self._rows_cap, self._gate.rows_wished(self.scan.stripe)) // 2)

    def _tell(self, before: Checkpoint, cut: BatchRange, done: BatchResult) -> None:
        batch = BatchDone(
            job=self._gate.job.name,
            pass_number=before.pass_number,
            stripe=before.stripe,
            first_page=before.next.page,
            last_page=max(before.next.page, cut.end.page - (cut.end.offset == 0)),
            rows=done.rows,
            rows_unconverged=done.rows_unconverged,
            rows_hot=done.rows_hot,
            wal_bytes=done.wal_bytes,
            took_s=done.took_s,
            rows_total=self._shift.rows_total,
            progress_ratio=self._shift.progress_ratio,
            eta_s=self._shift.eta_s(),
            blocked_sessions=done.blocked_sessions,
            stripes=before.stripes,
            lane=before.lane,
        )
        self._shift.around.record(batch)
