"""The cost of a row rises at once and falls slowly, for first and later stripes apart."""

from __future__ import annotations

import pytest

from backfill.throttle.row_cost import WAL_BYTES_PRIOR, WEIGHT_DOWN, RowCost, after_batch


def batch(cost: RowCost, row_bytes: float, *, stripe: int = 0, rows: int = 100, row_s: float = 1e-5) -> RowCost:
    return after_batch(cost, stripe=stripe, rows=rows, wal_bytes=int(rows * row_bytes), took_s=rows * row_s)


def test_before_the_first_batch_a_row_is_thought_dear_and_its_time_unknown():
    assert RowCost().wal_bytes(0) == RowCost().wal_bytes(7) == WAL_BYTES_PRIOR
    assert RowCost().row_s is None


def test_a_dearer_batch_is_believed_at_once():
    assert batch(RowCost(), 5000).wal_bytes(0) == 5000


def test_a_cheaper_batch_is_believed_a_little():
    assert batch(RowCost(), 24).wal_bytes(0) == WAL_BYTES_PRIOR - WEIGHT_DOWN * (WAL_BYTES_PRIOR - 24)


def test_a_rising_rate_is_reached_in_the_end():
    cost = RowCost()
    for _ in range(40):
        cost = batch(cost, 200)
    assert cost.wal_bytes(0) == pytest.approx(200, rel=0.01)


def test_first_stripes_and_later_ones_have_their_own_costs():
    cost = batch(batch(RowCost(), 4000, stripe=0), 2000, stripe=3)
    assert (cost.wal_bytes(0), cost.wal_bytes(1), cost.wal_bytes(7)) == (4000, 2000, 2000)


def test_an_empty_batch_teaches_nothing():
    cost = batch(RowCost(), 4000)
    assert after_batch(cost, stripe=0, rows=0, wal_bytes=999, took_s=1.0) == cost


def test_the_first_time_is_believed_and_later_ones_smoothed():
    first = batch(RowCost(), 1000, row_s=1e-5)
    assert first.row_s == pytest.approx(1e-5)
    assert batch(first, 1000, row_s=2e-5).row_s == pytest.approx(1.3e-5)
