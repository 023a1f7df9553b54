"""The present state of one job: what /status.json shows, the gauges and the page.

A reading lives only while somebody reads: without the lock, the connection or a running job there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from backfill.events.job import RetryScheduled, Started
from backfill.events.leaf import LeafStarted
from backfill.events.throttle import SignalsRead, ThrottleDecision
from backfill.events.vacuum import VacuumDone
from backfill.observe.row_rate import RowRate
from backfill.table.estimate.time_left import TimeLeft, time_left_now


class State(StrEnum):
    """What a worker is doing; the last six are final."""

    WAITING_LOCK = "waiting_lock"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    STOPPING = "stopping"
    DONE = "done"
    UNCONVERGED = "unconverged"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    HALTED = "halted"
    FAILED = "failed"


ENDED = frozenset({State.DONE, State.UNCONVERGED, State.STOPPED, State.CANCELLED, State.HALTED, State.FAILED})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """One job as its worker last reported it; `why` is the current wait, or how the job ended.

    `lock_held` is None until the database has answered; a worker that waits for the lock knows that it has none.
    `queued` is whether a daemon has not started it yet, because another job comes first.
    `failures` are failed attempts in a row, by lane. `rows_rejected` counts all leaves.
    """

    job: str
    started_s: float
    updated_s: float
    rate: RowRate
    state: State = State.RUNNING
    why: str = ""
    lock_held: bool | None = None
    verifying: bool = False
    queued: bool = False
    begun: Started | None = None
    reading: SignalsRead | None = None
    error: RetryScheduled | None = None
    error_s: float = 0.0
    pass_number: int = 0
    progress_ratio: float = 0.0
    estimate: TimeLeft | None = None
    estimated_s: float = 0.0
    rows_total: int = 0
    batch_rows: int = 0
    rows_unconverged: int = 0
    rows_unconverged_in_pass: int = 0
    rows_unconverged_before: int = 0
    rows_rejected: int = 0
    rows_rejected_before: int = 0
    failures: Mapping[int, int] = field(default_factory=dict)
    leaf: LeafStarted | None = None
    leaves_done: int = 0
    hot: tuple[tuple[int, int], ...] = ()
    tuned: tuple[str, ...] = ()
    layout: str = ""
    vacuuming: bool = False
    vacuumed: VacuumDone | None = None
    vacuumed_s: float = 0.0
    vacuum_not_permitted: str = ""
    compression: str | None = None
    decisions: tuple[tuple[float, ThrottleDecision], ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self.state in ENDED

    def time_left(self, now_s: float) -> TimeLeft | None:
        """Return how long the job will still fill; None if that is unknown, or it does not work now."""
        standing = self.ended or self.verifying or self.state in {State.PAUSED, State.STOPPING, State.WAITING_LOCK}
        return time_left_now(self.estimate, now_s - self.estimated_s, standing=standing)

    @property
    def failures_in_a_row(self) -> int:
        """Failed attempts since the last success, of the lane with the most."""
        return max(self.failures.values(), default=0)

    @property
    def hot_update_ratio(self) -> float | None:
        """The share of HOT updates in the last batches; None before the first row."""
        rows = sum(rows for _, rows in self.hot)
        return sum(hot for hot, _ in self.hot) / rows if rows else None


def begin(job: str, now_s: float) -> JobStatus:
    """Return the state of a job about which nothing is known yet."""
    return JobStatus(job=job, started_s=now_s, updated_s=now_s, rate=RowRate(now_s, now_s))
