"""The metrics: their table is the contract, and each is filled by events, never by guesses."""

import math
import re
from itertools import product

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from backfill.observe.metrics.counters import RETRY_REASONS_MAX, MetricsSink
from backfill.observe.metrics.table import METRICS, PREFIX
from backfill.observe.status import State
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories

CONTRACT = """
    rows_updated_total batches_total batch_duration_seconds batch_rows batch_wal_bytes progress_ratio
    eta_low_seconds eta_high_seconds
    wait_seconds_total{reason} replica_lag_seconds{replica} replica_lag_bytes{replica} replicas_missing
    slot_retained_bytes{slot} archive_backlog_bytes wal_rate_bytes{source} wal_budget_bytes retries_total{reason}
    hot_update_ratio lock_held job_state{state} pass rows_unconverged
    lag_budget_seconds{replica} lag_budget_bytes{replica} slot_lag_bytes{slot} archive_failing blocked_sessions
    wal_compression dead_tuples vacuums_total{result} vacuum_running oldest_snapshot_seconds probe_value{probe} probe_limit{probe}
    signal_value{signal,subject} signal_limit{signal,subject}
    leaves leaves_done failures_in_a_row rows_rejected ddl_slow_total
"""


class Scrape:
    def __init__(self):
        self.registry = CollectorRegistry()
        self.metrics = MetricsSink(self.registry)
        self.now_s = 0.0

    def tell(self, *told_events):
        for event in told_events:
            self.metrics.record(event, self.now_s)
            self.now_s += 1.0
        return self

    def value(self, name, job=event_factories.JOB, **labels):
        return self.registry.get_sample_value(PREFIX + name, {"job": job, **labels})

    def samples(self):
        families = text_string_to_metric_families(generate_latest(self.registry).decode())
        return [sample for family in families for sample in family.samples]


@pytest.fixture
def scrape():
    return Scrape()


def test_the_table_is_the_contract():
    contract = {
        name: labels.split(",") if labels else [] for name, labels in re.findall(r"(\w+)(?:\{([\w,]+)\})?", CONTRACT)
    }
    assert {metric.name: list(metric.labels) for metric in METRICS} == contract


def test_vacuums_are_counted_by_how_they_ended_from_zero_on(scrape):
    scrape.tell(event_factories.started(), event_factories.vacuum_started())
    assert scrape.value("vacuum_running") == 1
    assert scrape.value("vacuums_total", result="stopped") == 0
    scrape.tell(
        event_factories.vacuum_done(),
        event_factories.vacuum_started(),
        event_factories.vacuum_done(result="stopped"),
        event_factories.vacuum_done(),
    )
    assert scrape.value("vacuum_running") == 0
    assert scrape.value("vacuums_total", result="done") == 2
    assert scrape.value("vacuums_total", result="stopped") == 1


def test_a_lock_that_fails_again_and_again_counts_as_failures_in_a_row_until_the_ddl_is_done(scrape):
    scrape.tell(event_factories.started(), event_factories.ddl_lock_failed(failures=4, loud=True))
    assert scrape.value("failures_in_a_row") == 4
    assert scrape.value("retries_total", reason="ddl_lock") == 1
    assert scrape.value("ddl_slow_total") == 0
    scrape.tell(event_factories.ddl_done(took_s=31.0, slow=True))
    assert scrape.value("failures_in_a_row") == 0
    assert scrape.value("ddl_slow_total") == 1


def test_every_metric_has_help_unit_and_buckets_where_it_needs_them():
    for metric in METRICS:
        assert metric.help.endswith(".")
        assert metric.unit
        assert (metric.kind is Counter) == metric.name.endswith("_total")
        assert list(metric.buckets) == sorted(set(metric.buckets))
        assert bool(metric.buckets) == (metric.kind.__name__ == "Histogram")


def test_every_metric_is_filled_by_a_run(scrape):
    standing = ("Stopping", "Finished")
    scrape.tell(
        *[event for event in event_factories.one_of_each() if type(event).__name__ not in standing],
        event_factories.batch_done(),
        next(event for event in event_factories.one_of_each() if type(event).__name__ == "SignalsRead"),
    )
    names = {sample.name for sample in scrape.samples()}
    for metric in METRICS:
        suffixes = ("_bucket", "_sum", "_count") if metric.buckets else ("",)
        for suffix in suffixes:
            assert PREFIX + metric.name + suffix in names


def test_every_series_has_its_job(scrape):
    scrape.tell(*event_factories.one_of_each())
    ours = [sample for sample in scrape.samples() if sample.name.startswith(PREFIX)]
    assert ours
    assert all(sample.labels["job"] == event_factories.JOB for sample in ours)
    assert not [sample.name for sample in scrape.samples() if sample.name.endswith("_created")]


def test_process_metrics_are_there(scrape):
    assert {"process_start_time_seconds", "python_info"} <= {sample.name for sample in scrape.samples()}


