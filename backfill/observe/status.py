"""The present state of one job, folded from its events: what /status.json tells and the gauges show.

`fold(status, event, now_s)` is pure; `now_s` is any clock that does not jump, the same for every call.
A reading lives only while someone reads: without the lock, the connection or a running job there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import assert_never

from backfill.events.batch import BatchDone, BatchRefused, CompressionChanged, LayoutChanged, RowRejected, RowRetried
from backfill.events.event import Event
from backfill.events.job import (
    Finished,
    LockTaken,
    LockWaiting,
    PassDone,
    PassRestarted,
    RetryScheduled,
    Started,
    Stopping,
    VerificationRestarted,
    Verified,
)
from backfill.events.leaf import LeafDone, LeafRemoved, LeafStarted
from backfill.events.throttle import LimitsChanged, NoReplicas, SignalsRead, ThrottleDecision, WaitStarted
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.observe.row_rate import RowRate
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind
from backfill.values.units import format_duration

HOT_BATCHES = 64
DECISIONS_KEPT = 50


class State(StrEnum):
    """What a worker is doing; the last five are its last word."""

    WAITING_LOCK = "waiting_lock"
    RUNNING = "running"
    WAITING = "waiting"
    STOPPING = "stopping"
    DONE = "done"
    UNCONVERGED = "unconverged"
    STOPPED = "stopped"
    HALTED = "halted"
    FAILED = "failed"


ENDED = frozenset({State.DONE, State.UNCONVERGED, State.STOPPED, State.HALTED, State.FAILED})


@dataclass(frozen=True, slots=True)
class Status:
    """One job as its worker last told it; `why` is the present wait, or the last word.

    `lock_held` is None until the database answered: a worker that waits for the lock knows that it has none. `failures`
    are attempts that failed in a row, by lane; `rows_rejected` are set aside, of all leaves.
    """

    job: str
    started_s: float
    updated_s: float
    rate: RowRate
    state: State = State.RUNNING
    why: str = ""
    lock_held: bool | None = None
    verifying: bool = False
    begun: Started | None = None
    reading: SignalsRead | None = None
    error: RetryScheduled | None = None
    error_s: float = 0.0
    pass_number: int = 0
    progress_ratio: float = 0.0
    eta_s: float | None = None
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
    vacuum_supervisor: bool = False
    vacuumed: VacuumDone | None = None
    vacuumed_s: float = 0.0
    vacuum_unable: str = ""
    compression: str | None = None
    decisions: tuple[tuple[float, ThrottleDecision], ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the worker has said its last word."""
        return self.state in ENDED

    @property
    def failures_in_a_row(self) -> int:
        """Attempts that failed since the last one that did not, of the lane with the most."""
        return max(self.failures.values(), default=0)

    @property
    def hot_update_ratio(self) -> float | None:
        """The share of HOT updates in the last batches; None before the first row."""
        rows = sum(rows for _, rows in self.hot)
        return sum(hot for hot, _ in self.hot) / rows if rows else None


def begin(job: str, now_s: float) -> Status:
    """Return the state of a job of which nothing was told yet."""
    return Status(job=job, started_s=now_s, updated_s=now_s, rate=RowRate(now_s, now_s))


def fold(status: Status, event: Event, now_s: float) -> Status:  # noqa: C901, PLR0911, PLR0912 - one arm an event
    """Return the state after the event."""
    verifying = status.verifying and isinstance(event, VacuumDone)  # it is ended just before the read begins
    status = replace(status, updated_s=now_s, verifying=verifying)
    match event:
        case Started():
            return _started(status, event, now_s)
        case LockWaiting(holder=holder, waited_s=waited_s):
            why = f"{holder}, waited {format_duration(waited_s)}"
            held = event.leaf is not None  # the job's lock is ours, that of its next leaf is not
            return replace(status, state=State.WAITING_LOCK, why=why, lock_held=held, reading=None)
        case LockTaken():
            return replace(status, state=State.RUNNING, why="", lock_held=True)
        case SignalsRead():
            return replace(status, reading=event)
        case ThrottleDecision():
            return replace(status, decisions=(*status.decisions, (now_s, event))[-DECISIONS_KEPT:])
        case LimitsChanged():
            return _tuned(status, event)
        case LayoutChanged(why=why):
            return replace(status, layout=why)
        case CompressionChanged(method=method):
            return replace(status, compression=method)
        case WaitStarted():
            return _waited(status, event)
        case BatchDone():
            return _batch(status, event, now_s)
        case PassDone(rows=rows):
            # What follows may be one read of the whole table, in which nothing is told and nothing measured.
            why = "" if rows else "reads the whole table to verify it"
            return replace(status, why=why, rows_unconverged_in_pass=0, verifying=True, reading=None)
        case VacuumStarted():
            return replace(status, vacuum_supervisor=True)
        case VacuumDone():
            return replace(status, vacuum_supervisor=False, vacuumed=event, vacuumed_s=now_s)
        case VacuumNotPermitted(why=why):
            return replace(status, vacuum_unable=why)
        case Verified(rows_unconverged=rows, rows_rejected=rejected):
            return replace(
                status,
                failures={},
                rows_unconverged=status.rows_unconverged_before + rows,
                rows_rejected=status.rows_rejected_before + rejected,
            )
        case LeafStarted() | LeafDone() | LeafRemoved():
            return _leaf(status, event)
        case RetryScheduled(lane=lane, attempt=attempt):
            return replace(status, error=event, error_s=now_s, failures={**status.failures, lane: attempt})
        case RowRejected(rows_rejected=rows):
            return replace(status, rows_rejected=rows)
        case VerificationRestarted(why=why):
            return replace(status, why=f"reads the table in pieces to verify it: {why}", verifying=True, reading=None)
        case PassRestarted(why=why):
            return replace(status, why=f"the table was rewritten, the pass starts again: {why}")
        case Stopping(signal=signal):
            return replace(status, state=State.STOPPING, why=f"{signal}: the batch in flight ends, then we do")
        case Finished():
            return _finished(status, event)
        case NoReplicas() | BatchRefused() | RowRetried():
            return status
        case _:
            assert_never(event)


