"""The gauges that one job's state shows, as (name, labels) and value; what is not yielded has no series.

What is gone has none: a replica out of view, a budget without a reading. What is in view but unreadable is
NaN, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from backfill.observe.status import State, Status

GaugeFamily = tuple[str, tuple[str, ...]]


def gauges(status: Status) -> Iterator[tuple[GaugeFamily, float]]:
    """Yield every gauge of the job; the first label is the job's name."""
    job = status.job
    yield ("lock_held", (job,)), bool(status.lock_held)
    yield ("vacuum_running", (job,)), status.vacuum_supervisor
    for state in State:
        yield ("job_state", (job, state.value)), state is status.state
    if status.begun is not None:
        yield ("progress_ratio", (job,)), status.progress_ratio
        yield ("pass", (job,)), status.pass_number
        yield ("rows_unconverged", (job,)), status.rows_unconverged
        yield ("rows_rejected", (job,)), status.rows_rejected
        yield ("failures_in_a_row", (job,)), status.failures_in_a_row
    if status.leaf is not None:
        yield ("leaves", (job,)), status.leaf.leaves
        yield ("leaves_done", (job,)), status.leaves_done
        yield ("wal_compression", (job,)), status.compression is not None
    if status.eta_s is not None:
        yield ("eta_seconds", (job,)), status.eta_s
    if status.hot_update_ratio is not None:
        yield ("hot_update_ratio", (job,)), status.hot_update_ratio
    yield from _reading(status)


def _reading(status: Status) -> Iterator[tuple[GaugeFamily, float]]:
    job, reading, begun = status.job, status.reading, status.begun
    if reading is None:
        return
    for replica in reading.replicas:
        labels = (job, replica.name)
        yield ("replica_lag_seconds", labels), _known(replica.lag_s)
        yield ("replica_lag_bytes", labels), _known(replica.lag_bytes)
        if begun and replica.counted:
            yield ("lag_budget_seconds", labels), begun.max_lag_s
            yield ("lag_budget_bytes", labels), begun.max_lag_bytes
    for slot in reading.slots:
        yield ("slot_retained_bytes", (job, slot.name)), _known(slot.retained_bytes)
        if slot.unconfirmed_bytes is not None:
            yield ("slot_lag_bytes", (job, slot.name)), slot.unconfirmed_bytes
    for probe in reading.probes:
        yield ("probe_value", (job, probe.name)), _known(probe.value)
        yield ("probe_limit", (job, probe.name)), probe.limit
    yield ("blocked_sessions", (job,)), reading.blocked_sessions
    if reading.dead_tuples is not None:
        yield ("dead_tuples", (job,)), reading.dead_tuples
    yield ("oldest_snapshot_seconds", (job,)), reading.oldest_snapshot_s or 0.0
    yield ("replicas_missing", (job,)), len(reading.missing)
    yield ("wal_budget_bytes", (job,)), reading.wal_budget_bytes
    yield ("wal_rate_bytes", (job, "own")), reading.own_wal_rate_bytes_s
    if reading.wal_rate_bytes_s is not None:
        yield ("wal_rate_bytes", (job, "all")), reading.wal_rate_bytes_s
    if reading.archive_backlog_bytes is not None:
        yield ("archive_backlog_bytes", (job,)), reading.archive_backlog_bytes
        yield ("archive_failing", (job,)), reading.archive_failing


def _known(value: float | None) -> float:
    return nan if value is None else value