def test_batches_add_up(scrape):
    scrape.tell(
        event_factories.started(rows_total=900),
        event_factories.batch_done(rows=100),
        event_factories.batch_done(rows=50, took_s=0.3),
    )
    assert scrape.value("rows_updated_total") == 150
    assert scrape.value("batches_total") == 2
    assert scrape.value("batch_duration_seconds_count") == 2
    assert scrape.value("batch_duration_seconds_sum") == 0.5
    assert scrape.value("batch_rows_bucket", le="100.0") == 2
    assert scrape.value("batch_wal_bytes_sum") == 3_200_000
    assert scrape.value("progress_ratio") == 0.1
    assert (scrape.value("eta_low_seconds"), scrape.value("eta_high_seconds")) == (42.0, 42.0)


def test_counters_begin_at_zero(scrape):
    scrape.tell(event_factories.started())
    assert scrape.value("rows_updated_total") == 0
    assert all(scrape.value("wait_seconds_total", reason=kind.value) == 0 for kind in WaitKind)


def test_waits_add_up_by_kind_and_never_by_text(scrape):
    scrape.tell(
        event_factories.started(),
        event_factories.wait_started(),
        event_factories.wait_started(text="replica-b lag 11s > 10s"),
    )
    scrape.tell(event_factories.wait_started(WaitKind.WINDOW, "window"))
    assert scrape.value("wait_seconds_total", reason="lag") == 0.5
    assert scrape.value("wait_seconds_total", reason="window") == 0.25
    reasons = {sample.labels["reason"] for sample in scrape.samples() if sample.name == PREFIX + "wait_seconds_total"}
    assert reasons == {kind.value for kind in WaitKind}


def test_the_wait_for_the_lock_is_a_wait(scrape):
    for waited_s in (0.0, 1.0):
        scrape.tell(
            event_factories.lock_waiting(waited_s=waited_s),
            event_factories.wait_started(WaitKind.LOCK, event_factories.HOLDER, 1.0),
        )
    assert scrape.value("wait_seconds_total", reason="lock") == 2.0


def test_retries_by_reason_and_no_sentence_becomes_a_label(scrape):
    scrape.tell(
        event_factories.retry_scheduled(),
        event_factories.retry_scheduled(),
        event_factories.retry_scheduled(reason="lock not available on users"),
    )
    assert scrape.value("retries_total", reason="55P03") == 2
    assert scrape.value("retries_total", reason="other") == 1


def test_retry_reasons_are_bounded(scrape):
    scrape.tell(*(event_factories.retry_scheduled(reason=f"r{number}") for number in range(RETRY_REASONS_MAX + 10)))
    labels = {sample.labels["reason"] for sample in scrape.samples() if sample.name == PREFIX + "retries_total"}
    assert len(labels) == RETRY_REASONS_MAX + 1
    assert scrape.value("retries_total", reason="other") == 10


def test_lag_has_its_budget_if_it_counts(scrape):
    scrape.tell(
        event_factories.started(),
        event_factories.signals_read(
            event_factories.replica(), event_factories.replica("dr-1", 99.0, 5, counted=False)
        ),
    )
    assert scrape.value("replica_lag_seconds", replica="replica-a") == 0.4
    assert scrape.value("lag_budget_seconds", replica="replica-a") == 10.0
    assert scrape.value("lag_budget_bytes", replica="replica-a") == 256 << 20
    assert scrape.value("replica_lag_seconds", replica="dr-1") == 99.0
    assert scrape.value("lag_budget_seconds", replica="dr-1") is None


def test_unknown_lag_is_nan_and_never_zero(scrape):
    scrape.tell(
        event_factories.started(),
        event_factories.signals_read(
            event_factories.replica(lag_s=None, lag_bytes=None), event_factories.slot(retained_bytes=None)
        ),
    )
    assert math.isnan(scrape.value("replica_lag_seconds", replica="replica-a"))
    assert math.isnan(scrape.value("replica_lag_bytes", replica="replica-a"))
    assert math.isnan(scrape.value("slot_retained_bytes", slot="slot-a"))


def test_a_signal_without_a_metric_of_its_own_is_shown_with_its_limit(scrape):
    scrape.tell(
        event_factories.started(),
        event_factories.signals_read(
            event_factories.signal("active_sessions", "app", 52.0, 40.0),
            event_factories.signal("active_sessions", "etl", None, 10.0),
            event_factories.signal("commit_latency_s", "", 0.02, None),
        ),
    )
    assert scrape.value("signal_value", signal="active_sessions", subject="app") == 52.0
    assert scrape.value("signal_limit", signal="active_sessions", subject="app") == 40.0
    assert math.isnan(scrape.value("signal_value", signal="active_sessions", subject="etl"))
    assert scrape.value("signal_value", signal="commit_latency_s", subject="") == 0.02
    assert scrape.value("signal_limit", signal="commit_latency_s", subject="") is None