def _started(status: Status, event: Started, now_s: float) -> Status:
    # A worker that found its session again goes on; after a last word, or at first, all begins.
    goes_on = status.begun is not None and not status.ended
    return replace(
        status if goes_on else begin(event.job, now_s),
        state=State.RUNNING,
        why="",
        lock_held=True,
        vacuum_supervisor=False,
        begun=event,
        pass_number=event.pass_number,
        progress_ratio=event.progress_ratio,
        rows_total=event.rows_total,
        rows_rejected=event.rows_rejected,
    )


def _leaf(status: Status, event: LeafStarted | LeafDone | LeafRemoved) -> Status:
    match event:
        case LeafStarted():
            return replace(
                status,
                leaf=event,
                leaves_done=event.number - 1,
                pass_number=event.pass_number,
                progress_ratio=event.progress_ratio,
                rows_unconverged=event.rows_unconverged,
                rows_unconverged_before=event.rows_unconverged,
                rows_unconverged_in_pass=0,
                rows_rejected_before=event.rows_rejected,
            )
        case LeafDone(number=number, rows_unconverged=rows, rows_rejected=rejected):
            return replace(
                status,
                leaves_done=number,
                rows_unconverged=rows,
                rows_unconverged_before=rows,
                rows_rejected=rejected,
                rows_rejected_before=rejected,
            )
        case LeafRemoved(leaf=leaf):
            return replace(status, why=f"{leaf} is gone, the others go on")


def _tuned(status: Status, event: LimitsChanged) -> Status:
    if status.begun is None:
        return status
    return replace(status, begun=event.limits(status.begun), tuned=event.changes)


def _waited(status: Status, event: WaitStarted) -> Status:
    if status.state is State.STOPPING:
        return status
    kind = event.reason.kind
    if kind is WaitKind.LOCK:  # LockWaiting tells it better
        why = status.why if status.state is State.WAITING_LOCK else event.reason.text
        return replace(status, state=State.WAITING_LOCK, why=why, reading=None)
    state = State.RUNNING if kind in PACE_KINDS else State.WAITING
    reading = None if kind is WaitKind.CONNECTION else status.reading
    return replace(status, state=state, why=event.reason.text, reading=reading)


def _batch(status: Status, event: BatchDone, now_s: float) -> Status:
    stopping = status.state is State.STOPPING
    fresh = event.pass_number != status.pass_number
    unconverged = event.rows_unconverged + (0 if fresh else status.rows_unconverged_in_pass)
    return replace(
        status,
        state=status.state if stopping else State.RUNNING,
        why=status.why if stopping else "",
        pass_number=event.pass_number,
        progress_ratio=event.progress_ratio,
        eta_s=event.eta_s,
        rows_total=event.rows_total,
        batch_rows=event.rows,
        failures={lane: count for lane, count in status.failures.items() if lane != event.lane},
        rows_unconverged=max(status.rows_unconverged, status.rows_unconverged_before + unconverged),
        rows_unconverged_in_pass=unconverged,
        hot=(*status.hot, (event.rows_hot, event.rows))[-HOT_BATCHES:],
        rate=status.rate.add(event.rows, now_s),
    )


def _finished(status: Status, event: Finished) -> Status:
    state = State(event.state)
    return replace(
        status,
        state=state,
        why=event.why,
        lock_held=None if status.lock_held is None else False,
        reading=None,
        vacuum_supervisor=False,
        eta_s=None,
        rows_total=event.rows_total,
        rows_unconverged=event.rows_unconverged,
        rows_rejected=event.rows_rejected or status.rows_rejected if state is not State.DONE else 0,
        failures={},
        progress_ratio=1.0 if state in {State.DONE, State.UNCONVERGED} else status.progress_ratio,
    )
