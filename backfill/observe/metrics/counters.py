"""The Prometheus metrics: one table of all of them, and a reader of events that keeps them.

Counters and histograms add up events; gauges show the folded state, as `observe.series` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily

from backfill.events.batch import BatchDone, BatchRefused
from backfill.events.event import Event
from backfill.events.job import RetryScheduled, Started
from backfill.events.throttle import WaitStarted
from backfill.events.vacuum import VacuumDone
from backfill.observe.metrics.gauge_values import gauges
from backfill.observe.status import Status, begin, fold
from backfill.throttle.wait_reason import WaitKind

PREFIX = "backfill_"
RETRY_REASONS_MAX = 32

_RETRY_REASON = re.compile(r"[A-Za-z0-9_]{1,32}")
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.4, 0.6, 1, 2.5, 5, 10, 15, 30, 60)
_ROWS = (1, 10, 100, 250, 500, 1000, 1500, 2500, 4000, 5000, 7500, 10_000, 20_000, 50_000, 100_000)
_BYTES = tuple(2.0**power for power in range(14, 31))


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table; `labels` come after `job`, which every metric has."""

    name: str
    kind: type[Counter | Gauge | Histogram]
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


METRICS = (
    Metric("rows_updated_total", Counter, "rows", "Rows updated and committed by this process."),
    Metric("batches_total", Counter, "batches", "Batches committed by this process."),
    Metric("batch_duration_seconds", Histogram, "seconds", "Time of a batch and its commit.", (), _SECONDS),
    Metric("batch_rows", Histogram, "rows", "Rows of a batch.", (), _ROWS),
    Metric("batch_wal_bytes", Histogram, "bytes", "WAL of a batch.", (), _BYTES),
    Metric("progress_ratio", Gauge, "ratio", "How far the pass is through the table, or through all leaves, 0 to 1."),
    Metric("leaves", Gauge, "tables", "Partitions and children that the job fills; absent for one table."),
    Metric("leaves_done", Gauge, "tables", "Partitions and children that are filled and proven."),
    Metric("eta_seconds", Gauge, "seconds", "Time to the end at the present speed; absent while unknown."),
    Metric("wait_seconds_total", Counter, "seconds", "Time for which batches were held back.", ("reason",)),
    Metric("replica_lag_seconds", Gauge, "seconds", "Replay lag; NaN where unreadable.", ("replica",)),
    Metric("replica_lag_bytes", Gauge, "bytes", "WAL not replayed; NaN where unreadable.", ("replica",)),
    Metric("lag_budget_seconds", Gauge, "seconds", "max_lag, if its lag counts.", ("replica",)),
    Metric("lag_budget_bytes", Gauge, "bytes", "max_lag_bytes, if its lag counts.", ("replica",)),
    Metric("replicas_missing", Gauge, "replicas", "Replicas that we count on and do not see."),
    Metric("slot_retained_bytes", Gauge, "bytes", "WAL that it keeps; NaN where unreadable.", ("slot",)),
    Metric("slot_lag_bytes", Gauge, "bytes", "WAL that a logical slot's consumer has to confirm.", ("slot",)),
    Metric("archive_failing", Gauge, "bool", "1 while the archiver's last try failed; absent without an archiver."),
    Metric("archive_backlog_bytes", Gauge, "bytes", "WAL not yet archived; absent without an archiver."),
    Metric("wal_rate_bytes", Gauge, "bytes/s", "WAL bytes a second: everyone's, and our own.", ("source",)),
    Metric("wal_budget_bytes", Gauge, "bytes", "The window: our WAL that may be on its way at once."),
    Metric("wal_compression", Gauge, "bool", "1 while full-page images of our batches are compressed."),
    Metric("blocked_sessions", Gauge, "sessions", "Sessions that waited for the locks of the last batch."),
    Metric("dead_tuples", Gauge, "tuples", "Dead tuples of the table, as the server estimates."),
    Metric("vacuums_total", Counter, "vacuums", "Our vacuums that ended: done, stopped, failed.", ("result",)),
    Metric("vacuum_running", Gauge, "bool", "1 while a vacuum of ours runs."),
    Metric("oldest_snapshot_seconds", Gauge, "seconds", "Age of the oldest transaction with a snapshot; 0 for none."),
    Metric("probe_value", Gauge, "any", "Value of a probe of the job's own; NaN where unreadable.", ("probe",)),
    Metric("probe_limit", Gauge, "any", "Limit of a probe of the job's own.", ("probe",)),
    Metric("retries_total", Counter, "retries", "Attempts that failed and were tried again.", ("reason",)),
    Metric("failures_in_a_row", Gauge, "retries", "Attempts that failed since the last one that did not."),
    Metric("hot_update_ratio", Gauge, "ratio", "Share of HOT updates in the last batches, 0 to 1."),
    Metric("lock_held", Gauge, "bool", "1 while this process holds the job's lock."),
    Metric("job_state", Gauge, "bool", "1 for the state that the job is in, 0 for the others.", ("state",)),
    Metric("pass", Gauge, "passes", "Number of the present pass over the table, from 1."),
    Metric("rows_unconverged", Gauge, "rows", "Rows that still match `where` after their update."),
    Metric("rows_rejected", Gauge, "rows", "Rows that the server refuses and the job has set aside."),
)  # fmt: skip


