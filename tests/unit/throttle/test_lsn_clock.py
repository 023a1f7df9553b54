"""The LSN clock against the truth that it samples."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.throttle.lsn_clock import SAMPLES_MAX, SPACING_S, LsnClock


def clock(*samples: tuple[float, int]) -> LsnClock:
    made = LsnClock()
    for at_s, lsn in samples:
        made = made.tick(at_s, lsn)
    return made


def test_a_clock_without_samples_shows_no_lag():
    assert LsnClock().lag_s(5.0, 0) == 0.0


def test_a_replica_that_has_everything_is_not_behind():
    assert clock((0.0, 100), (1.0, 200)).lag_s(9.0, 200) == 0.0
    assert clock((0.0, 100), (1.0, 200)).lag_s(9.0, 250) == 0.0


def test_lag_is_the_age_of_the_moment_at_which_the_primary_passed_the_position():
    assert clock((0.0, 100), (1.0, 200), (2.0, 300)).lag_s(3.0, 200) == 2.0


def test_between_samples_the_moment_is_interpolated():
    assert clock((0.0, 100), (1.0, 200)).lag_s(3.0, 150) == 2.5


def test_lag_grows_while_a_replica_is_frozen():
    made = clock((0.0, 100), (1.0, 200))
    assert [made.tick(at_s, 200).lag_s(at_s, 150) for at_s in (2.0, 5.0, 60.0)] == [1.5, 4.5, 59.5]


def test_an_idle_hour_adds_no_lag_to_what_comes_after_it():
    made = clock((0.0, 100), (1.0, 200), (3601.0, 200), (3602.0, 300))
    assert made.lag_s(3602.0, 200) == 1.0


def test_an_idle_hour_takes_no_lag_from_what_came_before_it():
    made = clock((0.0, 100), (1.0, 200), (1800.0, 200), (3601.0, 200))
    assert made.lag_s(3601.0, 150) == 3600.5
    assert made.tick(3602.0, 300).lag_s(3602.0, 150) == 3601.5


def test_an_idle_hour_costs_no_memory():
    made = clock((0.0, 100), *((float(at_s), 100) for at_s in range(1, 3600)))
    assert len(made.at_s) == 2


def test_behind_the_first_sample_lag_is_at_least_the_clocks_age():
    assert clock((10.0, 1000), (11.0, 2000)).lag_s(15.0, 500) == 5.0


def test_samples_closer_than_the_spacing_are_one():
    made = clock(*((index * SPACING_S / 10, index) for index in range(100)))
    assert len(made.at_s) <= 12


def test_memory_is_bounded_and_the_oldest_sample_stays():
    made = clock(*((float(index), index) for index in range(3 * SAMPLES_MAX)))
    assert len(made.at_s) <= SAMPLES_MAX
    assert made.lag_s(3.0 * SAMPLES_MAX, 0) == 3.0 * SAMPLES_MAX


STEPS = st.lists(
    st.tuples(st.floats(0.001, 5.0), st.one_of(st.just(0), st.integers(1, 10**7))), min_size=2, max_size=80
)


@given(STEPS, st.floats(0.0, 1.0))
def test_lag_is_true_to_within_the_spacing(steps: list[tuple[float, int]], share: float):
    """WAL appears just when it is sampled: the true age of a byte is that of the first sample that has it."""
    at_s, lsn = list(accumulate(one[0] for one in steps)), list(accumulate(one[1] for one in steps))
    made = clock(*zip(at_s, lsn, strict=True))
    replayed = int(lsn[0] + share * (lsn[-1] - lsn[0]))
    if replayed >= lsn[-1]:
        return
    after = bisect_right(lsn, replayed)
    youngest, oldest = at_s[-1] - at_s[after], at_s[-1] - at_s[after - 1]
    assert youngest - 1e-9 <= made.lag_s(at_s[-1], replayed) <= oldest + SPACING_S + 1e-9


@given(STEPS)
def test_samples_ascend(steps: list[tuple[float, int]]):
    made = clock(*zip(accumulate(one[0] for one in steps), accumulate(one[1] for one in steps), strict=True))
    assert list(made.at_s) == sorted(made.at_s)
    assert list(made.lsn) == sorted(made.lsn)
    assert len(made.at_s) == len(made.lsn)


def test_a_position_that_goes_back_is_not_believed():
    made = clock((0.0, 100), (1.0, 200)).tick(2.0, 150)
    assert made.lsn[-1] == 200
    assert made.lag_s(3.0, 100) == pytest.approx(3.0)


def test_the_age_of_a_position_is_the_time_since_it_was_first_reached():
    clock = LsnClock().tick(0.0, 100).tick(1.0, 200).tick(5.0, 200)
    assert (clock.age_s(6.0, 200), clock.age_s(6.0, 150)) == (5.0, 5.5)
    assert clock.lag_s(6.0, 200) == 0.0


def test_the_age_of_what_was_never_reached_is_nothing():
    assert LsnClock().age_s(6.0, 200) == 0.0
    assert LsnClock().tick(0.0, 100).age_s(6.0, 200) == 0.0
    assert LsnClock().tick(1.0, 100).age_s(6.0, 50) == 5.0
