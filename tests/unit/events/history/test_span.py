"""A span of history: events summed up, the worst of each signal kept, and what could not be read marked."""

from __future__ import annotations

from backfill.events.history.span import SUBJECTS_MAX, HistorySpan, WorstReading, added
from backfill.throttle.wait_reason import WaitKind
from tests import event_factories


def summed(*events) -> HistorySpan:
    span = HistorySpan()
    for event in events:
        span = added(span, event)
    return span


def test_batches_and_waits_add_up():
    span = summed(
        event_factories.batch_done(rows=100, rows_hot=80, wal_bytes=1000),
        event_factories.batch_done(rows=300, rows_hot=20, wal_bytes=500),
        event_factories.wait_started(WaitKind.LAG, delay_s=0.5),
        event_factories.wait_started(WaitKind.LAG, delay_s=1.0),
        event_factories.wait_started(WaitKind.PAUSED, delay_s=2.0),
    )
    assert span == HistorySpan(
        batches=2, rows=400, rows_hot=100, wal_bytes=1500, batch_rows_max=300, waits={"lag": 1.5, "paused": 2.0}
    )
    assert not span.empty


def test_of_each_signal_the_worst_is_kept_with_its_last_limit():
    span = summed(*(event_factories.signals_read(event_factories.replica(lag_s=lag_s)) for lag_s in (0.4, 7.0, 2.0)))
    assert span.signals["replica_lag_s"] == {"replica-a": WorstReading(7.0, 10.0)}


def test_what_could_not_be_read_and_who_was_missing_is_marked():
    span = summed(
        event_factories.signals_read(event_factories.replica(lag_s=1.0)),
        event_factories.signals_read(event_factories.replica(lag_s=None), missing=("replica-b",)),
    )
    assert span.signals["replica_lag_s"] == {
        "replica-a": WorstReading(1.0, 10.0, unknown=True),
        "replica-b": WorstReading(None, None, unknown=True),
    }


def test_subjects_are_bounded_and_those_that_are_known_stay():
    many = [event_factories.replica(f"replica-{number}", lag_s=1.0) for number in range(3 * SUBJECTS_MAX)]
    span = summed(
        event_factories.signals_read(*many),
        event_factories.signals_read(event_factories.replica("replica-3", lag_s=5.0)),
    )
    assert len(span.signals["replica_lag_s"]) == SUBJECTS_MAX
    assert span.signals["replica_lag_s"]["replica-3"].value == 5.0


def test_other_events_say_nothing():
    assert summed(event_factories.verified(), event_factories.layout_changed()).empty