class MetricsSink:
    """Keeps the metrics of one process in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A process-wide switch: `_created` would double every counter's series.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in METRICS:
            name, labels = PREFIX + metric.name, ("job", *metric.labels)
            if metric.kind is Counter:
                self._counters[metric.name] = Counter(name, metric.help, labels, registry=registry)
            elif metric.kind is Histogram:
                self._histograms[metric.name] = Histogram(
                    name, metric.help, labels, registry=registry, buckets=metric.buckets
                )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._jobs: dict[str, Status] = {}
        self._retry_reasons: set[str] = set()
        registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges of every job as it stands: they are asked for a few times a minute, events come faster."""
        families = {
            metric.name: GaugeMetricFamily(PREFIX + metric.name, metric.help, labels=("job", *metric.labels))
            for metric in METRICS
            if metric.kind is Gauge
        }
        for status in self._jobs.values():
            for (name, labels), value in gauges(status):
                families[name].add_metric(labels, value)
        yield from families.values()

    def record(self, event: Event, at_s: float) -> None:
        """Add the event up, and keep the state that it leads to."""
        self._count(event)
        self._jobs[event.job] = fold(self._jobs.get(event.job) or begin(event.job, at_s), event, at_s)

    def _count(self, event: Event) -> None:
        match event:
            case Started(job=job):
                self._open(job)
            case BatchDone(job=job):
                self._counters["rows_updated_total"].labels(job).inc(event.rows)
                self._counters["batches_total"].labels(job).inc()
                self._histograms["batch_duration_seconds"].labels(job).observe(event.took_s)
                self._histograms["batch_rows"].labels(job).observe(event.rows)
                self._histograms["batch_wal_bytes"].labels(job).observe(event.wal_bytes)
            case WaitStarted(job=job, reason=reason, delay_s=delay_s):
                self._counters["wait_seconds_total"].labels(job, reason.kind.value).inc(delay_s)
            case VacuumDone(job=job, result=result):
                self._counters["vacuums_total"].labels(job, result).inc()
            case RetryScheduled(job=job, reason=reason) | BatchRefused(job=job, reason=reason):
                self._counters["retries_total"].labels(job, self._retry_reason(reason)).inc()
            case _:
                pass

    def _open(self, job: str) -> None:
        # A series that starts at its first increment hides that increment from rate().
        self._counters["rows_updated_total"].labels(job)
        self._counters["batches_total"].labels(job)
        for result in ("done", "stopped", "failed"):
            self._counters["vacuums_total"].labels(job, result)
        for kind in WaitKind:
            self._counters["wait_seconds_total"].labels(job, kind.value)

    def _retry_reason(self, reason: str) -> str:
        # Reasons come from a table, but a message that slipped in must not make a series of its own.
        known = reason in self._retry_reasons or len(self._retry_reasons) < RETRY_REASONS_MAX
        if not known or _RETRY_REASON.fullmatch(reason) is None:
            return "other"
        self._retry_reasons.add(reason)
        return reason
