"""THE loop: lay out a window, scout, ask the gate, run one batch with its checkpoint, tell what happened.

A lane is one session on its own pages; it knows protocols and values, no driver and no clock of its own. Between two
steps it looks whether it should stop; inside a batch nothing stops it but the server's own timeouts.
"""

from __future__ import annotations

from contextlib import nullcontext

from backfill.attempts import Attempts
from backfill.core import layout, scout
from backfill.core.batch import Filled, Order, Overfull
from backfill.core.decision import Admission
from backfill.core.events import BatchDone, LaidOut
from backfill.core.layout import Heap, Luck
from backfill.core.scan import Scan, Tid, advance, give_up_stripes, lay_out
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
        self._later_rows = self._later_hot = 0
        self._window_rows = self._window_wal_bytes = 0
        self._scouted: Scouted | None = None

    async def run_pass(self) -> None:
        """Go on to the end of the pass."""
        while not self.scan.pass_done:
            await self._attempts.until_done(self._advance, self._shrink)

    def begin(self, scan: Scan) -> None:
        """Take another place, of which no scout tells yet."""
        self.scan, self._scouted, self._laid_out = scan, None, None

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
        """Decide about the window that begins here."""
        scan, gate = self.scan, self._gate
        if scan.pass_number > 1 or not scan.window_untouched or self._laid_out == scan.window_start:
            return
        self._laid_out = scan.window_start
        self._later_rows = self._later_hot = 0
        row_wal_bytes = gate.pace.cost.wal_bytes(0)
        if self._window_rows:  # a whole window's: its first stripe is dear and its last ones are cheap
            row_wal_bytes = self._window_wal_bytes / self._window_rows
        self._window_rows = self._window_wal_bytes = 0
        try:
            shape = await self.session.read_shape(scan)
        except Refused:  # an expression fails on one of these rows: the batch that has it will say so
            shape = None
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

    def _judge(self, before: Scan, done: Filled) -> None:
        """Take the rest of the window at once where stripes do not pay."""
        self._window_rows += done.rows
        self._window_wal_bytes += done.wal_bytes
        if before.stripe == 0 or before.stripes == 1 or self._gate.job.batch.stripes != "auto":
            return
        self._later_rows, self._later_hot = self._later_rows + done.rows, self._later_hot + done.rows_hot
        if self.scan.stripe == before.stripe:  # a stripe as a whole tells: its start alone may meet a short snapshot
            return
        pages = before.window_end - before.window_start
        paid = layout.pays(pages, self._later_rows, self._later_hot)
        if paid:
            self._luck = Luck()
        if paid is not False or self.scan.window_start != before.window_start or self.scan.last_stripe:
            return
        upkeep = self._gate.upkeep
        why = layout.blame(self._later_rows, self._later_hot, upkeep.oldest_snapshot_s, upkeep.oldest_snapshot)
        self._luck = layout.learn(self._luck, paid=False, why=why)
        self.scan, self._scouted = give_up_stripes(self.scan, f"plain: {why}"), None
        self._tell_layout()

    def _tell_layout(self) -> None:
        chosen = self.scan.layout
        told = LaidOut(self._gate.job.name, self.scan.lane, chosen.sizes, chosen.window_pages, chosen.why)
        self._shift.around.record(told)

    async def _cut(self, rows: int) -> Cut:
        """Return the next batch of at most `rows`; scouts when the last scout does not reach or is too coarse."""
        if self._scouted is not None and scout.covers(self._scouted, self.scan):
            cut = scout.cut(self._scouted, self.scan, rows)
            if cut is not None:
                return cut
        self._scouted = await self.session.read_scout(self.scan, rows)
        cut = scout.cut(self._scouted, self.scan, rows)
        if cut is None:
            raise AssertionError(f"a slice made for {rows} rows has more")
        return cut

    async def _skip(self, end: Tid) -> None:
        before, self.scan = self.scan, advance(self.scan, end)
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
        self._shift.place(self.scan)
        self._shift.samples = (*self._shift.samples, *done.samples)[:5]
        self._shift.proven = self._shift.proven or done.rows > 0
        self._attempts.failures, self._shift.progressed = 0, True
        self._rows_cap = min(self._gate.job.batch.max_rows, self._rows_cap * 2)
        self._gate.learn(done, before.stripe)
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
