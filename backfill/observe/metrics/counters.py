"""The sink that keeps the metrics: counters and histograms add up events, gauges show the present state of each job."""

from __future__ import annotations

import re
from collections.abc import Iterator

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
from backfill.events.ddl import DdlDone, DdlLockFailed
from backfill.events.event import Event
from backfill.events.job import RetryScheduled, Started
from backfill.events.throttle import WaitStarted
from backfill.events.vacuum import VacuumDone
from backfill.observe.metrics.gauge_values import gauges
from backfill.observe.metrics.table import METRICS, PREFIX
from backfill.observe.status import JobStatus, begin
from backfill.observe.status_fold import fold
from backfill.throttle.wait_reason import WaitKind

RETRY_REASONS_MAX = 32

_RETRY_REASON = re.compile(r"[A-Za-z0-9_]{1,32}")


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
        self._jobs: dict[str, JobStatus] = {}
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
            case DdlLockFailed(job=job):
                self._counters["retries_total"].labels(job, "ddl_lock").inc()
            case DdlDone(job=job, slow=slow):
                self._counters["ddl_slow_total"].labels(job).inc(slow)
            case RetryScheduled(job=job, reason=reason) | BatchRefused(job=job, reason=reason):
                self._counters["retries_total"].labels(job, self._retry_reason(reason)).inc()
            case _:
                pass

    def _open(self, job: str) -> None:
        # A series that starts at its first increment hides that increment from rate().
        self._counters["rows_updated_total"].labels(job)
        self._counters["batches_total"].labels(job)
        self._counters["ddl_slow_total"].labels(job)
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
