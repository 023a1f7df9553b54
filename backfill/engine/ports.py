"""What the loop needs from outside: database sessions, a clock, jitter, a recorder of events, and when to stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.table.batch import (
    BatchRequest,
    BatchResult,
    OpenedLeaf,
    RejectedRow,
    RowDescription,
    RowSetAside,
    RowsRefused,
    TooManyRows,
    Verification,
)
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.leaves import JobStart, Leaf
from backfill.table.row_counts import BatchRange, RowCounts
from backfill.table.sparse_rows import RowAddresses
from backfill.table.stripe_plan import PageProfile
from backfill.throttle.signals import Signals, VacuumResult
from backfill.throttle.wait_reason import WaitReason
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import StatementRefused


@dataclass(frozen=True, slots=True)
class Runtime:
    """Time in seconds of a monotonic clock, jitter in [0, 1], and a sleep that raises Stopped at once when asked."""

    record: Callable[[Event], None]
    now_s: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]

    async def check_stop(self) -> None:
        """Raise what a sleep raises: we were asked to stop, or another lane has failed."""
        await self.sleep(0)


GiveWay = Callable[[WaitReason | None], Awaitable[None]]


class LaneSession(Protocol):
    """One database session of a job, for one lane. Every method raises Lost when the session is gone, else Refused."""

    async def read_signals(self) -> Signals:
        """Read everything that our WAL can hurt."""

    async def read_page_profile(self, checkpoint: Checkpoint) -> PageProfile | None:
        """Look at the first pages of the scan's window; None where no row there is due."""

    async def count_rows(self, checkpoint: Checkpoint, rows: int, pages: int) -> RowCounts:
        """Count matching rows from the scan's place on, in slices that hold at most `rows`, of so many pages."""

    async def find_rows(self, checkpoint: Checkpoint, pages: int) -> RowAddresses:
        """Find the rows to do from the scan's place on, in at most so many pages of the lane's own."""

    async def read_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> RowAddresses:
        """Find the rows of a batch, or the first of very many."""

    def disable_prediction(self) -> bool:
        """Ask no more of a row what the UPDATE would make of it, on this leaf; return whether that was asked."""

    @property
    def rows_at_once(self) -> int:
        """Rows that a function of the job maps in good time; as many as a batch may have where it has none."""

    async def map_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> None:
        """Have the values of a batch's rows ready, where a function makes them: before it is let through."""

    async def run_batch(
        self, request: BatchRequest, attribute_wal: Callable[[int], int]
    ) -> BatchResult | TooManyRows | RowsRefused:
        """Run one batch and its checkpoint in one transaction; raises Superseded, Rewritten, Diverges.

        `attribute_wal` turns the primary's position behind the UPDATE into the WAL bytes that are the batch's own.
        """

    async def describe(self, tid: Tid, *, values: bool) -> RowDescription | None:
        """Return a row's key, and with `values` what it would be set to; None where there is no row any more."""

    async def reject_row(self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused) -> RowSetAside:
        """Set the one row of a batch aside and move the checkpoint behind it, in one transaction.

        Raises as `run_batch`, and Halted where more rows are set aside than the job allows.
        """

    async def save_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        """Write a checkpoint without a batch, for stretches that had nothing to do; raises as `run_batch`."""

    async def save_wait(self, reason: WaitReason | None, replicas_seen: frozenset[str]) -> None:
        """Tell `status` what the job waits for."""

    async def apply_limits(self, job: Job) -> None:
        """Let the statements to come keep the limits of this job, which is ours under other limits."""

    async def start_vacuum(self, cost: VacuumCost) -> None:
        """Begin a VACUUM of the table beside all sessions; how it ends comes with a later reading."""

    async def stop_vacuum(self, why: str) -> VacuumResult | None:
        """End the VACUUM that runs; return how the last one ended, None where there was none."""

    async def save_vacuum(self, text: str) -> None:
        """Keep among the events how a VACUUM ended."""


class JobSession(LaneSession, Protocol):
    """The session that holds the job's locks: lane 0, and what is done once for all lanes."""

    async def try_lock(self) -> str | None:
        """Take the job's lock; return who holds it instead, or None when it is ours."""

    async def begin(self, *, again: bool = False) -> JobStart:
        """Mark the job as running; return what earlier workers knew and did. Only the lock's holder may call it.

        `again`: only rows that were set aside are tried, so leaves that are done stay so; the job must be known.
        """

    async def leaves(self) -> tuple[Leaf, ...]:
        """Return the tables to fill, in order: the job's own, its partitions or children, as they are now."""

    async def try_leaf(self, leaf: str) -> str | None:
        """Take the lock of a leaf that is not the job's own table; return who holds it instead."""

    async def open(self, leaf: str) -> OpenedLeaf:
        """Claim the checkpoints of a leaf, or write the first ones, one for each lane. From here on LeafGone is raised
        instead of Rewritten where it belongs to the job's table no more.
        """

    async def close_leaf(self, leaf: str, proof: Verification | None) -> None:
        """Keep how a leaf ended, if it is done, so that no other worker does it again; give its lock back."""

    async def sessions(self, count: int) -> tuple[LaneSession, ...]:
        """Return so many sessions on the leaf that is open, this one first."""

    async def reopen(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[tuple[Checkpoint, ...], str]:
        """Start the pass again on a table that was rewritten; return the places, and why."""

    async def new_pass(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        """Return the next pass, up to the table's present end."""

    async def verify(self, pass_number: int, give_way: GiveWay) -> Verification:
        """Read the whole leaf once, behind a pass; rows that it did not meet, or that match no more, are forgotten.

        `give_way` waits a moment while others need the lock of the read; without a reason it looks for a stop.
        """

    async def read_rejected(self) -> tuple[RejectedRow, ...]:
        """Return the rows of the leaf that are set aside."""

    async def find_rejected(self, row: RejectedRow) -> Tid | None:
        """Return where such a row is now; None where it is gone or matches `where` no more."""

    async def forget_rejected(self, checkpoint: Checkpoint, row: RejectedRow) -> None:
        """Set such a row aside no more."""

    async def keep_rejected(self, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused) -> None:
        """Keep such a row that was refused again, with what was said this time."""


class RunSession(JobSession, Protocol):
    """A session that can also write how a run ended, or that there was none."""

    async def withdraw(self, start: JobStart) -> None:
        """Delete what `begin` wrote, of a job that was new and changed no row; and the schema if it was new, too."""

    async def save_end(self, finished: Finished) -> None:
        """Write how this run ended."""
