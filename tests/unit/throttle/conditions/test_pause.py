"""A pause stops the job before anything else is looked at, as long as it holds, and says who paused it, when and why."""

import pytest

from backfill.throttle.conditions.cancellation import refuse_cancelled
from backfill.throttle.decide import STOPPED_POLL_S, decide
from backfill.throttle.decision_values import Wait
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import Cancelled
from tests.factories import batch, limits, replica, request, signals
from tests.unit.throttle.conditions.found import conditions_in, keys, reasons


def test_a_pause_is_the_first_reason_also_where_nothing_can_be_seen():
    for reading in (
        signals(0.0, 0, replica(replay_lsn=None), request=request()),
        signals(visible=False, request=request()),
    ):
        found = conditions_in(reading)
        assert reasons(found)[0] == "paused by alice since 2026-11-29 10:02 UTC"
        assert len(found) == 2
        assert (WaitKind.PAUSED, "") in keys(found)


def test_its_end_and_its_reason_are_shown():
    paused = request(until="2026-11-29 12:02 UTC", left_s=7200.0, reason="deploy")
    assert reasons(conditions_in(signals(request=paused))) == [
        "paused by alice since 2026-11-29 10:02 UTC, until 2026-11-29 12:02 UTC (deploy)"
    ]


@pytest.mark.parametrize("left_s", [0.0, -0.001, -1e9])
def test_a_pause_whose_end_has_come_stops_nothing(left_s: float):
    assert conditions_in(signals(request=request(left_s=left_s))) == ()


@pytest.mark.parametrize("action", ["resume", "restart", "cancel"])
def test_no_other_request_is_a_pause(action: str):
    assert conditions_in(signals(request=request(action))) == ()


@pytest.mark.parametrize(("left_s", "delay_s"), [(None, STOPPED_POLL_S), (9.0, STOPPED_POLL_S), (0.1, 0.1)])
def test_the_end_of_a_pause_is_not_slept_through(left_s: float | None, delay_s: float):
    decision, _ = decide(limits(), batch(), ThrottleState(), signals(request=request(left_s=left_s)), 0)
    assert isinstance(decision, Wait)
    assert decision.delay_s == delay_s


def test_a_cancelled_job_is_refused_with_the_way_out():
    refuse_cancelled("users-handle", None)
    refuse_cancelled("users-handle", request("pause"))
    with pytest.raises(Cancelled) as caught:
        refuse_cancelled("users-handle", request("cancel", reason="wrong column"))
    assert str(caught.value) == (
        "job 'users-handle' was cancelled by alice at 2026-11-29 10:02 UTC (wrong column); filled rows stay filled;"
        " to start it again: backfill run JOB.yaml --restart"
    )
    assert caught.value.exit_code == 4
