"""The gauges that one job's state shows, as (name, labels) and value; what is not yielded has no series.

What is gone has none: a replica out of view, a limit without a reading. What is in view but cannot be read is NaN,
never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from backfill.observe.metrics.table import SIGNALS
from backfill.observe.status import JobStatus, State
from backfill.throttle.reading import Reading

GaugeFamily = tuple[str, tuple[str, ...]]


def gauges(status: JobStatus) -> Iterator[tuple[GaugeFamily, float]]:
    """Yield every gauge of the job; the first label is the job's name."""
    job = status.job
    yield ("lock_held", (job,)), bool(status.lock_held)
    yield ("vacuum_running", (job,)), status.vacuuming
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
    if (left := status.time_left(status.updated_s)) is not None:
        yield ("eta_low_seconds", (job,)), left.low_s
        yield ("eta_high_seconds", (job,)), left.high_s
    if status.hot_update_ratio is not None:
        yield ("hot_update_ratio", (job,)), status.hot_update_ratio
    yield from _reading(status)


def _reading(status: JobStatus) -> Iterator[tuple[GaugeFamily, float]]:
    job, signals = status.job, status.reading
    if signals is None:
        return
    for reading in signals.readings:
        yield from _signal(job, reading)
    yield ("replicas_missing", (job,)), len(signals.missing)
    yield ("wal_budget_bytes", (job,)), signals.wal_budget_bytes
    yield ("wal_rate_bytes", (job, "own")), signals.own_wal_rate_bytes_s
    if signals.wal_rate_bytes_s is not None:
        yield ("wal_rate_bytes", (job, "all")), signals.wal_rate_bytes_s


def _signal(job: str, reading: Reading) -> Iterator[tuple[GaugeFamily, float]]:
    name, limit_name = SIGNALS.get(reading.measure, ("signal_value", "signal_limit"))
    subject = (reading.subject,) if reading.subject else ()
    labels = (job, *subject) if reading.measure in SIGNALS else (job, reading.measure, reading.subject)
    yield (name, labels), nan if reading.value is None else reading.value
    if reading.limit is not None and limit_name is not None:
        yield (limit_name, labels), reading.limit
