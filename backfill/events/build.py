"""A reading and a decision as the facts that logs, metrics and people read. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from backfill.events.readings import ProbeReading, ReplicaReading, SlotReading
from backfill.events.throttle import LimitsChanged, SignalsRead, ThrottleDecision
from backfill.jobfile.job import Job
from backfill.throttle.decision import Decision, Inputs, Wait
from backfill.throttle.signals import Signals, lag_s
from backfill.throttle.state import ThrottleState
from backfill.throttle.stop_conditions import counted


def measured(job: Job, throttle_state: ThrottleState, signals: Signals) -> SignalsRead:
    """Return the reading, with the lag of every replica in view by the LSN clock."""
    replicas = tuple(
        ReplicaReading(
            name=one.name,
            lag_s=lag_s(one, throttle_state.clock, signals.at_s),
            lag_bytes=None if one.replay_lsn is None else max(0, signals.insert_lsn - one.replay_lsn),
            counted=counted(job.throttle, one.name),
            sync=one.sync,
        )
        for one in signals.replicas
    )
    return SignalsRead(
        job=job.name,
        replicas=replicas,
        missing=tuple(sorted(throttle_state.expected - {one.name for one in signals.replicas})),
        slots=tuple(
            SlotReading(one.name, one.retained_bytes, one.wal_status, one.unconfirmed_bytes) for one in signals.slots
        ),
        wal_rate_bytes_s=throttle_state.wal_rate_bytes_s,
        own_wal_rate_bytes_s=throttle_state.wal_debt.own_rate_bytes_s,
        wal_budget_bytes=throttle_state.wal_budget_bytes,
        archive_backlog_bytes=signals.archiver.backlog_bytes if signals.archiver else None,
        archive_failing=signals.archiver is not None and signals.archiver.failing,
        blocked_sessions=throttle_state.lock_backoff.sessions,
        dead_tuples=signals.upkeep.dead_tuples,
        oldest_snapshot_s=signals.upkeep.oldest_snapshot_s,
        probes=tuple(ProbeReading(one.name, one.value, one.limit) for one in signals.probes),
    )


def decided(
    job: Job, throttle_state: ThrottleState, decision: Decision, stripe: int, compression: str | None = None
) -> ThrottleDecision:
    """Return the decision and what it was taken from: the figures of the replica with the least room."""
    tightest = min(throttle_state.replica_windows, key=lambda one: one.room_bytes(0.0), default=None)
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
        return ThrottleDecision(job.name, 0, str(decision.reason), decision.delay_s, inputs)
    return ThrottleDecision(job.name, decision.rows, decision.limited_by, 0.0, inputs)


def retuned(job: Job, changes: Mapping[str, str], refused: str | None) -> LimitsChanged:
    """Return the limits that hold from now on."""
    return LimitsChanged(
        job=job.name,
        changes=tuple(f"{name}={text}" for name, text in changes.items()),
        max_lag_s=job.throttle.max_lag_s,
        max_lag_bytes=job.throttle.max_lag_bytes,
        max_wal_rate_bytes_s=job.throttle.max_wal_rate_bytes_s,
        statement_timeout_s=job.statement_timeout_s,
        refused=refused,
    )
