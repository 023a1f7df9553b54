"""Active sessions stop the job above the limit of their role, and when they cannot be counted; nothing is asked without a limit."""

import pytest

from backfill.events.build import signals_read
from backfill.jobfile.load import load
from backfill.jobfile.overrides import with_overrides
from backfill.throttle.conditions.active_sessions import STATEMENT, query
from backfill.throttle.reading import Reading
from backfill.throttle.signals import SignalValue
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import JobError
from tests.factories import job, limits, signals
from tests.unit.throttle.conditions.found import conditions_in, keys, reasons

LIMITS = {"app": 40, "etl": 0}


def counted(*measured: SignalValue):
    return signals(query_values={STATEMENT: measured})


def test_a_role_above_its_limit_stops_the_job():
    found = conditions_in(counted(SignalValue("app", 52.0), SignalValue("etl", 0.0)), max_active_sessions=LIMITS)
    assert reasons(found) == ["active sessions of app 52 > 40"]
    assert keys(found) == {(WaitKind.LOAD, "app")}


def test_roles_at_their_limits_stop_nothing():
    reading = counted(SignalValue("app", 40.0), SignalValue("etl", 0.0))
    assert conditions_in(reading, max_active_sessions=LIMITS) == ()


def test_work_goes_on_as_soon_as_the_count_is_at_the_limit():
    stopped = keys(conditions_in(counted(SignalValue("app", 41.0)), max_active_sessions={"app": 40}))
    assert conditions_in(counted(SignalValue("app", 40.0)), stopped=stopped, max_active_sessions={"app": 40}) == ()


def test_sessions_that_cannot_be_counted_stop_the_job():
    reading = counted(SignalValue("app", None, "track_activities is off"))
    found = conditions_in(reading, max_active_sessions=LIMITS)
    assert reasons(found) == [
        "active sessions of app unknown: track_activities is off",
        "active sessions of etl unknown: not read yet",
    ]
    assert {condition.reason.kind for condition in found} == {WaitKind.BLIND}


def test_without_a_limit_nothing_is_asked_and_nothing_stops():
    assert query(limits()) is None
    assert conditions_in(counted(SignalValue("app", 9999.0))) == ()


def test_each_role_is_asked_for_and_shown_with_its_limit():
    one = job(throttle={"max_active_sessions": LIMITS})
    asked = query(one.throttle)
    assert asked is not None
    assert asked.parameters == {"roles": ["app", "etl"]}
    read = signals_read(one, ThrottleState(), counted(SignalValue("app", 52.0)))
    assert [reading for reading in read.readings if reading.measure == "active_sessions"] == [
        Reading(measure="active_sessions", subject="app", value=52.0, limit=40),
        Reading(measure="active_sessions", subject="etl", value=None, limit=0),
    ]


def test_the_limits_survive_a_change_of_others():
    one = job(throttle={"max_active_sessions": LIMITS})
    assert with_overrides(one, {"max_lag": "5s"}).throttle.max_active_sessions == (("app", 40), ("etl", 0))


def test_a_mistake_is_shown_at_its_line():
    text = "name: a\ntable: t\nset: {x: y}\nwhere: z\nthrottle: {max_active_sessions: {app: many}}\n"
    with pytest.raises(
        JobError, match=r"^job.yaml:5:33: active sessions of 'app' are 'many'; write a role and a whole"
    ):
        load(text, "job.yaml")


@pytest.mark.parametrize(
    "wrong", [{"app": "many"}, {"app": -1}, {"": 4}, {"app": {"max": 4}}, ["app"], 40, {"app": 1.5}]
)
def test_a_limit_that_is_no_role_and_number_is_refused(wrong):
    with pytest.raises(ValueError, match="app: 40"):
        limits(max_active_sessions=wrong)
