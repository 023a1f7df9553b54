"""Events into the state of a job: `fold(status, event, now_s)` is pure; `now_s` is any clock that does not jump."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from backfill.events.batch import BatchDone, BatchRefused, CompressionChanged, LayoutChanged, RowRejected, RowRetried
from backfill.events.ddl import DdlDone, DdlLockFailed, DdlProgress, DdlWaiting
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
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.events.throttle import LimitsChanged, NoReplicas, SignalsRead, ThrottleDecision, WaitStarted
from backfill.events.vacuum import VacuumDone, VacuumNotPermitted, VacuumStarted
from backfill.observe.status import JobStatus, State, begin
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind
from backfill.values.units import format_duration

HOT_BATCHES = 64
DECISIONS_KEPT = 50
DDL_LANE = -1
"""Under which failures of DDL are counted: it belongs to no lane."""


def fold(status: JobStatus, event: Event, now_s: float) -> JobStatus:  # noqa: C901, PLR0911, PLR0912 - one arm an event
    """Return the state after the event."""
    verifying = status.verifying and isinstance(event, VacuumDone)  # a vacuum ends just before the read begins
    status = replace(status, updated_s=now_s, verifying=verifying, queued=False)
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
            return _limits_changed(status, event)
        case LayoutChanged(why=why):
            return replace(status, layout=why)
        case CompressionChanged(method=method):
            return replace(status, compression=method)
        case WaitStarted():
            return _wait_started(status, event)
        case BatchDone():
            return _batch(status, event, now_s)
        case PassDone(rows=rows):
            # One read of the whole table may follow, during which there are no events and no readings.
            why = "" if rows else "reading the whole table to verify it"
            return replace(status, why=why, rows_unconverged_in_pass=0, verifying=True, reading=None)
        case VacuumStarted():
            return replace(status, vacuuming=True)
        case VacuumDone():
            return replace(status, vacuuming=False, vacuumed=event, vacuumed_s=now_s)
        case VacuumNotPermitted(why=why):
            return replace(status, vacuum_not_permitted=why)
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
            reading_pieces = f"reading the table in pieces to verify it: {why}"
            return replace(status, why=reading_pieces, verifying=True, reading=None)
        case PassRestarted(why=why):
            return replace(status, why=f"the table was rewritten, the pass starts over: {why}")
        case Stopping(signal=signal):
            return replace(
                status, state=State.STOPPING, why=f"{signal} received: finishing the current batch, then exiting"
            )
        case Finished():
            return _finished(status, event)
        case DdlWaiting() | DdlLockFailed() | DdlProgress() | DdlDone():
            return _ddl(status, event)
        case NoReplicas() | BatchRefused() | RowRetried() | SyncTriggerMade() | SyncTriggerRemoved():
            return status
        case _:
            assert_never(event)


def _started(status: JobStatus, event: Started, now_s: float) -> JobStatus:
    # A worker that has reconnected continues; after a final state, or at first, everything starts over.
    continues = status.begun is not None and not status.ended
    return replace(
        status if continues else begin(event.job, now_s),
        state=State.RUNNING,
        why="",
        lock_held=True,
        vacuuming=False,
        begun=event,
        pass_number=event.pass_number,
        progress_ratio=event.progress_ratio,
        rows_total=event.rows_total,
        rows_rejected=event.rows_rejected,
    )


def _leaf(status: JobStatus, event: LeafStarted | LeafDone | LeafRemoved) -> JobStatus:
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
            return replace(status, why=f"{leaf} is gone; the others continue")


def _ddl(status: JobStatus, event: DdlWaiting | DdlLockFailed | DdlProgress | DdlDone) -> JobStatus:
    match event:
        case DdlWaiting(blocker=blocker):
            return replace(status, state=State.WAITING, why=f"waiting for {blocker}")
        case DdlLockFailed(blocker=blocker, failures=failures):
            failed = {**status.failures, DDL_LANE: failures}
            return replace(status, state=State.WAITING, why=f"waiting for {blocker}", failures=failed)
        case DdlProgress(what=what):
            return replace(status, state=State.RUNNING, why=what)
        case DdlDone():
            others = {lane: count for lane, count in status.failures.items() if lane != DDL_LANE}
            return replace(status, state=State.RUNNING, why="", failures=others)


def _limits_changed(status: JobStatus, event: LimitsChanged) -> JobStatus:
    if status.begun is None:
        return status
    return replace(status, begun=event.limits(status.begun), tuned=event.changes)


def _wait_started(status: JobStatus, event: WaitStarted) -> JobStatus:
    if status.state is State.STOPPING:
        return status
    kind = event.reason.kind
    if kind is WaitKind.LOCK:  # LockWaiting says more
        why = status.why if status.state is State.WAITING_LOCK else event.reason.text
        return replace(status, state=State.WAITING_LOCK, why=why, reading=None)
    if kind is WaitKind.AFTER:
        return replace(status, state=State.WAITING, why=event.reason.text, queued=True)
    held = State.PAUSED if kind is WaitKind.PAUSED else State.WAITING
    state = State.RUNNING if kind in PACE_KINDS else held
    reading = None if kind is WaitKind.CONNECTION else status.reading
    return replace(status, state=state, why=event.reason.text, reading=reading)


def _batch(status: JobStatus, event: BatchDone, now_s: float) -> JobStatus:
    stopping = status.state is State.STOPPING
    new_pass = event.pass_number != status.pass_number
    unconverged = event.rows_unconverged + (0 if new_pass else status.rows_unconverged_in_pass)
    return replace(
        status,
        state=status.state if stopping else State.RUNNING,
        why=status.why if stopping else "",
        pass_number=event.pass_number,
        progress_ratio=event.progress_ratio,
        estimate=event.time_left,
        estimated_s=now_s,
        rows_total=event.rows_total,
        batch_rows=event.rows,
        failures={lane: count for lane, count in status.failures.items() if lane != event.lane},
        rows_unconverged=max(status.rows_unconverged, status.rows_unconverged_before + unconverged),
        rows_unconverged_in_pass=unconverged,
        hot=(*status.hot, (event.rows_hot, event.rows))[-HOT_BATCHES:],
        rate=status.rate.add(event.rows, now_s),
    )


def _finished(status: JobStatus, event: Finished) -> JobStatus:
    state = State(event.state)
    return replace(
        status,
        state=state,
        why=event.why,
        lock_held=None if status.lock_held is None else False,
        reading=None,
        vacuuming=False,
        estimate=None,
        rows_total=event.rows_total,
        rows_unconverged=event.rows_unconverged,
        rows_rejected=event.rows_rejected or status.rows_rejected if state is not State.DONE else 0,
        failures={},
        progress_ratio=1.0 if state in {State.DONE, State.UNCONVERGED} else status.progress_ratio,
    )
