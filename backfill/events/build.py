"""Events made from readings, decisions and changed limits. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from backfill.events.throttle import LimitsChanged, SignalsRead, ThrottleDecision
from backfill.jobfile.job import Job
from backfill.throttle.conditions.registry import read_all
from backfill.throttle.decision_values import Decision, Inputs, Wait
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState


def signals_read(job: Job, throttle_state: ThrottleState, signals: Signals) -> SignalsRead:
    """Return the reading of every signal, and the WAL rates that follow from it."""
    return SignalsRead(
        job=job.name,
        readings=read_all(job.throttle, signals, throttle_state),
        missing=tuple(sorted(throttle_state.expected - {replica.name for replica in signals.replicas})),
        wal_rate_bytes_s=throttle_state.wal_rate_bytes_s,
        own_wal_rate_bytes_s=throttle_state.wal_debt.own_rate_bytes_s,
        wal_budget_bytes=throttle_state.wal_budget_bytes,
    )


def throttle_decision(
    job: Job, throttle_state: ThrottleState, decision: Decision, stripe: int, compression: str | None = None
) -> ThrottleDecision:
    """Return the decision and its inputs: the figures of the replica with the least room."""
    tightest = min(throttle_state.replica_windows, key=lambda window: window.room_bytes(0.0), default=None)
    inputs = Inputs(
        replica=tightest.name if tightest else None,
        lag_s=tightest.lag_s if tightest else None,
        on_the_way_bytes=tightest.unreplayed_bytes if tightest else None,
        window_bytes=tightest.window_bytes if tightest else None,
        rate_bytes_s=tightest.rate_bytes_s if tightest else None,
        row_wal_bytes=throttle_state.cost.wal_bytes(stripe),
        wal_rate_bytes_s=throttle_state.wal_rate_bytes_s,
        own_wal_rate_bytes_s=throttle_state.wal_debt.own_rate_bytes_s,
        compression=compression,
    )
    if isinstance(decision, Wait):
        return ThrottleDecision(
            job=job.name, rows=0, limited_by=str(decision.reason), delay_s=decision.delay_s, inputs=inputs
        )
    return ThrottleDecision(
        job=job.name, rows=decision.rows, limited_by=decision.limited_by, delay_s=0.0, inputs=inputs
    )


def limits_changed(job: Job, changes: Mapping[str, str], refused: str | None) -> LimitsChanged:
    """Return the limits that apply from now on."""
    return LimitsChanged(
        job=job.name,
        changes=tuple(f"{name}={text}" for name, text in changes.items()),
        max_lag_s=job.throttle.max_lag_s,
        max_lag_bytes=job.throttle.max_lag_bytes,
        max_wal_rate_bytes_s=job.throttle.max_wal_rate_bytes_s,
        statement_timeout_s=job.statement_timeout_s,
        refused=refused,
    )
