"""The Prometheus metrics: one table of all of them, and which of them show the readings of signals."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

PREFIX = "backfill_"

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1, 2.5, 5, 10, 15, 30, 60)
_ROWS = (1, 10, 100, 250, 500, 1000, 1500, 2500, 4000, 5000, 7500, 10_000, 20_000, 50_000, 100_000)
_BYTES = tuple(2.0**power for power in range(14, 31))


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table; `labels` come after `job`, which every metric has."""

    name: str
    kind: type[Counter | Gauge | Histogram]
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS = (
    Metric("rows_updated_total", Counter, "rows", "Rows updated and committed by this process."),
    Metric("batches_total", Counter, "batches", "Batches committed by this process."),
    Metric("batch_duration_seconds", Histogram, "seconds", "Duration of a batch, with its commit.", (), _SECONDS),
    Metric("batch_rows", Histogram, "rows", "Rows in a batch.", (), _ROWS),
    Metric("batch_wal_bytes", Histogram, "bytes", "WAL written by a batch.", (), _BYTES),
    Metric("progress_ratio", Gauge, "ratio", "Matching rows that are filled, of those of all partitions, 0 to 1."),
    Metric("leaves", Gauge, "tables", "Partitions and child tables that the job fills; absent for a single table."),
    Metric("leaves_done", Gauge, "tables", "Partitions and child tables that are filled and verified."),
    Metric("eta_low_seconds", Gauge, "seconds", "Time left until all rows are filled, at least; absent while unknown."),
    Metric("eta_high_seconds", Gauge, "seconds", "The same at most; equal to the least while the pace is steady."),
    Metric("wait_seconds_total", Counter, "seconds", "Time for which batches were held back.", ("reason",)),
    Metric("replica_lag_seconds", Gauge, "seconds", "Replay lag; NaN if unknown.", ("replica",)),
    Metric("replica_lag_bytes", Gauge, "bytes", "WAL not yet replayed; NaN if unknown.", ("replica",)),
    Metric("lag_budget_seconds", Gauge, "seconds", "max_lag, for replicas that count.", ("replica",)),
    Metric("lag_budget_bytes", Gauge, "bytes", "max_lag_bytes, for replicas that count.", ("replica",)),
    Metric("replicas_missing", Gauge, "replicas", "Replicas that the job expects and cannot see."),
    Metric("slot_retained_bytes", Gauge, "bytes", "WAL retained by a slot; NaN if unknown.", ("slot",)),
    Metric("slot_lag_bytes", Gauge, "bytes", "WAL not yet confirmed by a logical slot's consumer.", ("slot",)),
    Metric("archive_failing", Gauge, "bool", "1 if the archiver's last attempt failed; absent without an archiver."),
    Metric("archive_backlog_bytes", Gauge, "bytes", "WAL not yet archived; absent without an archiver."),
    Metric("wal_rate_bytes", Gauge, "bytes/s", "WAL a second: of all sessions, and of this job.", ("source",)),
    Metric("wal_budget_bytes", Gauge, "bytes", "The window: WAL of this job that may be in flight at once."),
    Metric("wal_compression", Gauge, "bool", "1 while full-page images of our batches are compressed."),
    Metric("blocked_sessions", Gauge, "sessions", "Sessions that waited for locks of the last batch."),
    Metric("dead_tuples", Gauge, "tuples", "Dead tuples of the table, as the server estimates."),
    Metric("vacuums_total", Counter, "vacuums", "Our vacuums that ended: done, stopped, failed.", ("result",)),
    Metric("vacuum_running", Gauge, "bool", "1 while one of our vacuums runs."),
    Metric("oldest_snapshot_seconds", Gauge, "seconds", "Age of the oldest snapshot; 0 if there is none."),
    Metric("probe_value", Gauge, "any", "Value of a probe; NaN if unknown.", ("probe",)),
    Metric("probe_limit", Gauge, "any", "Limit of a probe.", ("probe",)),
    Metric("signal_value", Gauge, "any", "Any other signal; NaN if unknown.", ("signal", "subject")),
    Metric("signal_limit", Gauge, "any", "The limit of that signal.", ("signal", "subject")),
    Metric("retries_total", Counter, "retries", "Attempts that failed and were repeated.", ("reason",)),
    Metric("failures_in_a_row", Gauge, "retries", "Attempts that have failed since the last success."),
    Metric("ddl_slow_total", Counter, "statements", "DDL of the job that took longer than 30 s."),
    Metric("hot_update_ratio", Gauge, "ratio", "Share of HOT updates in the last batches, 0 to 1."),
    Metric("lock_held", Gauge, "bool", "1 while this process holds the job's lock."),
    Metric("job_state", Gauge, "bool", "1 for the job's current state, 0 for the others.", ("state",)),
    Metric("pass", Gauge, "passes", "Number of the current pass over the table, from 1."),
    Metric("rows_unconverged", Gauge, "rows", "Rows that still match `where` after their update."),
    Metric("rows_rejected", Gauge, "rows", "Rejected rows: kept in backfill.rejected, not filled."),
)  # fmt: skip

SIGNALS = {
    "replica_lag_s": ("replica_lag_seconds", "lag_budget_seconds"),
    "replica_lag_bytes": ("replica_lag_bytes", "lag_budget_bytes"),
    "slot_retained_bytes": ("slot_retained_bytes", None),
    "slot_lag_bytes": ("slot_lag_bytes", None),
    "archive_backlog_bytes": ("archive_backlog_bytes", None),
    "archive_failing": ("archive_failing", None),
    "dead_tuples": ("dead_tuples", None),
    "oldest_snapshot_s": ("oldest_snapshot_seconds", None),
    "probe": ("probe_value", "probe_limit"),
    "blocked_sessions": ("blocked_sessions", None),
}
"""Which metrics show the value and the limit of a measure; any other is in `signal_value` and `signal_limit`."""
