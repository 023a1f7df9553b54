"""What the loop needs from outside: database sessions, a clock, jitter, a recorder of events, and when to stop.

Sessions exist only while they are valid: a job session from the connection to its end, a leaf session while its leaf
is open, lane sessions while their leaf session is. Every method raises ConnectionLost when the connection is gone, and
StatementRefused when the server refuses a statement.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from backfill.events.event import Event
from backfill.events.history.span import HistorySpan
from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.table.batch import (
    BatchRequest,
    Committed,
    OpenedLeaf,
    RejectedRow,
    RowDescription,
    RowRejection,
    RowsRefused,
    TooManyRows,
    Verification,
)
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.leaves import JobStart, Leaf
from backfill.table.row_counts import BatchRange, RowCounts
from backfill.table.sparse_rows import RowAddresses
from backfill.table.stripe_plan import PageProfile
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.signals import Signals, VacuumResult
from backfill.throttle.wait_reason import WaitReason
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import StatementRefused

GiveWay = Callable[[WaitReason | None], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Time in seconds of a monotonic clock, jitter in [0, 1], and a sleep that raises Stopped at once when asked."""

    record: Callable[[Event], None]
    now_s: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]
    jitter: Callable[[], float]

    async def check_stop(self) -> None:
        """Raise what a sleep raises: we were asked to stop, or another lane has failed."""
        await self.sleep(0)


class StatusSession(Protocol):
    """Any session of a job: it writes what `status` shows, and can end the VACUUM that runs alongside."""

    async def save_wait(self, reason: WaitReason | None, replicas_seen: tuple[SeenReplica, ...]) -> None:
        """Save what the job waits for."""

    async def save_history(self, span: HistorySpan) -> None:
        """Add what happened in the last minute to the job's history."""

    async def read_request(self) -> OperatorRequest | None:
        """Read what a person asked of the job last."""

    async def read_time(self) -> datetime:
        """Read the server's clock."""

    async def stop_vacuum(self, why: str) -> VacuumResult | None:
        """End the VACUUM that runs; return how the last one ended, None if there was none."""

    async def save_vacuum(self, text: str) -> None:
        """Save how a VACUUM ended among the events."""


