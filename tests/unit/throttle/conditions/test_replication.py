"""Replicas stop the job when they are out of view, at an unknown position or too far behind; ignored ones never do."""

import pytest

from backfill.throttle.conditions.replication import BUDGET_SHARE, counted
from backfill.throttle.wait_reason import WaitKind
from tests.factories import MB, limits, replica, signals
from tests.unit.throttle.conditions.found import conditions_in, reasons, window


def test_hidden_replication_is_the_only_reason():
    found = conditions_in(signals(visible=False), window(lag_s=99.0))
    assert reasons(found) == ["replication is hidden from this role: it lacks pg_monitor"]
    assert found[0].reason.kind is WaitKind.BLIND


def test_a_replica_that_was_counted_on_and_is_not_there_is_missing():
    found = conditions_in(signals(0.0, 0, replica("replica-b")), expected={"replica-a", "replica-b"})
    assert reasons(found) == ["replica-a is not connected (missing from pg_stat_replication)"]
    assert found[0].reason.kind is WaitKind.MISSING


def test_too_few_replicas_are_missing_whatever_their_names():
    found = conditions_in(signals(0.0, 0, replica("dr-1"), replica("a")), replicas={"min": 2, "ignore": ["dr-*"]})
    assert reasons(found) == ["replicas 1 < 2 (throttle.replicas.min)"]


@pytest.mark.parametrize(("state", "words"), [("catchup", "catchup"), (None, "unknown")])
def test_an_unknown_position_is_not_zero_lag(state: str | None, words: str):
    found = conditions_in(signals(0.0, 0, replica("replica-a", None, state)))
    assert reasons(found) == [f"replica-a replay position unknown (state {words})"]
    assert found[0].reason.kind is WaitKind.BLIND


def test_an_ignored_replica_may_be_anything():
    ignored = {"ignore": ["dr-*"]}
    assert conditions_in(signals(0.0, 0, replica("dr-1", None)), replicas=ignored) == ()
    assert not counted(limits(replicas=ignored), "dr-1")
    assert counted(limits(replicas=ignored), "replica-a")


def test_nothing_starts_near_the_lag_budget():
    reading = signals(0.0, 0, replica())
    assert conditions_in(reading, window(lag_s=10 * BUDGET_SHARE)) == ()
    assert reasons(conditions_in(reading, window(lag_s=9.4))) == ["replica-a lag 9.4s > 9s"]


def test_nothing_starts_near_the_bytes_budget():
    reading = signals(0.0, 0, replica())
    assert conditions_in(reading, window(behind=9 * MB), max_lag_bytes="10MB") == ()
    assert reasons(conditions_in(reading, window(behind=9 * MB + 1), max_lag_bytes="10MB")) == [
        "replica-a lag 9MB > 9MB"
    ]


def test_the_worst_replica_comes_first():
    found = conditions_in(signals(), window("a", 20.0), window("b", 40.0))
    assert [text.split()[0] for text in reasons(found)] == ["b", "a"]
