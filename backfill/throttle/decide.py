"""The throttle: one reading in, one decision out. Pure; time comes with the reading.

    Run(rows)              a batch may start, of at most this many rows
    Wait(delay_s, reason)  read again after the delay

WAL is the currency. A batch starts if nothing stops it (`conditions`), if its own rate allows it (`wal_rate`), and if
its expected bytes fit the room that every counted replica still has (`replica_window`). An idle path always admits one
minimal batch; otherwise an estimate larger than the window would stop the job forever. A batch that had to wait for its
pace is flushed at its end: there is time, and WAL must not stay on the primary.

Other waits, such as for a lock or a retry, are listed in `wait_reason`.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from operator import itemgetter

from backfill.jobfile.limits import BatchLimits, ThrottleLimits
from backfill.throttle import batch_size, replica_window, wal_rate
from backfill.throttle.conditions import seen_replicas
from backfill.throttle.conditions.registry import find_stop_conditions
from backfill.throttle.conditions.replication import counted
from backfill.throttle.decision_values import Decision, Run, Wait
from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.signals import Signals, lag_s
from backfill.throttle.state import ROUND_TRIPS, ThrottleState
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.units import format_rate, format_size

WALWRITER_S = 0.2
"""`wal_writer_delay`: how long an asynchronous commit may stay on the primary; too long for a shorter target."""
ROUND_TRIP_GROWTH = 1.1
"""A quicker reading counts at once, a slower one only by this factor: a busy server is not a distant one."""
RATE_SPAN_S = 2.0
POLL_MIN_S, POLL_S, STOPPED_POLL_S = 0.01, 0.1, 0.25
"""Shortest and longest wait for the pace; the wait while a condition stops us."""
PATIENCE_S = 2.0
"""If the WAL of others alone fills the window but lag is far from the budget, a minimal batch starts this often."""


def decide(
    limits: ThrottleLimits, batch: BatchLimits, throttle_state: ThrottleState, signals: Signals, stripe: int
) -> tuple[Decision, ThrottleState]:
    """Return what to do now, and the state for the next reading."""
    throttle_state = after_reading(limits, throttle_state, signals)
    found = find_stop_conditions(limits, signals, throttle_state)
    throttle_state = replace(throttle_state, stopped=frozenset(condition.key for condition in found), wanted_bytes=0.0)
    if found:
        return Wait(min(STOPPED_POLL_S, found[0].clears_in_s or STOPPED_POLL_S), found[0].reason), throttle_state
    rate = limits.max_wal_rate_bytes_s
    debt_s = wal_rate.wait_s(throttle_state.wal_debt, rate)
    if debt_s > 0:
        own = format_rate(rate + throttle_state.wal_debt.debt_bytes / wal_rate.RATE_WINDOW_S)
        reason = WaitReason(WaitKind.WAL_RATE, f"own wal {own} > {format_rate(rate)}")
        return Wait(max(POLL_MIN_S, min(debt_s, POLL_S)), reason), replace(throttle_state, held=True)
    return _admit(limits, batch, throttle_state, signals, stripe)


def after_reading(limits: ThrottleLimits, throttle_state: ThrottleState, signals: Signals) -> ThrottleState:
    """Return the state after one more reading: LSN clock, replica windows, expected replicas, WAL debt."""
    now_s = signals.at_s
    clock = throttle_state.clock.tick(now_s, signals.insert_lsn)
    round_trip_s = min(signals.round_trip_s, (throttle_state.round_trip_s or inf) * ROUND_TRIP_GROWTH)
    known = {window.name: window for window in throttle_state.replica_windows}
    replica_windows = []
    for replica in signals.replicas:
        behind_s = lag_s(replica, clock, now_s)
        if replica.replay_lsn is None or behind_s is None or not counted(limits, replica.name):
            continue
        window = known.get(replica.name) or replica_window.start(replica.name, now_s, replica.replay_lsn)
        limited = batch_size.limited_by_window(throttle_state, window, throttle_state.wanted_bytes)
        window = replica_window.after_reading(
            window,
            now_s,
            replica.replay_lsn,
            insert_lsn=signals.insert_lsn,
            flush_lsn=signals.flush_lsn,
            lag_s=behind_s,
            age_s=clock.age_s(now_s, replica.replay_lsn),
            target_s=batch_size.target_s(limits, round_trip_s, sync=replica.sync),
            bound_s=limits.max_lag_s / 2,
            wanted_bytes=throttle_state.wanted_bytes,
        )
        replica_windows.append(
            replica_window.adapt(window, now_s, ceiling_bytes=limits.max_lag_bytes / 2, limited=limited)
        )
    in_view = {window.name for window in replica_windows}
    seen, absent = seen_replicas.after_reading(throttle_state.seen, signals.replicas, in_view, signals.at)
    absent_names = {replica.name for replica in absent if counted(limits, replica.name)}
    return replace(
        throttle_state,
        clock=clock,
        round_trip_s=round_trip_s,
        wal_debt=wal_rate.pass_time(throttle_state.wal_debt, now_s, limits.max_wal_rate_bytes_s),
        replica_windows=tuple(replica_windows),
        expected=frozenset({*limits.replicas.require, *in_view, *absent_names}),
        seen=seen,
        history=(
            *(pair for pair in throttle_state.history if now_s - pair[0] < RATE_SPAN_S),
            (now_s, signals.insert_lsn),
        ),
    )


def _admit(
    limits: ThrottleLimits, batch: BatchLimits, throttle_state: ThrottleState, signals: Signals, stripe: int
) -> tuple[Decision, ThrottleState]:
    run = batch_size.next_batch_rows(limits, batch, throttle_state, stripe)
    row_bytes = throttle_state.cost.wal_bytes(stripe)
    wanted, travel_s = run.rows * row_bytes, throttle_state.round_trip_s * ROUND_TRIPS / 2
    throttle_state = replace(throttle_state, wanted_bytes=wanted)
    room, full = min(
        ((window.room_bytes(travel_s), window) for window in throttle_state.replica_windows),
        key=itemgetter(0),
        default=(inf, None),
    )
    if full is None or wanted + throttle_state.pending_bytes <= room:
        run = replace(run, flush=_flushes(throttle_state, wanted))
        return run, replace(throttle_state, admitted_s=signals.at_s, held=False)
    idle = full.unreplayed_bytes == 0
    if not throttle_state.pending_bytes and (idle or _patient(limits, throttle_state, full, signals.at_s)):
        floor = int(min(run.rows, batch_size.floor_rows(batch, full, row_bytes)))
        by = f"{full.name} is idle" if idle else f"others fill {full.name}"
        return Run(max(1, floor), by, flush=True), replace(throttle_state, admitted_s=signals.at_s, held=False)
    on_the_way_bytes = full.unreplayed_bytes + throttle_state.pending_bytes + wanted
    over = f"{format_size(on_the_way_bytes)} > {format_size(full.window_bytes)}"
    reason = WaitReason(WaitKind.WINDOW, f"{full.name} wal on the way {over}")
    excess_s = (wanted + throttle_state.pending_bytes - room) / (full.rate_bytes_s or full.window_bytes / POLL_S)
    delay_s = max(POLL_MIN_S, min(excess_s, POLL_S, full.allowed_s * batch_size.BATCH_SHARE))
    return Wait(delay_s, reason), replace(throttle_state, held=True)


def _flushes(throttle_state: ThrottleState, wanted: float) -> bool:
    """Whether we had to wait, or a window makes batches small: there is time, and WAL must not stay on the primary."""
    return throttle_state.held or any(
        window.rate_bytes_s is None
        or window.allowed_s < WALWRITER_S
        or (window.window_bytes < window.shown_bytes and batch_size.limited_by_window(throttle_state, window, wanted))
        for window in throttle_state.replica_windows
    )


def _patient(limits: ThrottleLimits, throttle_state: ThrottleState, full: ReplicaWindow, now_s: float) -> bool:
    """Whether we have waited long for a replica that keeps replaying the WAL of others."""
    waited = now_s - throttle_state.admitted_s > PATIENCE_S and full.moved_s > throttle_state.admitted_s
    return waited and full.lag_s < limits.max_lag_s / 2
