"""What a link carries, and what its replica feels: each link is used, and its queue stays a fraction of a second."""

from __future__ import annotations

import asyncio
from cProfile import Profile

import pytest

from backfill.throttle.decide import decide
from tests.sim.loop import loop
from tests.sim.path import MB
from tests.sim.paths import QUICK, WARM_S, link, under
from tests.sim.plant import Plant, Work


@pytest.mark.parametrize("rate", [1, 2, 4, 8, 16, 32, 64])
def test_a_link_is_used_and_its_queue_stays_a_fraction_of_a_second(rate: int):
    path = link(rate)
    run = under(path, max_lag="10s").run(WARM_S)
    assert run.use(path, 20.0) >= 0.9
    assert path.worst_lag_s < 1.0


def test_a_slow_replica_under_a_tight_budget():
    path = link(4)
    run = under(path, max_lag="2s", work=Work()).run(2.0)
    assert run.use(path, 20.0) >= 0.97
    assert path.worst_lag_s < 0.8


def test_a_tiny_link_is_used_within_its_budget():
    path = link(1 / 16)
    run = under(path, max_lag="10s").run(30.0)
    assert run.use(path, 90.0) >= 0.8
    assert path.worst_lag_s < 5.0


def test_a_huge_link_holds_nobody_back():
    alone, run = loop(Plant(work=QUICK, seed=1)), under(link(4096, replay_bytes_s=4096 * MB))
    before = [one.run(WARM_S).own_bytes for one in (alone, run)]
    after = [one.run(2 * WARM_S).own_bytes for one in (alone, run)]
    assert after[1] - before[1] > 0.9 * (after[0] - before[0])


def test_replay_may_be_the_bottleneck():
    path = link(1000, replay_bytes_s=4 * MB)
    run = under(path).run(WARM_S)
    assert run.use(path, 20.0) >= 0.95
    assert path.worst_lag_s < 1.0


@pytest.mark.parametrize("replies_s", [0.01, 0.1, 0.2])
def test_a_far_replica_is_used_too(replies_s: float):
    path = link(4, latency_s=0.025, reply_s=replies_s)
    run = under(path).run(WARM_S)
    assert run.use(path, 20.0) >= 0.9
    assert path.worst_lag_s < 1.0


@pytest.mark.parametrize("round_trip_s", [0.005, 0.02, 0.05])
def test_a_worker_far_from_its_server_still_moves(round_trip_s: float):
    path = link(4)
    run = under(path, work=Work(round_trip_s=round_trip_s)).run(WARM_S)
    assert run.use(path, 30.0) >= 0.97
    assert path.worst_lag_s < 1.0


def test_a_start_from_nothing_finds_a_fast_link():
    for rate, use in ((4, 0.9), (64, 0.8)):
        path = link(rate)
        run = under(path)
        assert run.use(path, WARM_S) >= use
        assert path.worst_lag_s < 0.6


def test_a_worker_that_nothing_holds_back_waits_for_no_disk():
    run = under(link(4096, replay_bytes_s=4096.0 * MB)).run(WARM_S)
    before, flushes = run.own_bytes, run.flushes
    run.run(3 * WARM_S)
    assert run.own_bytes - before > 100 * MB
    assert run.flushes - flushes <= 5


def test_one_that_its_window_holds_back_flushes_what_it_writes():
    run = under(link(4)).run(20.0)
    assert run.flushes > 0.9 * len(run.plant.batches)


def test_one_that_its_own_rate_holds_back_flushes_too_and_costs_readers_next_to_nothing():
    lags: list[float] = []
    path = link(64)
    run = under(path, max_wal_rate="4MB/s")
    run.plant.watch, run.plant.watch_s = lambda: lags.append(path.lag_s), 0.02
    run.run(20.0)
    assert run.flushes > 0.8 * len(run.plant.batches)
    assert sorted(lags)[len(lags) // 2] < 0.05


def test_behind_a_synchronous_standby_commits_wait_little():
    """An application's commit waits for all WAL before it: its wait is what the queue costs others."""
    waits: list[float] = []
    path = link(4, sync=True)
    run = under(path, work=Work(row_s=3e-6, foreign=((0.0, 1.0 * MB),)))
    run.plant.watch, run.plant.watch_s = lambda: waits.append(path.commit_s), 0.02
    assert run.use(path, 20.0) >= 0.95
    assert sorted(waits)[len(waits) // 2] < 0.12
    assert max(waits) < 0.3


def test_a_synchronous_standby_far_away_is_used():
    path = link(4, sync=True, latency_s=0.025)
    run = under(path).run(WARM_S)
    assert run.use(path, 20.0) >= 0.95
    assert path.worst_lag_s < 0.5


def calls_of_a_decision(replicas: int) -> int:
    """How many functions of Python and C one decision over so many replicas calls."""
    run = under(*(link(64, name=f"replica-{number}") for number in range(replicas))).run(2.0)
    run.plant.until_s = 3.0
    reading = asyncio.run(run.plant.read_signals())
    profile = Profile()
    profile.runcall(decide, run.job.throttle, run.job.batch, run.control.throttle_state, reading, 0)
    return sum(entry.callcount for entry in profile.getstats())


def test_a_hundred_replicas_are_no_burden():
    """Ten times the replicas are ten times the calls and no more; a few dozen calls each are some microseconds."""
    few, many = calls_of_a_decision(10), calls_of_a_decision(100)
    assert many < 12 * few
    assert many < 100 * 100


def test_of_two_replicas_the_slow_one_governs():
    slow, fast = link(4), link(64, name="replica-b")
    run = under(slow, fast).run(WARM_S)
    assert run.use(slow, 20.0) >= 0.95
    assert max(slow.worst_lag_s, fast.worst_lag_s) < 1.0


def test_when_the_slow_one_becomes_quick_the_other_governs():
    one, other = link(1, (15.0, 64)), link(8, name="replica-b")
    run = under(one, other).run(25.0)
    assert run.use(other, 40.0) >= 0.9
    assert max(one.worst_lag_s, other.worst_lag_s) < 1.5
