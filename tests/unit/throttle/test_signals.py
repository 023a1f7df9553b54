"""Replicas that report a lag and no position get the position of the primary at that time."""

from __future__ import annotations

from backfill.throttle import decide
from backfill.throttle.decision_values import Run, Wait
from backfill.throttle.lsn_clock import LsnClock
from backfill.throttle.signals import Replica, located
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from tests.factories import MB, batch, limits, replica, signals


def clock(*samples: tuple[float, int]) -> LsnClock:
    made = LsnClock()
    for at_s, lsn in samples:
        made = made.tick(at_s, lsn)
    return made


def aurora(lag_s: float | None, name: str = "reader-1") -> Replica:
    return Replica(name=name, state="aurora", replay_lsn=None, lag_s=lag_s)


def test_a_reader_that_reports_a_lag_is_where_the_primary_was_then():
    reading = signals(10.0, 10 * MB, aurora(2.5))
    [found] = located(reading, clock((0.0, 0), (9.0, 9 * MB))).replicas
    assert found.replay_lsn is not None
    assert abs(found.replay_lsn - 7.5 * MB) < 2


def test_a_lag_from_before_our_time_is_the_first_position_that_we_know():
    [found] = located(signals(10.0, 10 * MB, aurora(60.0)), clock((8.0, 8 * MB))).replicas
    assert found.replay_lsn == 8 * MB


def test_no_lag_is_no_position():
    [found] = located(signals(10.0, 10 * MB, aurora(None)), clock((0.0, 0))).replicas
    assert found.replay_lsn is None


def test_positions_that_were_read_stay():
    reading = signals(10.0, 10 * MB, replica("a", 5 * MB), aurora(0.0))
    assert located(reading, clock((0.0, 0))).replicas[0] == reading.replicas[0]


def test_a_reader_above_the_budget_stops_us_by_the_lag_that_it_reports():
    throttle_state = ThrottleState(clock=clock((9.9, MB)))
    reading = located(signals(10.0, MB, aurora(12.0)), throttle_state.clock)
    decision, throttle_state = decide.decide(limits(), batch(), throttle_state, reading, 0)
    assert isinstance(decision, Wait)
    assert str(decision.reason) == "reader-1 lag 12s > 9s"
    decision, _ = decide.decide(
        limits(), batch(), throttle_state, located(signals(11.0, MB, aurora(0.1)), throttle_state.clock), 0
    )
    assert isinstance(decision, Run)


def test_a_reader_that_is_gone_is_missed():
    throttle_state = ThrottleState(clock=clock((9.9, MB)))
    _, throttle_state = decide.decide(
        limits(), batch(), throttle_state, located(signals(10.0, MB, aurora(0.1)), throttle_state.clock), 0
    )
    decision, _ = decide.decide(limits(), batch(), throttle_state, signals(10.5, MB), 0)
    assert isinstance(decision, Wait)
    assert decision.reason.kind is WaitKind.MISSING
