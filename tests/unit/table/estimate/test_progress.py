from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.table.estimate.progress import SHARE_MIN, SPACING_S, SPAN_MIN_S, SPAN_S, Progress


def steady(seconds: int, *, per_s: float = 0.001) -> Progress:
    progress = Progress()
    for at_s in range(seconds + 1):
        progress = progress.sample(float(at_s), at_s * per_s)
    return progress


def test_nothing_done_says_nothing():
    assert Progress().eta_s(10.0) is None


def test_too_short_a_history_says_nothing():
    assert steady(1).eta_s(SPAN_MIN_S / 2) is None


def test_a_slow_start_is_carried_on_to_nowhere():
    slow = Progress().sample(0.0, 0.0).sample(10.0, SHARE_MIN / 2)
    assert slow.eta_s(10.0) is None
    assert slow.sample(20.0, SHARE_MIN).eta_s(20.0) is not None


def test_a_steady_pace_is_carried_on_to_the_end():
    assert steady(100).eta_s(100.0) == pytest.approx(900.0)


def test_waiting_counts_against_the_pace():
    assert steady(100).eta_s(200.0) == pytest.approx(1800.0)


def test_no_progress_says_nothing():
    progress = Progress().sample(0.0, 0.5).sample(10.0, 0.5)
    assert progress.eta_s(10.0) is None


def test_only_the_last_minutes_count():
    slow_then_fast = steady(1000, per_s=0.0001)
    for at_s in range(1001, 1300):
        slow_then_fast = slow_then_fast.sample(float(at_s), 0.1 + (at_s - 1000) * 0.001)
    assert slow_then_fast.eta_s(1299.0) == pytest.approx((1 - 0.399) / 0.001, rel=0.05)


def test_a_new_pass_starts_anew():
    again = steady(100).sample(101.0, 0.0)
    assert again.samples == ((101.0, 0.0),)
    assert again.eta_s(102.0) is None


@given(st.lists(st.tuples(st.floats(0.01, 5.0), st.floats(0.0, 0.01)), max_size=300))
def test_memory_is_bounded_and_no_eta_is_negative(steps: list[tuple[float, float]]):
    progress, now_s, ratio = Progress(), 0.0, 0.0
    for elapsed_s, gained in steps:
        now_s, ratio = now_s + elapsed_s, min(1.0, ratio + gained)
        progress = progress.sample(now_s, ratio)
    assert len(progress.samples) <= 2 * SPAN_S / SPACING_S + 3
    eta_s = progress.eta_s(now_s)
    assert eta_s is None or eta_s >= 0
