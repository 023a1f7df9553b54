"""Sessions that wait for our locks make the next batches smaller and later; success makes them larger again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backfill.throttle import decide, lock_backoff
from backfill.throttle import state as states
from backfill.throttle.decision_values import Run, Wait
from backfill.throttle.lock_backoff import PAUSE_MAX_S, SHARE_MIN, LockBackoff
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from tests.factories import batch, limits, signals


def after(*sessions: int, limit: int = 0, at_s: float = 100.0) -> LockBackoff:
    made = LockBackoff()
    for count in sessions:
        made = lock_backoff.after_batch(made, at_s, sessions=count, limit=limit)
    return made


def decided(throttle_state: ThrottleState, at_s: float, **changed):
    return decide.decide(limits(**changed), batch(), throttle_state, signals(at_s), 0)


def test_a_batch_that_nobody_waited_for_changes_nothing():
    assert after(0, 0, 0) == LockBackoff()


def test_sessions_within_the_limit_are_none_of_our_business():
    assert after(3, limit=3) == LockBackoff(sessions=3)


def test_the_next_batch_is_half_as_large_and_comes_later_each_time():
    pauses = [after(*[1] * times).until_s - 100 for times in (1, 2, 3)]
    assert [after(*[1] * times).share for times in (1, 2, 3)] == [0.5, 0.25, 0.125]
    assert pauses == [0.25, 0.5, 1.0]


def test_it_heals_step_by_step():
    healed = after(2, 2, 0)
    assert (healed.sessions, healed.until_s, healed.times) == (0, 0.0, 0)
    assert 0.25 < healed.share < 0.5
    assert after(2, 2, *[0] * 20).share == 1.0


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 5))
def test_whatever_waits_the_share_and_the_pause_are_bounded(sessions: list[int], limit: int):
    found = after(*sessions, limit=limit)
    assert SHARE_MIN <= found.share <= 1
    assert found.until_s <= 100.0 + PAUSE_MAX_S


def test_blocked_sessions_stop_the_next_batch_with_their_number():
    throttle_state = states.after_lock_waits(ThrottleState(), 100.0, 3, 0)
    decision, throttle_state = decided(throttle_state, 100.1)
    assert isinstance(decision, Wait)
    assert (decision.reason.kind, str(decision.reason)) == (WaitKind.BLOCKED, "blocked sessions 3 > 0")
    decision, _ = decided(throttle_state, 100.3)
    assert isinstance(decision, Run)
    assert decision.limited_by == "blocked sessions"


def test_the_smaller_batch_is_smaller_than_min_rows_if_need_be():
    throttle_state = ThrottleState()
    for _ in range(4):
        throttle_state = states.after_lock_waits(throttle_state, 0.0, 1, 0)
    decision, _ = decided(throttle_state, 100.0)
    assert isinstance(decision, Run)
    assert decision.rows < batch().min_rows
