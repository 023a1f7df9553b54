from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.core.retry import BACKOFF_MAX_S, BACKOFF_S, Remedy, backoff_s, classify

POLICY = [
    ("40001", Remedy.RETRY),
    ("40P01", Remedy.SHRINK),
    ("55P03", Remedy.SHRINK),
    ("57014", Remedy.SHRINK),
    ("53200", Remedy.SHRINK),
    ("53300", Remedy.RECONNECT),
    ("57P01", Remedy.RECONNECT),
    ("57P02", Remedy.RECONNECT),
    ("57P03", Remedy.RECONNECT),
    ("08006", Remedy.RECONNECT),
    ("25P03", Remedy.RECONNECT),
    ("25006", Remedy.HALT),
    ("53100", Remedy.HALT),
    ("42501", Remedy.HALT),
    ("23505", Remedy.FAIL),
    ("22P02", Remedy.FAIL),
    ("42703", Remedy.FAIL),
    ("XX000", Remedy.FAIL),
    ("", Remedy.FAIL),
]


@pytest.mark.parametrize(("sqlstate", "remedy"), POLICY)
def test_a_sqlstate_has_its_remedy(sqlstate: str, remedy: Remedy):
    assert classify(sqlstate) is remedy


@given(st.text(max_size=8))
def test_every_text_has_a_remedy(sqlstate: str):
    assert classify(sqlstate) in Remedy


def test_the_wait_doubles_up_to_its_bound():
    assert [backoff_s(attempt, 1.0) for attempt in range(1, 5)] == [
        BACKOFF_S,
        2 * BACKOFF_S,
        4 * BACKOFF_S,
        8 * BACKOFF_S,
    ]
    assert backoff_s(1000, 1.0) == BACKOFF_MAX_S


@given(st.integers(1, 10**9), st.floats(0.0, 1.0))
def test_the_wait_is_never_nothing_and_never_above_its_bound(attempt: int, jitter: float):
    assert BACKOFF_S / 2 <= backoff_s(attempt, jitter) <= BACKOFF_MAX_S


def test_jitter_takes_at_most_half():
    assert backoff_s(3, 0.0) == backoff_s(3, 1.0) / 2
