"""The rivals' laws do what their authors wrote."""

from collections import deque

import pytest

from bench.rival_throttles import DoublingSleep, Efficiency, FixedSleep, OnOff, SoftHard, Step, grown, smoothed


def test_a_fixed_sleep_looks_at_nothing():
    assert FixedSleep(500, 0.1).step(took_s=9.0, lag_s=99.0) == Step(500, 0.1)


def test_on_off_runs_at_its_threshold_and_looks_again_above():
    law = OnOff(rows=1000, threshold_s=1.0)
    assert law.step(0.1, 1.0) == Step(1000)
    assert law.step(0.1, 1.001) == Step(0, 0.1)


def test_a_doubling_sleep_stays_between_its_ends():
    law = DoublingSleep(rows=500, threshold_s=1.0)
    assert [law.step(0.1, 2.0).sleep_s for _ in range(12)][-3:] == [102.4] * 3
    assert [law.step(0.1, 0.0).sleep_s for _ in range(12)][-3:] == [0.1] * 3


@pytest.mark.parametrize(
    ("lag_s", "step"),
    [
        (4.9, Step(1000)),
        (5.0, Step(500, 0.1)),
        (17.5, Step(500, 0.05 * 6)),
        (30.0, Step(0, 1.0)),
    ],
)
def test_between_soft_and_hard_there_is_half_a_batch_and_a_sleep(lag_s, step):
    assert SoftHard(1000, soft_s=5.0, hard_s=30.0).step(0.1, lag_s) == step


@pytest.mark.parametrize(("efficiency", "rows"), [(0.1, 1200), (0.9, 1000), (0.95, 1000), (1.9, 500), (9.5, 400)])
def test_a_job_grows_by_a_fifth_at_most_and_shrinks_to_its_first_size(efficiency, rows):
    assert grown(1000, efficiency, rows_min=400) == rows


def test_the_newest_job_weighs_most():
    assert smoothed(deque([1.0, 0.0])) == round(1 / 1.6, 2)


def test_a_job_of_gitlab_fills_the_rest_of_its_interval_with_sleep():
    law = Efficiency(rows=200, interval_s=2.0, sub_batch_rows=100, pause_s=0.1)
    assert law.step(0.0, 0.0) == Step(100)
    assert law.step(0.4, 99.0) == Step(100, 0.1)
    last = law.step(0.4, 99.0)
    assert last.rows == 100
    assert last.sleep_s == pytest.approx(0.1 + 2.0 - 1.0)
    assert law.rows == 240
