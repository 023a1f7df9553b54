"""Accidents and limits: frozen and missing replicas, rows dearer than the window, rates and budgets that hold."""

from __future__ import annotations

import pytest

from backfill.throttle.batch_size import DEBT_S
from backfill.throttle.row_cost import RowCost
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from tests.sim.path import MB
from tests.sim.paths import KB, link, under
from tests.sim.plant import Work


@pytest.mark.parametrize("budget", ["10s", "60s"])
def test_a_frozen_replica_adds_at_most_a_window(budget: str):
    path = link(4, frozen=((10.0, 70.0),))
    run = under(path, max_lag=budget).run(10.0)
    window, batch = run.control.throttle_state.wal_budget_bytes, max(one.wal_bytes for one in run.plant.batches)
    path.worst_bytes = 0.0
    run.run(70.0)
    assert path.worst_bytes <= window + batch
    run.run(74.0)
    assert run.plant.batches[-1].at_s > 73.0
    assert run.use(path, 84.0) >= 0.9


def test_a_frozen_replica_shows_as_lag_once_it_is_near_its_budget():
    run = under(link(4, frozen=((10.0, 40.0),)), max_lag="10s").run(40.0)
    told = [one.reason for one in run.waits if one.reason.kind is WaitKind.LAG]
    assert told
    assert str(told[0]).startswith("replica-a lag 9")


def test_nothing_goes_while_a_replica_is_out_of_view():
    run = under(link(4, cut=((10.0, 20.0),)), link(8, name="replica-b")).run(30.0)
    went = [one.at_s for one in run.plant.batches]
    assert not [at_s for at_s in went if 10.1 < at_s < 20.0]
    assert max(went) > 29.0
    assert any(str(one.reason).startswith("replica-a is not connected") for one in run.waits)


def test_a_replica_that_returns_far_behind_is_waited_for():
    path = link(4, cut=((10.0, 30.0),))
    work = Work(foreign=((0.0, 0.0), (10.0, 2.0 * MB), (30.0, 0.0)))
    run = under(path, max_lag="10s", work=work).run(30.0)
    assert path.behind > 39 * MB
    run.run(30.5)
    assert not [one for one in run.plant.batches if one.at_s > 10.1]
    run.run(50.0)
    first = next(one.at_s for one in run.plant.batches if one.at_s > 30.0)
    assert first > 30.0 + 20 * MB / (4 * MB)
    assert {WaitKind.BLIND, WaitKind.MISSING, WaitKind.LAG} <= {one.reason.kind for one in run.waits}
    assert run.use(path, 60.0) >= 0.9


def test_after_a_stop_work_resumes_once():
    """Without hysteresis each batch that lag allows would stop the next one."""
    run = under(link(4), max_lag="10s", work=Work(foreign=((0.0, 0.0), (5.0, 12.0 * MB), (12.0, 1.0 * MB)))).run(40.0)
    kinds = [one.reason.kind for one in run.waits]
    stops = [
        index for index in range(1, len(kinds)) if kinds[index] is WaitKind.LAG and kinds[index - 1] is not WaitKind.LAG
    ]
    resumed = next(one.at_s for one in run.plant.batches if one.at_s > 13.0)
    assert len(stops) == 1
    assert run.plant.paths[0].lag_s < 1.0
    assert 14.0 < resumed < 35.0


def test_a_replica_that_is_behind_when_we_begin_is_caught_up_with_first():
    path = link(4, behind_bytes=20 * MB)
    run = under(path, max_lag="10s").run(4.0)
    assert run.own_bytes < MB
    run.run(8.0)
    assert run.use(path, 20.0) >= 0.9


def test_a_row_dearer_than_the_window_still_goes():
    work = Work(row_bytes=500.0 * KB, noise=0.0)
    run = under(link(1), max_lag="10s", work=work)
    run.control.throttle_state = ThrottleState(cost=RowCost(500.0 * KB, 500.0 * KB, 1e-5))
    run.run(30.0)
    assert {one.rows for one in run.plant.batches} == {1}
    assert len(run.plant.batches) > 30
    assert run.longest_pause_s < 2.0
    assert run.plant.paths[0].worst_lag_s < 10.0


@pytest.mark.parametrize("rate", ["256kB/s", "1MB/s", "16MB/s"])
def test_own_wal_stays_at_its_rate(rate: str):
    bytes_s = {"256kB/s": 256 * KB, "1MB/s": MB, "16MB/s": 16 * MB}[rate]
    run = under(link(64), max_wal_rate=rate).run(20.0)
    assert 0.9 * bytes_s * 20 < run.own_bytes < bytes_s * (20 + 2 * DEBT_S)
    assert run.longest_pause_s < 2.0


@pytest.mark.parametrize(("least", "most"), [(1, 1), (1, 50), (500, 2000)])
def test_rows_stay_within_their_limits(least: int, most: int):
    run = under(link(64), batch={"min_rows": least, "rows": most, "max_rows": most}).run(5.0)
    assert run.plant.batches
    assert max(one.rows for one in run.plant.batches) <= most


def test_a_budget_of_bytes_is_kept_too():
    path = link(16)
    under(path, max_lag="60s", max_lag_bytes="4MB").run(20.0)
    assert path.worst_bytes < 4 * MB
