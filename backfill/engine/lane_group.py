"""What the lanes of a run share: positions, progress, the trial of the first batch, the end when one of them fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import replace

import anyio

from backfill.engine.ports import Runtime
from backfill.table.batch import Committed
from backfill.table.checkpoint import Checkpoint, progress_ratio
from backfill.table.estimate.progress import PaceHistory
from backfill.table.estimate.rows_ahead import PassRows, share_done
from backfill.table.estimate.stripe_rows import rows_by_stripe, stripe_class
from backfill.table.estimate.time_left import TimeLeft
from backfill.table.leaves import SAMPLES_KEPT, LeafPlace, Totals

SLEEP_SLICE_S = 0.25
"""A lane that sleeps checks this often whether another one has failed."""


class SiblingFailed(Exception):
    """Another lane of the group has failed; this one stops between two steps."""


class LaneGroup:
    """Lanes at work on one pass of one leaf. `elsewhere` is what was done on other leaves."""

    def __init__(self, runtime: Runtime) -> None:
        self._outer = runtime
        self.runtime = replace(runtime, sleep=self._sleep)
        self.checkpoints: tuple[Checkpoint, ...] = ()
        self.samples: tuple[str, ...] = ()
        self.proven = False
        self._trial = anyio.Lock()
        self.progressed = False
        self.leaf_place = LeafPlace()
        self.elsewhere = Totals()
        self._pass_rows: PassRows | None = None
        self.passes = 1
        self._error: Exception | None = None
        self._pace = PaceHistory()
        self.time_left: TimeLeft | None = None

    @property
    def totals(self) -> Totals:
        """What all lanes have done on all leaves."""
        return self.elsewhere.plus(self.checkpoints)

    @property
    def rows_total(self) -> int:
        """Rows of all lanes on all leaves."""
        return self.totals.rows_total

    @property
    def progress_ratio(self) -> float:
        """Share of the matching rows of all leaves that is done; of their pages if the rows are not estimated."""
        share = share_done(self.rows_total, self.checkpoints) if self._pass_rows else None
        return self.leaf_place.progress_ratio(self.checkpoints) if share is None else share

    def start_leaf(self, leaf_place: LeafPlace, checkpoints: tuple[Checkpoint, ...]) -> None:
        """Go to another leaf, with the positions that its lanes have reached."""
        self.elsewhere = self.totals.minus(checkpoints)
        self.leaf_place = leaf_place
        self._pass_rows = None
        if leaf_place.known is not None and leaf_place.rows_after is not None:
            self._pass_rows = PassRows(leaf_place.known, checkpoints, leaf_place.rows_after)
        self.move(checkpoints)

    def start_pass(self, checkpoints: tuple[Checkpoint, ...], rows: int | None = None) -> None:
        """Go to the next pass, or to a table that was rewritten: `rows`, or all that were ahead, may lie anywhere."""
        if self._pass_rows is not None:
            left = rows if rows is not None else sum(checkpoint.rows_ahead or 0 for checkpoint in self.checkpoints)
            self._pass_rows = self._pass_rows.next_pass(checkpoints, left)
        self.move(checkpoints)

    def with_rows_ahead(self, checkpoint: Checkpoint, reached: Checkpoint) -> Checkpoint:
        """Return a position with the rows that will be ahead of it when it has reached another one."""
        if self._pass_rows is None:
            return replace(checkpoint, rows_ahead=None)
        return replace(checkpoint, rows_ahead=self._pass_rows.at(reached).rows_ahead)

    def move(self, checkpoints: tuple[Checkpoint, ...]) -> None:
        """Keep where all lanes are now."""
        self.checkpoints = tuple(self.with_rows_ahead(claimed, claimed) for claimed in checkpoints)
        self.passes = max(self.passes, *(checkpoint.pass_number for checkpoint in checkpoints))

    def update(self, checkpoint: Checkpoint) -> None:
        """Keep where a lane is now."""
        checkpoint = self.with_rows_ahead(checkpoint, checkpoint)
        self.checkpoints = tuple(checkpoint if kept.lane == checkpoint.lane else kept for kept in self.checkpoints)

    def on_committed(self, batch: Committed, *, proves: bool) -> None:
        """Keep where a batch has moved its lane; one that `proves` was large enough to be the job's trial."""
        self.update(batch.checkpoint)
        self.samples = (*self.samples, *batch.samples)[:SAMPLES_KEPT]
        self.proven = self.proven or (proves and batch.rows > 0)
        self.progressed = True

    def trial(self) -> AbstractAsyncContextManager[None]:
        """Let one lane at a time run a batch until one of them has proven the job."""
        return nullcontext() if self.proven else self._trial

    def time_left_after(self, before: Checkpoint, paused_s: float) -> TimeLeft | None:
        """Return how long the job will still fill, after the batch of a lane that was at `before`.

        In `paused_s` of the run nobody was to work.
        """
        here, after = self._rows_ahead()
        self._pace = self._pace.after(self._outer.now_s() - paused_s, here + after, stripe_class(before))
        ahead = rows_by_stripe(self.checkpoints, here, after)
        self.time_left = self._pace.time_left(ahead, self.progress_ratio)
        return self.time_left

    def _rows_ahead(self) -> tuple[float, float]:
        """Return the rows ahead on this leaf and on those to come; pages if the rows are not estimated."""
        if self._pass_rows is not None:
            rows = sum(checkpoint.rows_ahead or 0 for checkpoint in self.checkpoints)
            return max(0.0, rows - self._pass_rows.after), self._pass_rows.after
        place = self.leaf_place
        pages = max(1, place.pages, *(checkpoint.end_page for checkpoint in self.checkpoints))
        after = max(0, place.pages_total - place.pages_before - pages) if place.count > 1 else 0
        return (1 - progress_ratio(self.checkpoints)) * pages, float(after)

    async def run(self, lanes: list[Callable[[], Awaitable[None]]]) -> None:
        """Run lanes to the end of their pass; when one fails the others stop between two steps, and it is raised."""
        self._error = None
        if len(lanes) == 1:
            await lanes[0]()
            return
        async with anyio.create_task_group() as tasks:
            for lane in lanes:
                tasks.start_soon(self._until_failed, lane)
        if self._error is not None:
            raise self._error

    async def _until_failed(self, lane: Callable[[], Awaitable[None]]) -> None:
        try:
            await lane()
        except SiblingFailed:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised once all lanes have stopped
            self._error = self._error or error

    async def _sleep(self, delay_s: float) -> None:
        """Sleep as the runtime does; raise SiblingFailed when another lane has failed."""
        while True:
            if self._error is not None:
                raise SiblingFailed
            slept_s = min(delay_s, SLEEP_SLICE_S)
            await self._outer.sleep(slept_s)
            delay_s -= slept_s
            if delay_s <= 0:
                return
