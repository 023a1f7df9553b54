"""THE loop: lay out a window, scout, ask the gate, run one batch with its checkpoint, tell what happened.

A lane is one session on its own pages; it knows protocols and values, no driver and no clock of its own. Between two
steps it looks whether it should stop; inside a batch nothing stops it but the server's own timeouts.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext

from backfill.attempts import Attempts
from backfill.core import due, layout, scout
from backfill.core.batch import Filled, Order, Overfull
from backfill.core.decision import Admission
from backfill.core.due import REACH_PAGES_FIRST, REACH_PAGES_MIN, SPARSE_DUE, Due
from backfill.core.events import BatchDone, LaidOut
from backfill.core.layout import Heap, Luck
from backfill.core.page import Shape, later_share, spare_share
from backfill.core.scan import Scan, Tid, advance, begin_window, give_up_stripes, lay_out
from backfill.core.scout import Cut, Scouted
from backfill.errors import Refused
from backfill.gate import Gate
from backfill.ports import LaneSession
from backfill.shift import Shift


class Lane:
    """One lane's way through the passes of a leaf."""

    def __init__(self, session: LaneSession, shift: Shift, gate: Gate, heap: Heap, scan: Scan) -> None:
        self.session = session
        self.scan = scan
        self._shift = shift
        self._gate = gate
        self._heap = heap
        self._attempts = Attempts(session, shift.around, gate)
        self._rows_cap = gate.job.batch.max_rows
        self._luck = Luck()
        self._laid_out: int | None = None
        self._shape: Shape | None = None
        self._later_rows = self._later_hot = 0
        self._window_rows = self._window_wal_bytes = 0
        self._scouted: Scouted | None = None
        self._sparse: bool | None = None
        self._due: Due | None = None
        self._reach_pages = REACH_PAGES_FIRST
        self._reach_most = sys.maxsize

    async def run_pass(self) -> None:
        """Go on to the end of the pass."""
        while not self.scan.pass_done:
            await self._attempts.until_done(self._advance, self._shrink)

    def begin(self, scan: Scan) -> None:
        """Take another place, of which no scout tells yet."""
        self.scan, self._scouted, self._laid_out = scan, None, None
        self._sparse, self._due = None, None

    async def _advance(self) -> None:
        """Move the place on: over a stretch without work, or by one batch."""
        await self._shift.around.sleep(0)
        await self._lay_out()
        rows = min(self._gate.rows_wished(self.scan.stripe), self._rows_cap, self.session.rows_at_once)
        cut = await self._cut(rows)
        if cut.rows == 0:
            await self._skip(cut.end)
            return
        await self.session.map_rows(self.scan, cut)
        async with nullcontext() if self._shift.proven else self._shift.trial:
            admission = await self._gate.admit(self.session, self.scan)
            try:
                cut = await self._cut(min(admission.rows, self._rows_cap, rows))
                if cut.rows:
                    await self._fill(cut, admission)
            finally:
                self._gate.release(self.scan.lane)

    async def _lay_out(self) -> None:
        """Decide about the window that begins here; where rows are few there is nothing to decide."""
        scan, gate = self.scan, self._gate
        if scan.pass_number > 1 or self._sparse or not scan.window_untouched or self._laid_out == scan.window_start:
            return
        self._laid_out = scan.window_start
        self._later_rows = self._later_hot = 0
        row_wal_bytes = gate.pace.cost.wal_bytes(0)
        if self._window_rows:  # a whole window's: its first stripe is dear and its last ones are cheap
            row_wal_bytes = self._window_wal_bytes / self._window_rows
        self._window_rows = self._window_wal_bytes = 0
        try:
            shape = await self.session.read_shape(scan)
            self._shape = shape or self._shape
        except Refused:  # an expression fails on one of these rows: the batch that has it will say so
            self._sparse = False
            return
        wanted = gate.job.batch.stripes
        chosen = layout.decide(
            self._heap,
            shape,
            self._luck,
            scan.layout,
            stripes=None if wanted == "auto" else wanted,
            row_wal_bytes=row_wal_bytes,
            wal_rate_bytes_s=gate.pace.wal_rate_bytes_s,
            outlast_rows=gate.outlast_rows(self.scan.lanes),
        )
        self._luck = layout.passed(self._luck)
        if chosen != scan.layout:
            self.scan, self._scouted = lay_out(scan, chosen), None
            self._tell_layout()
        self._sparse = self.scan.stripes == 1 and (shape is None or shape.due <= SPARSE_DUE)

    def _judge(self, before: Scan, done: Filled) -> None:
        """Take the rest of the window at once where stripes do not pay."""
        self._window_rows += done.rows
        self._window_wal_bytes += done.wal_bytes
        if before.stripe == 0 or before.stripes == 1 or self._gate.job.batch.stripes != "auto":
            return
        self._later_rows, self._later_hot = self._later_rows + done.rows, self._later_hot + done.rows_hot
        if self.scan.stripe == before.stripe:  # a stripe as a whole tells: its start alone may meet a short snapshot
            return
        pages, rows, hot = before.window_end - before.window_start, self._later_rows, self._later_hot
        expected = later_share(self._shape, before.layout.sizes, before.stripe) if self._shape else 0.0
        if layout.well(pages, rows, hot, expected) is not False:
            return
        paid = layout.pays(pages, rows, hot, expected) or False
        upkeep = self._gate.upkeep
        why = layout.blame(rows, hot, upkeep.oldest_snapshot_s, upkeep.oldest_snapshot)
        if before.stripe == 1:  # once a window
            self._luck = layout.learn(self._luck, pages, paid=paid, why=why)
        if not paid and self.scan.window_start == before.window_start and not self.scan.last_stripe:
            self.scan, self._scouted = give_up_stripes(self.scan, f"plain: {why}"), None
            self._tell_layout()

    def _tell_layout(self) -> None:
        chosen = self.scan.layout
        told = LaidOut(self._gate.job.name, self.scan.lane, chosen.sizes, chosen.window_pages, chosen.why)
        self._shift.around.record(told)

    async def _cut(self, rows: int) -> Cut:
        """Return the next batch of at most `rows`; scouts when the last scout does not reach or is too coarse."""
        if self.scan.stripes == 1 and self._sparse is not False and self._gate.job.python is None:
            return await self._pick(rows)
        if self._scouted is not None and scout.covers(self._scouted, self.scan):
            cut = scout.cut(self._scouted, self.scan, rows)
            if cut is not None:
                return cut
        self._scouted = await self.session.read_scout(self.scan, rows)
        cut = scout.cut(self._scouted, self.scan, rows)
        if cut is None:
            raise AssertionError(f"a slice made for {rows} rows has more")
        return cut

    async def _pick(self, rows: int) -> Cut:
        """Return the next batch of rows that are few; leaves it to stripes where they turn out to be many."""
        if self._due is None or not due.covers(self._due, self.scan):
            known = self._due is not None and self._due.crowded and self._due.end == self.scan.next
            if known or await self._find():
                self._sparse, self._due = False, None
                return Cut(self.scan.next, 0)
        assert self._due is not None, "found just now"
        return due.pick(self._due, self.scan, rows)

    async def _find(self) -> bool:
        """Read which rows are to do from here on; return whether they are many right here."""
        scan, pages, began_s = self.scan, self._reach_pages, self._shift.around.now_s()
        try:
            found = await self.session.read_due(scan, pages)
        except Refused:  # by time-out, as a rule: an index looked better for so many pages and was not
            self._reach_pages = self._reach_most = max(REACH_PAGES_MIN, pages // 8)
            raise
        took_s = self._shift.around.now_s() - began_s
        self._reach_pages = min(self._reach_most, due.next_reach(pages, found, took_s, scan.end_page))
        few = due.before_crowd(found) if scan.pass_number == 1 else found
        if few.end == scan.next and self._laid_out == scan.next.page:  # the window's shape spoke for single rows
            few = found
        self._due = few
        return few.end == scan.next

    async def _skip(self, end: Tid) -> None:
        before, self.scan = self.scan, begin_window(advance(self.scan, end))
        if self.scan.window_start != before.window_start:
            self.scan = await self.session.save_place(self.scan)
            await self._gate.look(self.session)
        self._shift.place(self.scan)

    async def _fill(self, cut: Cut, admission: Admission) -> None:
        before = self.scan
        order = Order(before, cut, admission, trial=not self._shift.proven)
        done = await self.session.run_batch(order, lambda position: self._gate.charge(before.lane, position))
        if isinstance(done, Overfull):
            self._scouted = None
            return
        self.scan = done.scan
        self._due = self._due if cut.tids else None
        self._shift.place(self.scan)
        self._shift.samples = (*self._shift.samples, *done.samples)[:5]
        self._shift.proven = self._shift.proven or done.rows > 0
        self._attempts.failures, self._shift.progressed = 0, True
        self._rows_cap = min(self._gate.job.batch.max_rows, self._rows_cap * 2)
        spare = spare_share(self._shape, before.layout.sizes) if self._shape and before.stripes > 1 else 1.0
        self._gate.learn(done, before.stripe, spare)
        self._tell(before, cut, done)
        self._judge(before, done)

    def _shrink(self) -> None:
        self._rows_cap = max(1, min(self._rows_cap, self._gate.rows_wished(self.scan.stripe)) // 2)

    def _tell(self, before: Scan, cut: Cut, done: Filled) -> None:
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
