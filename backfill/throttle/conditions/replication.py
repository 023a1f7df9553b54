"""Replicas: out of view, at an unknown position, or too far behind."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, limit_note, limit_share, stop
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.signals import Signals, lag_s
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from backfill.values.units import format_duration, format_size

BUDGET_SHARE = 0.9
"""Nothing starts above this share of a lag budget: the batch itself needs the rest."""
HIDDEN = stop(WaitKind.BLIND, "", "replication is hidden from this role: it lacks pg_monitor")


def counted(limits: ThrottleLimits, name: str) -> bool:
    """Whether a replica's lag counts against the budget."""
    return not any(fnmatchcase(name, pattern) for pattern in limits.replicas.ignore)


def find(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> Iterator[StopCondition]:
    """Yield replicas that cannot be seen, then those that are behind, the worst first."""
    yield from _out_of_view(limits, signals, state)
    yield from _behind(limits, state)


def readings(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> Iterator[Reading]:
    """Yield the lag of each replica in view; one that does not count has no limit."""
    for replica in signals.replicas:
        counts, word = counted(limits, replica.name), "sync" if replica.sync else replica.state or ""
        yield Reading(
            measure="replica_lag_s",
            subject=replica.name,
            value=lag_s(replica, state.clock, signals.at_s),
            limit=limits.max_lag_s if counts else None,
            unit=Unit.SECONDS,
            state=word,
        )
        yield Reading(
            measure="replica_lag_bytes",
            subject=replica.name,
            value=None if replica.replay_lsn is None else max(0, signals.insert_lsn - replica.replay_lsn),
            limit=limits.max_lag_bytes if counts else None,
            unit=Unit.BYTES,
            state=word,
        )


def _out_of_view(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> Iterator[StopCondition]:
    present = {replica.name for replica in signals.replicas}
    for name in sorted(state.expected - present):
        text = f"{name} is not connected (missing from pg_stat_replication){_origin(limits, state, name)}"
        yield stop(WaitKind.MISSING, name, text)
    seen = sum(1 for replica in signals.replicas if counted(limits, replica.name))
    if seen < limits.replicas.min_count:
        text = f"replicas {seen} < {limits.replicas.min_count} (throttle.replicas.min)"
        yield stop(WaitKind.MISSING, "", text)
    for replica in signals.replicas:
        if counted(limits, replica.name) and replica.replay_lsn is None:
            text = f"{replica.name} replay position unknown (state {replica.state or 'unknown'})"
            yield stop(WaitKind.BLIND, replica.name, text)


def _origin(limits: ThrottleLimits, state: ThrottleState, name: str) -> str:
    """Return why a replica is expected, and what to do if it is gone for good."""
    if name in limits.replicas.require:
        return "; it is in replicas.require"
    for replica in state.seen:
        if name == replica.name:
            ignored = ",".join((*limits.replicas.ignore, name))
            return f"; {replica.origin}; if it is gone for good, run: backfill tune JOB replicas.ignore={ignored}"
    return ""


def _behind(limits: ThrottleLimits, state: ThrottleState) -> Iterator[StopCondition]:
    for window in sorted(state.replica_windows, key=lambda window: -window.lag_s):
        name = window.name
        share = limit_share(state.stopped, WaitKind.LAG, name)
        lag_s_max = limits.max_lag_s * BUDGET_SHARE * share
        if window.lag_s > lag_s_max:
            text = f"{name} lag {format_duration(window.lag_s)} > {format_duration(lag_s_max)}"
            yield stop(WaitKind.LAG, name, text + limit_note(share))
        share = limit_share(state.stopped, WaitKind.LAG_BYTES, name)
        lag_bytes_max = limits.max_lag_bytes * BUDGET_SHARE * share
        if window.unreplayed_bytes > lag_bytes_max:
            text = f"{name} lag {format_size(window.unreplayed_bytes)} > {format_size(lag_bytes_max)}"
            yield stop(WaitKind.LAG_BYTES, name, text + limit_note(share))
