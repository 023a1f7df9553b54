"""Plans how a lane goes through its windows: each is laid out when it begins, and given up if stripes do not pay."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.engine.admission.limits import JobLimits
from backfill.engine.ports import LaneSession, Runtime
from backfill.events.batch import LayoutChanged
from backfill.events.throttle import WaitStarted
from backfill.table import window_layout
from backfill.table.batch import Committed
from backfill.table.checkpoint import Checkpoint, lay_out, skip_to_last_stripe
from backfill.table.snapshot_ages import SnapshotAges
from backfill.table.sparse_rows import SPARSE_ROWS_MAX
from backfill.table.stripe_plan import PageProfile, later_share, unfilled_share
from backfill.table.window_layout import TableTraits
from backfill.table.window_state import Density, WindowState
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import StatementRefused
from backfill.values.units import format_duration


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """Where a lane goes on, and what is known of the window there."""

    checkpoint: Checkpoint
    window: WindowState


class WindowPlanner:
    """What one lane has learned of its windows."""

    def __init__(self, session: LaneSession, runtime: Runtime, limits: JobLimits, traits: TableTraits) -> None:
        self._session = session
        self._runtime = runtime
        self._limits = limits
        self._traits = traits
        self._profile: PageProfile | None = None
        self._later_rows = self._later_hot = 0
        self._window_rows = self._window_wal_bytes = 0
        self._stripe, self._stripe_began_s = (0, 0), runtime.now_s()

    def unfilled_share(self, checkpoint: Checkpoint) -> float:
        """Return how much of the room of rows that leave their pages no later stripe of their window fills."""
        if self._profile is None or checkpoint.stripes == 1:
            return 1.0
        return unfilled_share(self._profile, checkpoint.layout.sizes)

    async def wait_for_pruning(self, checkpoint: Checkpoint, snapshots: SnapshotAges) -> None:
        """Before starting a stripe, wait briefly until the previous stripe's dead tuples can be pruned."""
        stripe = (checkpoint.window_start, checkpoint.stripe)
        if checkpoint.stripe == 0 or not checkpoint.stripe_untouched or self._stripe == stripe:
            return
        now_s = self._runtime.now_s()
        took_s, self._stripe_began_s, self._stripe = now_s - self._stripe_began_s, now_s, stripe
        wait_s = window_layout.rest_s(took_s, snapshots.oldest_s)
        if wait_s > 0:
            reach = format_duration(window_layout.SNAPSHOT_REACH * snapshots.oldest_s)
            reason = f"snapshots reach back {reach} > {format_duration(took_s)} since the last stripe"
            self._runtime.record(WaitStarted(self._limits.job.name, WaitReason(WaitKind.REST, reason), wait_s))
            await self._runtime.sleep(wait_s)
            self._stripe_began_s += wait_s

    async def plan(
        self, checkpoint: Checkpoint, window: WindowState, throttle_state: ThrottleState, snapshots: SnapshotAges
    ) -> WindowPlan:
        """Lay out the window that begins here; while rows are few there is nothing to decide."""
        if (
            checkpoint.pass_number > 1
            or window.density is Density.SPARSE
            or not checkpoint.window_untouched
            or window.start == checkpoint.window_start
        ):
            return WindowPlan(checkpoint, window)
        window = replace(window, start=checkpoint.window_start)
        row_wal_bytes = self._begin_window(throttle_state)
        try:
            profile = await self._session.read_page_profile(checkpoint)
        except StatementRefused:  # an expression fails on one of these rows: the batch that has it will say so
            return WindowPlan(checkpoint, replace(window, density=Density.DENSE))
        self._profile = profile or self._profile
        batch = self._limits.job.batch
        layout = window_layout.choose_layout(
            self._traits,
            profile,
            checkpoint.history,
            checkpoint.layout,
            stripes=None if batch.stripes == "auto" else batch.stripes,
            row_wal_bytes=row_wal_bytes,
            wal_rate_bytes_s=throttle_state.wal_rate_bytes_s,
            outlast_rows=window_layout.outlast_rows(
                throttle_state.cost.row_s, snapshots.oldest_s, batch.max_rows if checkpoint.lanes > 1 else 0
            ),
        )
        history = window_layout.after_plain_window(checkpoint.history)
        if history != checkpoint.history:
            checkpoint = replace(checkpoint, history=history)
        if layout != checkpoint.layout:
            checkpoint = self._record_change(lay_out(checkpoint, layout))
        sparse = checkpoint.stripes == 1 and (profile is None or profile.due <= SPARSE_ROWS_MAX)
        return WindowPlan(checkpoint, replace(window, density=Density.SPARSE if sparse else Density.DENSE))

    def review(
        self, before: Checkpoint, checkpoint: Checkpoint, batch: Committed, snapshots: SnapshotAges
    ) -> Checkpoint:
        """Return the position after a batch; skip to the last stripe of the window if stripes do not pay."""
        self._window_rows += batch.rows
        self._window_wal_bytes += batch.wal_bytes
        if before.stripe == 0 or before.stripes == 1 or self._limits.job.batch.stripes != "auto":
            return checkpoint
        self._later_rows, self._later_hot = self._later_rows + batch.rows, self._later_hot + batch.rows_hot
        if checkpoint.stripe == before.stripe:  # a whole stripe counts: its start alone may meet a short snapshot
            return checkpoint
        pages, rows, hot = before.window_end - before.window_start, self._later_rows, self._later_hot
        expected = later_share(self._profile, before.layout.sizes, before.stripe) if self._profile else 0.0
        if window_layout.hot_as_expected(pages, rows, hot, expected) is not False:
            return checkpoint
        paid = window_layout.worth_it(pages, rows, hot, expected) or False
        upkeep = snapshots.last
        why = window_layout.explain_low_hot(rows, hot, upkeep.oldest_snapshot_s, upkeep.oldest_snapshot)
        never = hot == 0 and bool(self._traits.triggers)
        if never:
            why += f"; BEFORE UPDATE trigger {', '.join(self._traits.triggers)} may change an indexed column"
        if before.stripe == 1:  # once a window
            history = window_layout.learn(checkpoint.history, pages, paid=paid, why=why, never=never)
            checkpoint = replace(checkpoint, history=history)
        if not paid and checkpoint.window_start == before.window_start and not checkpoint.last_stripe:
            checkpoint = self._record_change(skip_to_last_stripe(checkpoint, f"plain: {why}"))
        return checkpoint

    def _begin_window(self, throttle_state: ThrottleState) -> float:
        """Return the WAL of a row in the window before: of all of it, because stripes differ; else of a batch."""
        self._stripe_began_s = self._runtime.now_s()
        row_wal_bytes = throttle_state.cost.wal_bytes(0)
        if self._window_rows:
            row_wal_bytes = self._window_wal_bytes / self._window_rows
        self._later_rows = self._later_hot = self._window_rows = self._window_wal_bytes = 0
        return row_wal_bytes

    def _record_change(self, checkpoint: Checkpoint) -> Checkpoint:
        layout = checkpoint.layout
        self._runtime.record(
            LayoutChanged(
                job=self._limits.job.name,
                lane=checkpoint.lane,
                sizes=layout.sizes,
                window_pages=layout.window_pages,
                why=layout.why,
            )
        )
        return checkpoint