class JobSession(StatusSession, Protocol):
    """The session that holds the job's locks."""

    async def try_lock(self) -> str | None:
        """Take the job's lock; return who holds it instead, or None when it is ours."""

    async def begin(self, *, again: bool = False) -> JobStart:
        """Mark the job as running; return what earlier workers knew and did. Only the lock's holder may call it.

        `again`: only rejected rows are retried, so leaves that are done stay so; the job must be known.
        """

    async def install_sync_trigger(
        self, record: Callable[[Event], None], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Make the trigger of `sync: trigger` wherever it is missing; waits for its lock, and records for whom."""

    async def remove_sync_trigger(
        self, record: Callable[[Event], None], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Remove the trigger of `sync: trigger`, of a job that was cancelled; it does nothing from the beginning on."""

    async def leaves(self) -> tuple[Leaf, ...]:
        """Return the tables to fill, in order: the job's own, its partitions or children, as they are now."""

    async def try_leaf(self, leaf: str) -> str | None:
        """Take the lock of a leaf that is not the job's own table; return who holds it instead."""

    async def release_leaf(self, leaf: str) -> None:
        """Give the lock of a leaf back."""

    def open_leaf(self, leaf: str) -> AbstractAsyncContextManager[LeafSession]:
        """Claim the checkpoints of a leaf, or write the first ones, one for each lane.

        Entering it raises LeafDropped if the leaf no longer belongs to the job's table.
        """

    async def withdraw(self, start: JobStart) -> None:
        """Delete what `begin` wrote, of a job that was new and changed no row; and the schema if it was new, too."""

    async def save_end(self, finished: Finished) -> None:
        """Save how this run ended."""


class LeafSession(StatusSession, Protocol):
    """A leaf whose checkpoints are ours. LeafDropped is raised instead of TableRewritten if it is one no longer."""

    @property
    def opened(self) -> OpenedLeaf:
        """Return the checkpoints and the table as they were when the leaf was opened."""

    async def lanes(self, count: int) -> tuple[LaneSession, ...]:
        """Return the sessions of the first lanes; lane 0 is on the connection that holds the job's locks."""

    async def reopen(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[tuple[Checkpoint, ...], str]:
        """Start the pass again on a table that was rewritten; return the checkpoints, and why."""

    async def new_pass(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        """Return the next pass, up to the table's present end."""

    def disable_prediction(self) -> bool:
        """Stop asking of a row what the UPDATE would make of it, in any lane; return whether that was asked."""

    async def verify(self, pass_number: int, give_way: GiveWay) -> Verification:
        """Read the whole leaf once, after a pass; forget rejected rows that it did not meet or that no longer match.

        `give_way` waits a moment while others need the lock of the read; without a reason it looks for a stop. Raises
        ProofInterrupted when a person pauses or cancels the job meanwhile.
        """

    async def save_proof(self, proof: Verification) -> None:
        """Save how the leaf ended, so that no other worker fills it again."""

    async def read_rejected(self) -> tuple[RejectedRow, ...]:
        """Return the rejected rows of the leaf."""

    async def find_rejected(self, row: RejectedRow) -> Tid | None:
        """Return where a rejected row is now; None if it is gone or no longer matches `where`."""

    async def forget_rejected(self, checkpoint: Checkpoint, row: RejectedRow) -> None:
        """Remove the row from backfill.rejected."""

    async def keep_rejected(self, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused) -> None:
        """Keep a row that was refused again, with the message of this time."""


class LaneSession(StatusSession, Protocol):
    """One database session of a job, for one lane of the leaf that is open."""

    async def read_signals(self) -> Signals:
        """Read everything that our WAL can hurt."""

    async def apply_limits(self, job: Job) -> None:
        """Keep the limits of this job, which is ours under other limits, in every lane from its next reading on."""

    async def read_page_profile(self, checkpoint: Checkpoint) -> PageProfile | None:
        """Read the first pages of the window; None if no row there matches."""

    async def count_rows(self, checkpoint: Checkpoint, rows: int, pages: int) -> RowCounts:
        """Count matching rows from the position on, in slices that hold at most `rows`, over at most `pages`."""

    async def find_rows(self, checkpoint: Checkpoint, pages: int) -> RowAddresses:
        """Find the matching rows from the position on, in at most `pages` of the lane's own pages."""

    async def read_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> RowAddresses:
        """Find the rows of a batch, or the first of very many."""

    def disable_prediction(self) -> bool:
        """Stop asking of a row what the UPDATE would make of it, in any lane; return whether that was asked."""

    @property
    def rows_at_once(self) -> int:
        """Rows that a function of the job maps in good time; as many as a batch may have if there is no function."""

    async def map_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> BatchRange:
        """Have the values of a batch's rows ready before the batch is admitted, if a function makes them.

        Return the batch, or its first part if the values of all would take too much memory.
        """

    async def run_batch(
        self, request: BatchRequest, attribute_wal: Callable[[int], int]
    ) -> Committed | TooManyRows | RowsRefused:
        """Run one batch and its checkpoint in one transaction; raises Superseded, TableRewritten, WhereStaysTrue.

        `attribute_wal` turns the primary's position behind the UPDATE into the WAL bytes that are the batch's own.
        """

    async def describe(self, tid: Tid, *, values: bool) -> RowDescription | None:
        """Return a row's key, and with `values` what it would be set to; None if the row is gone."""

    async def reject_row(
        self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused
    ) -> RowRejection:
        """Record the one row of a batch as rejected and move the checkpoint behind it, in one transaction.

        Raises as `run_batch`, and Halted if more rows are rejected than the job allows.
        """

    async def save_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        """Write a checkpoint without a batch, for stretches in which no row matched; raises as `run_batch`."""

    async def start_vacuum(self, cost: VacuumCost) -> None:
        """Begin a VACUUM of the leaf alongside all sessions; how it ends comes with a later reading."""