def test_what_is_gone_has_no_series(scrape):
    scrape.tell(
        event_factories.started(),
        event_factories.signals_read(
            event_factories.replica(),
            event_factories.replica("replica-b"),
            event_factories.slot(),
            event_factories.slot("slot-b"),
            event_factories.archiver(),
            event_factories.signal(subject="jupiter"),
            event_factories.signal(subject="saturn"),
        ),
    )
    scrape.tell(
        event_factories.signals_read(
            event_factories.replica(),
            event_factories.signal(subject="jupiter", value=None),
            missing=("replica-b",),
            wal_rate_bytes_s=None,
        )
    )
    for name in ("replica_lag_seconds", "replica_lag_bytes", "lag_budget_seconds", "lag_budget_bytes"):
        assert scrape.value(name, replica="replica-b") is None
        assert scrape.value(name, replica="replica-a") is not None
    for name in ("signal_value", "signal_limit"):
        assert scrape.value(name, signal="moons", subject="saturn") is None
        assert scrape.value(name, signal="moons", subject="jupiter") is not None
    assert scrape.value("slot_retained_bytes", slot="slot-b") is None
    assert scrape.value("replicas_missing") == 1
    assert scrape.value("wal_rate_bytes", source="all") is None
    assert scrape.value("wal_rate_bytes", source="own") == 4.0e6
    assert scrape.value("archive_backlog_bytes") is None


@pytest.mark.parametrize(
    "last",
    [
        event_factories.finished(),
        event_factories.lock_waiting(),
        event_factories.wait_started(WaitKind.CONNECTION, "gone"),
        event_factories.pass_done(),
    ],
)
def test_no_reading_outlives_its_reader(scrape, last):
    scrape.tell(event_factories.started(), event_factories.signals_read(event_factories.replica()), last)
    names = {sample.name.removeprefix(PREFIX) for sample in scrape.samples()}
    gone = (
        "replica_lag_seconds",
        "replica_lag_bytes",
        "slot_retained_bytes",
        "wal_rate_bytes",
        "wal_budget_bytes",
        "replicas_missing",
    )
    assert names.isdisjoint(gone)


def test_failures_in_a_row_are_those_of_the_worst_lane_until_it_succeeds(scrape):
    scrape.tell(
        event_factories.started(),
        event_factories.retry_scheduled(attempt=4),
        event_factories.retry_scheduled(attempt=9, lane=1),
        event_factories.batch_done(),
    )
    assert scrape.value("failures_in_a_row") == 9
    scrape.tell(event_factories.batch_done(lane=1))
    assert scrape.value("failures_in_a_row") == 0
    assert scrape.value("retries_total", reason="55P03") == 2


def test_rejected_rows_are_counted_over_all_leaves_and_a_search_counts_as_retries(scrape):
    scrape.tell(event_factories.started(rows_rejected=2))
    assert scrape.value("rows_rejected") == 2
    scrape.tell(
        event_factories.batch_refused(),
        event_factories.batch_refused(rows=250),
        event_factories.row_rejected(rows_rejected=3),
    )
    assert scrape.value("rows_rejected") == 3
    assert scrape.value("retries_total", reason="23514") == 2
    scrape.tell(event_factories.verified(rows_left=1, rows_rejected=1))
    assert scrape.value("rows_rejected") == 1
    scrape.tell(event_factories.leaf_done(rows_rejected=1), event_factories.leaf_started(number=3, rows_rejected=1))
    scrape.tell(event_factories.verified(rows_left=4, rows_rejected=4))
    assert scrape.value("rows_rejected") == 5
    scrape.tell(event_factories.finished(state="unconverged", rows_rejected=5))
    assert scrape.value("rows_rejected") == 5


def test_exactly_one_state_is_on(scrape):
    scrape.tell(event_factories.started())
    for event in event_factories.one_of_each():
        scrape.tell(event)
        assert sum(scrape.value("job_state", state=state.value) for state in State) == 1
    assert scrape.value("job_state", state="done") == 1
    assert scrape.value("lock_held") == 0


def test_a_waiting_worker_shows_its_state_and_nothing_that_it_cannot_know(scrape):
    scrape.tell(event_factories.lock_waiting())
    assert scrape.value("job_state", state="waiting_lock") == 1
    assert scrape.value("lock_held") == 0
    assert [scrape.value(name) for name in ("progress_ratio", "pass", "rows_unconverged", "eta_low_seconds")] == [
        None
    ] * 4


def test_jobs_do_not_mix(scrape):
    for job, lag_s in product(("a", "b"), (1.0, 2.0)):
        scrape.tell(
            event_factories.started(job=job),
            event_factories.signals_read(event_factories.replica(lag_s=lag_s), job=job),
            event_factories.batch_done(job=job),
        )
    scrape.tell(event_factories.finished(job="a"))
    assert scrape.value("replica_lag_seconds", job="a", replica="replica-a") is None
    assert scrape.value("replica_lag_seconds", job="b", replica="replica-a") == 2.0
    assert scrape.value("batches_total", job="b") == 2
