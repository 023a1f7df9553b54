"""How a lane goes through its windows: laid out as each begins, and given up where stripes do not pay."""

from __future__ import annotations

from backfill.engine.admission import AdmissionControl
from backfill.engine.batch_finder import BatchFinder
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import LaneSession
from backfill.events.batch import LayoutChanged
from backfill.events.throttle import WaitStarted
from backfill.table import window_layout
from backfill.table.batch import BatchResult
from backfill.table.checkpoint import Checkpoint, lay_out, skip_to_last_stripe
from backfill.table.sparse_rows import SPARSE_ROWS_MAX
from backfill.table.stripe_plan import PageProfile, later_share, unfilled_share
from backfill.table.window_layout import StripeHistory, TableTraits
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import StatementRefused
from backfill.values.units import format_duration


class WindowPlanner:
    """What one lane has learnt of its windows. Where the layout changes, what was looked at is forgotten."""

    def __init__(
        self, session: LaneSession, shift: LaneGroup, gate: AdmissionControl, heap: TableTraits, looking: BatchFinder
    ) -> None:
        self._session = session
        self._shift = shift
        self._gate = gate
        self._heap = heap
        self._looking = looking
        self._luck = StripeHistory()
        self._shape: PageProfile | None = None
        self._later_rows = self._later_hot = 0
        self._window_rows = self._window_wal_bytes = 0
        self._stripe, self._stripe_began_s = (0, 0), shift.around.now_s()

    def spare_share(self, scan: Checkpoint) -> float:
        """Return how much of the room of rows that leave their pages no later stripe of their window fills."""
        return unfilled_share(self._shape, scan.layout.sizes) if self._shape and scan.stripes > 1 else 1.0

    async def rest(self, scan: Checkpoint) -> None:
        """Where a stripe begins, let the last one's old versions be prunable first, if that takes but a moment."""
        if scan.stripe == 0 or not scan.stripe_untouched or self._stripe == (scan.window_start, scan.stripe):
            return
        now_s, snapshots_s = self._shift.around.now_s(), self._gate.snapshots_s
        took_s, self._stripe_began_s = now_s - self._stripe_began_s, now_s
        self._stripe = (scan.window_start, scan.stripe)
        rest_s = window_layout.rest_s(took_s, snapshots_s)
        if rest_s > 0:
            reach = format_duration(window_layout.SNAPSHOT_REACH * snapshots_s)
            over = f"{reach} > {format_duration(took_s)} since the last stripe"
            reason = WaitReason(WaitKind.REST, f"snapshots reach back {over}")
            self._shift.around.record(WaitStarted(self._gate.job.name, reason, rest_s))
            await self._shift.around.sleep(rest_s)
            self._stripe_began_s += rest_s

    async def lay_out(self, scan: Checkpoint) -> Checkpoint:
        """Decide about the window that begins here; where rows are few there is nothing to decide."""
        gate, looking = self._gate, self._looking
        if scan.pass_number > 1 or looking.sparse or not scan.window_untouched or looking.laid_out == scan.window_start:
            return scan
        looking.laid_out = scan.window_start
        self._stripe_began_s = self._shift.around.now_s()
        self._later_rows = self._later_hot = 0
        row_wal_bytes = gate.pace.cost.wal_bytes(0)
        if self._window_rows:  # a whole window's: its first stripe is dear and its last ones are cheap
            row_wal_bytes = self._window_wal_bytes / self._window_rows
        self._window_rows = self._window_wal_bytes = 0
        try:
            shape = await self._session.read_shape(scan)
            self._shape = shape or self._shape
        except StatementRefused:  # an expression fails on one of these rows: the batch that has it will say so
            looking.sparse = False
            return scan
        wanted = gate.job.batch.stripes
        chosen = window_layout.choose_layout(
            self._heap,
            shape,
            self._luck,
            scan.layout,
            stripes=None if wanted == "auto" else wanted,
            row_wal_bytes=row_wal_bytes,
            wal_rate_bytes_s=gate.pace.wal_rate_bytes_s,
            outlast_rows=gate.outlast_rows(scan.lanes),
        )
        self._luck = window_layout.after_plain_window(self._luck)
        if chosen != scan.layout:
            scan = self._changed(lay_out(scan, chosen))
        looking.sparse = scan.stripes == 1 and (shape is None or shape.due <= SPARSE_ROWS_MAX)
        return scan

    def judge(self, before: Checkpoint, scan: Checkpoint, done: BatchResult) -> Checkpoint:
        """Return the place behind a batch; take the rest of the window at once where stripes do not pay."""
        self._window_rows += done.rows
        self._window_wal_bytes += done.wal_bytes
        if before.stripe == 0 or before.stripes == 1 or self._gate.job.batch.stripes != "auto":
            return scan
        self._later_rows, self._later_hot = self._later_rows + done.rows, self._later_hot + done.rows_hot
        if scan.stripe == before.stripe:  # a stripe as a whole tells: its start alone may meet a short snapshot
            return scan
        pages, rows, hot = before.window_end - before.window_start, self._later_rows, self._later_hot
        expected = later_share(self._shape, before.layout.sizes, before.stripe) if self._shape else 0.0
        if window_layout.hot_as_expected(pages, rows, hot, expected) is not False:
            return scan
        paid = window_layout.worth_it(pages, rows, hot, expected) or False
        upkeep = self._gate.upkeep
        why = window_layout.explain_low_hot(rows, hot, upkeep.oldest_snapshot_s, upkeep.oldest_snapshot)
        if before.stripe == 1:  # once a window
            self._luck = window_layout.learn(self._luck, pages, paid=paid, why=why)
        if not paid and scan.window_start == before.window_start and not scan.last_stripe:
            scan = self._changed(skip_to_last_stripe(scan, f"plain: {why}"))
        return scan

    def _changed(self, scan: Checkpoint) -> Checkpoint:
        chosen = scan.layout
        self._looking.forget_counts()
        told = LayoutChanged(self._gate.job.name, scan.lane, chosen.sizes, chosen.window_pages, chosen.why)
        self._shift.around.record(told)
        return scan
