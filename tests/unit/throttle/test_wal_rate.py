"""max_wal_rate is a debt that time pays off: the average holds, and no burst follows a pause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.throttle.wal_rate import DEBT_MAX_S, RATE_WINDOW_S, SAVED_S, WalDebt, pass_time, spend, wait_s

MB = 1024 * 1024


def test_nothing_is_owed_at_the_start():
    assert wait_s(WalDebt(), MB) == 0.0


def test_a_batch_owes_its_bytes_at_the_rate():
    assert wait_s(spend(WalDebt(), 3 * MB), MB) == 3.0


def test_time_pays_at_the_rate():
    owing = spend(WalDebt(at_s=10.0), 3 * MB)
    assert wait_s(pass_time(owing, 12.0, MB), MB) == pytest.approx(1.0)
    assert wait_s(pass_time(owing, 13.0, MB), MB) == 0.0


def test_idle_time_is_not_saved_up_for_a_burst():
    rested = pass_time(WalDebt(), 3600.0, MB)
    assert rested.debt_bytes == -MB * SAVED_S
    assert wait_s(spend(rested, MB), MB) == pytest.approx(1.0 - SAVED_S)


def test_a_clock_that_steps_back_pays_nothing():
    owing = spend(WalDebt(at_s=10.0), MB)
    assert pass_time(owing, 9.0, MB).debt_bytes == MB


def test_the_own_rate_fades_to_nothing():
    spent = spend(WalDebt(), MB)
    assert spent.own_rate_bytes_s == MB / RATE_WINDOW_S
    assert pass_time(spent, RATE_WINDOW_S / 2, MB).own_rate_bytes_s == pytest.approx(spent.own_rate_bytes_s / 2)
    assert pass_time(spent, RATE_WINDOW_S, MB).own_rate_bytes_s == 0.0


@given(st.lists(st.floats(0.0001, DEBT_MAX_S), min_size=1, max_size=60), st.integers(16 * 1024, 64 * MB))
def test_one_that_waits_out_its_debt_never_exceeds_the_rate(batches_s: list[float], rate: int):
    """Batches that owe no more than they can."""
    wal_debt, now_s, written = WalDebt(), 0.0, 0
    for wal_bytes in (int(one * rate) for one in batches_s):
        wal_debt = pass_time(wal_debt, now_s, rate)
        now_s += wait_s(wal_debt, rate)
        wal_debt = pass_time(wal_debt, now_s, rate)
        assert written <= rate * (now_s + SAVED_S) * 1.000001 + 1
        wal_debt, written = spend(wal_debt, wal_bytes), written + wal_bytes


def test_what_others_wrote_during_a_batch_is_no_debt_without_end():
    """A segment that is switched in mid-batch moves the LSN by up to 16 MB, and no replica gets a byte more."""
    wal_debt = pass_time(spend(WalDebt(), 500 * MB), 0.0, MB)
    assert wait_s(wal_debt, MB) == DEBT_MAX_S
