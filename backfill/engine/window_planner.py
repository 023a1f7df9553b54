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
        self,
        session: LaneSession,
        group: LaneGroup,
        control: AdmissionControl,
        traits: TableTraits,
        finder: BatchFinder,
    ) -> None:
        self._session = session
        self._group = group
        self._control = control
        self._traits = traits
        self._finder = finder
        self._history = StripeHistory()
        self._profile: PageProfile | None = None
        self._later_rows = self._later_hot = 0
        self._window_rows = self._window_wal_bytes = 0
        self._stripe, self._stripe_began_s = (0, 0), group.runtime.now_s()

    def spare_share(self, checkpoint: Checkpoint) -> float:
        """Return how much of the room of rows that leave their pages no later stripe of their window fills."""
        return (
            unfilled_share(self._profile, checkpoint.layout.sizes) if self._profile and checkpoint.stripes > 1 else 1.0
        )

    async def rest(self, checkpoint: Checkpoint) -> None:
        """Where a stripe begins, let the last one's old versions be prunable first, if that takes but a moment."""
        if (
            checkpoint.stripe == 0
            or not checkpoint.stripe_untouched
            or self._stripe == (checkpoint.window_start, checkpoint.stripe)
        ):
            return
        now_s, snapshots_s = self._group.runtime.now_s(), self._control.snapshots_s
        took_s, self._stripe_began_s = now_s - self._stripe_began_s, now_s
        self._stripe = (checkpoint.window_start, checkpoint.stripe)
        rest_s = window_layout.rest_s(took_s, snapshots_s)
        if rest_s > 0:
            reach = format_duration(window_layout.SNAPSHOT_REACH * snapshots_s)
            over = f"{reach} > {format_duration(took_s)} since the last stripe"
            reason = WaitReason(WaitKind.REST, f"snapshots reach back {over}")
            self._group.runtime.record(WaitStarted(self._control.job.name, reason, rest_s))
            await self._group.runtime.sleep(rest_s)
            self._stripe_began_s += rest_s

    async def lay_out(self, checkpoint: Checkpoint) -> Checkpoint:
        """Decide about the window that begins here; where rows are few there is nothing to decide."""
        control, finder = self._control, self._finder
        if (
            checkpoint.pass_number > 1
            or finder.sparse
            or not checkpoint.window_untouched
            or finder.laid_out == checkpoint.window_start
        ):
            return checkpoint
        finder.laid_out = checkpoint.window_start
        self._stripe_began_s = self._group.runtime.now_s()
        self._later_rows = self._later_hot = 0
        row_wal_bytes = control.throttle_state.cost.wal_bytes(0)
        if self._window_rows:  # a whole window's: its first stripe is dear and its last ones are cheap
            row_wal_bytes = self._window_wal_bytes / self._window_rows
        self._window_rows = self._window_wal_bytes = 0
        try:
            profile = await self._session.read_shape(checkpoint)
            self._profile = profile or self._profile
        except StatementRefused:  # an expression fails on one of these rows: the batch that has it will say so
            finder.sparse = False
            return checkpoint
        wanted = control.job.batch.stripes
        chosen = window_layout.choose_layout(
            self._traits,
            profile,
            self._history,
            checkpoint.layout,
            stripes=None if wanted == "auto" else wanted,
            row_wal_bytes=row_wal_bytes,
            wal_rate_bytes_s=control.throttle_state.wal_rate_bytes_s,
            outlast_rows=control.outlast_rows(checkpoint.lanes),
        )
        self._history = window_layout.after_plain_window(self._history)
        if chosen != checkpoint.layout:
            checkpoint = self._changed(lay_out(checkpoint, chosen))
        finder.sparse = checkpoint.stripes == 1 and (profile is None or profile.due <= SPARSE_ROWS_MAX)
        return checkpoint

    def judge(self, before: Checkpoint, checkpoint: Checkpoint, done: BatchResult) -> Checkpoint:
        """Return the place behind a batch; take the rest of the window at once where stripes do not pay."""
        self._window_rows += done.rows
        self._window_wal_bytes += done.wal_bytes
        if before.stripe == 0 or before.stripes == 1 or self._control.job.batch.stripes != "auto":
            return checkpoint
        self._later_rows, self._later_hot = self._later_rows + done.rows, self._later_hot + done.rows_hot
        if checkpoint.stripe == before.stripe:  # a stripe as a whole tells: its start alone may meet a short snapshot
            return checkpoint
        pages, rows, hot = before.window_end - before.window_start, self._later_rows, self._later_hot
        expected = later_share(self._profile, before.layout.sizes, before.stripe) if self._profile else 0.0
        if window_layout.hot_as_expected(pages, rows, hot, expected) is not False:
            return checkpoint
        paid = window_layout.worth_it(pages, rows, hot, expected) or False
        upkeep = self._control.upkeep
        why = window_layout.explain_low_hot(rows, hot, upkeep.oldest_snapshot_s, upkeep.oldest_snapshot)
        if before.stripe == 1:  # once a window
            self._history = window_layout.learn(self._history, pages, paid=paid, why=why)
        if not paid and checkpoint.window_start == before.window_start and not checkpoint.last_stripe:
            checkpoint = self._changed(skip_to_last_stripe(checkpoint, f"plain: {why}"))
        return checkpoint

    def _changed(self, checkpoint: Checkpoint) -> Checkpoint:
        chosen = checkpoint.layout
        self._finder.forget_counts()
        told = LayoutChanged(self._control.job.name, checkpoint.lane, chosen.sizes, chosen.window_pages, chosen.why)
        self._group.runtime.record(told)
        return checkpoint
