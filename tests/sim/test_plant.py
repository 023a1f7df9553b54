"""The law in a closed loop with a plant: what replicas feel, whatever the primary, the links and the others do."""

from __future__ import annotations

import asyncio
import math
from time import perf_counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.throttle.batch_size import DEBT_S
from backfill.throttle.controller import PATIENCE_S, decide
from backfill.throttle.row_cost import RowCost
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from tests.sim.loop import Loop, loop
from tests.sim.path import MB, Path
from tests.sim.plant import WALWRITER_S, Plant, Work
from tests.sim.server import START_LSN

KB = 1024
WARM_S = 6.0
QUICK = Work(row_s=3e-6)


def link(rate: float, *steps: tuple[float, float], **changed) -> Path:
    """Return a path of `rate` MB/s, later of others."""
    return Path(rates=((0.0, rate * MB), *((at_s, one * MB) for at_s, one in steps)), **changed)


def under(path: Path, *others: Path, work: Work = QUICK, seed: int = 1, **throttle) -> Loop:
    return loop(Plant(path, *others, work=work, seed=seed), **throttle)


# The plant itself.


def test_the_same_seed_is_the_same_run():
    def story(seed: int):
        return under(link(4), seed=seed).run(5.0).plant.batches

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_a_plant_replays_no_faster_than_its_link():
    path = link(4)
    plant = Plant(path, work=Work(noise=0))
    plant.fill(100_000, 0)
    plant.pass_time(2.0)
    assert path.replayed - START_LSN == pytest.approx(4 * MB * plant.now_s, rel=0.1)
    assert path.behind == pytest.approx(45_000_000 - (path.replayed - START_LSN), rel=0.01)


def test_a_plants_lag_is_the_age_of_the_oldest_byte_that_is_not_replayed():
    path = link(1, latency_s=0.0)
    plant = Plant(path, work=Work(noise=0, row_s=0.0, commit_s=0.005, round_trip_s=0.0))
    plant.fill(10_000, 0)
    written_s = plant.now_s
    plant.pass_time(2.0)
    assert path.lag_s == pytest.approx(plant.now_s - written_s, abs=2 * 0.005)
    plant.pass_time(5.0)
    assert path.lag_s == 0.0


def test_asynchronous_commits_wait_for_the_walwriter():
    path = link(1000)
    plant = Plant(path)
    plant.pass_time(1.0)
    plant.fill(10, 0)
    assert path.replayed == START_LSN
    plant.pass_time(WALWRITER_S + 0.05)
    assert path.behind == 0


# What a link carries, and what its replica feels.


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


def test_a_hundred_replicas_are_no_burden():
    """A decision over a hundred replicas takes less than a millisecond; the rest is for a busy machine."""
    run = under(*(link(64, name=f"replica-{number}") for number in range(100))).run(2.0)
    run.plant.until_s = 3.0
    reading = asyncio.run(run.plant.read_signals())
    took_s = []
    for _ in range(20):
        began_s = perf_counter()
        decide(run.job.throttle, run.job.batch, run.control.throttle_state, reading, 0)
        took_s.append(perf_counter() - began_s)
    assert min(took_s) < 3e-3


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


# What changes under us.


@pytest.mark.parametrize("work", [QUICK, Work(row_s=28e-6)], ids=["quick", "busy"])
def test_a_link_that_narrows_six_times_is_followed(work: Work):
    path = link(24, (10.0, 4))
    run = under(path, max_lag="10s", work=work).run(10.0)
    run.run(14.0)
    assert path.worst_lag_s < 3.5
    path.worst_lag_s = 0.0
    assert run.use(path, 25.0) >= 0.95
    assert path.worst_lag_s < 1.0


def test_a_link_that_narrows_and_widens_is_followed_within_two_seconds():
    path = link(4, (10.0, 1), (20.0, 4))
    run = under(path, max_lag="2s").run(WARM_S)
    assert run.use(path, 35.0) >= 0.97
    assert path.worst_lag_s < 2.0


def test_a_checkpoints_jump_in_wal_is_survived():
    path = link(4)
    work = Work(checkpoints=((8.0, 11.0), (15.0, 18.0)), checkpoint_factor=5.0)
    run = under(path, max_lag="1s", work=work).run(WARM_S)
    assert run.use(path, 25.0) >= 0.95
    assert path.worst_lag_s < 1.0


def test_first_stripes_that_pay_full_page_images_are_foreseen():
    path = link(4)
    under(path, max_lag="2s", work=Work(first_stripe=5.0)).run(25.0)
    assert path.worst_lag_s < 1.0


def test_others_wal_takes_its_share_first():
    path = link(4)
    run = under(path, work=Work(foreign=((0.0, 3.0 * MB),))).run(WARM_S)
    assert run.use(path, 20.0) >= 0.95
    assert path.worst_lag_s < 1.0


def test_others_that_fill_the_link_alone_leave_us_little_but_not_nothing():
    path = link(4)
    run = under(path, max_lag="60s", work=Work(foreign=((0.0, 0.0), (5.0, 4.2 * MB)))).run(5.0)
    before = len(run.plant.batches)
    run.run(45.0)
    during = run.plant.batches[before:]
    assert 10 <= len(during) <= 40 / PATIENCE_S + 15
    assert run.longest_pause_s < 2 * PATIENCE_S


def test_an_idle_hour_is_followed_by_no_burst():
    path = link(4)
    run = under(path, max_lag="2s").run(10.0)
    run.plant.pass_time(3600.0)
    run.run(run.plant.now_s + 10.0)
    assert path.worst_lag_s < 1.0
    assert {one.reason.kind for one in run.waits} == {WaitKind.WINDOW}


# Accidents.


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


def test_a_frozen_replica_is_told_as_lag_once_it_is_near_its_budget():
    run = under(link(4, frozen=((10.0, 40.0),)), max_lag="10s").run(40.0)
    told = [one.reason for one in run.waits if one.reason.kind is WaitKind.LAG]
    assert told
    assert str(told[0]).startswith("replica-a lag 9")


def test_nothing_goes_while_a_replica_is_out_of_view():
    run = under(link(4, cut=((10.0, 20.0),)), link(8, name="replica-b")).run(30.0)
    went = [one.at_s for one in run.plant.batches]
    assert not [at_s for at_s in went if 10.1 < at_s < 20.0]
    assert max(went) > 29.0
    assert "replica-a is not connected (missing from pg_stat_replication)" in {str(one.reason) for one in run.waits}


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


# Limits.


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


# Any plant.

RATE = st.floats(0.0, 6.0).map(lambda power: 2**power)


@st.composite
def paths(draw, name: str) -> Path:
    """Return a path of 1 to 64 MB/s that may narrow to no less than half, once, and then be anything wider."""
    rate = draw(RATE)
    steps = []
    if draw(st.booleans()):
        at_s = draw(st.floats(3.0, 9.0))
        narrowed = rate * draw(st.floats(0.5, 1.0))
        steps = [(at_s, narrowed), (at_s + draw(st.floats(2.0, 5.0)), narrowed * draw(st.floats(1.0, 4.0)))]
    return link(
        rate,
        *steps,
        name=name,
        latency_s=draw(st.floats(0.0, 0.05)),
        replay_bytes_s=draw(st.floats(2.0, 200.0)) * MB,
        reply_s=draw(st.floats(0.01, 0.2)),
    )


@st.composite
def plants(draw) -> Plant:
    made = [draw(paths(name)) for name in ("replica-a", "replica-b", "replica-c")[: draw(st.integers(1, 3))]]
    slowest = min(min(rate for _, rate in path.rates) for path in made)
    slowest = min(slowest, *(path.replay_bytes_s for path in made))
    checkpoint_s = draw(st.floats(2.0, 14.0))
    work = Work(
        row_bytes=draw(st.floats(150.0, 1500.0)),
        row_s=draw(st.floats(2e-6, 5e-5)),
        commit_s=draw(st.floats(0.0005, 0.01)),
        round_trip_s=draw(st.floats(0.0003, 0.02)),
        noise=0.15,
        first_stripe=draw(st.sampled_from([1.0, 3.0])),
        checkpoints=((checkpoint_s, checkpoint_s + draw(st.floats(0.5, 3.0))),),
        checkpoint_factor=draw(st.floats(1.0, 5.0)),
        foreign=((0.0, draw(st.floats(0.0, 0.4)) * slowest), (6.0, draw(st.floats(0.0, 0.4)) * slowest)),
    )
    return Plant(*made, work=work, seed=draw(st.integers(0, 1000)))


@settings(max_examples=50)
@given(plants(), st.sampled_from(["3s", "10s", "60s"]), st.sampled_from(["1TB/s", "32MB/s", "4MB/s"]))
def test_any_plant_keeps_its_budget_and_moves(plant: Plant, budget: str, rate: str):
    run = loop(plant, max_lag=budget, max_wal_rate=rate).run(16.0)
    assert max(path.worst_lag_s for path in plant.paths) < 3.0
    assert run.longest_pause_s < 3.0
    assert all(1 <= batch.rows <= 10_000 for batch in plant.batches)
    allowed = run.job.throttle.max_wal_rate_bytes_s * (16.0 + DEBT_S * plant.work.checkpoint_factor)
    assert run.own_bytes <= allowed
    assert math.isfinite(run.control.throttle_state.wal_budget_bytes)


@settings(max_examples=25)
@given(plants(), st.floats(3.0, 8.0), st.floats(0.3, 12.0), st.booleans(), st.sampled_from(["3s", "10s", "60s"]))
def test_after_any_accident_work_resumes(plant: Plant, at_s: float, span_s: float, cut: bool, budget: str):
    victim = plant.paths[0]
    accident = ((at_s, at_s + span_s),)
    victim.cut, victim.frozen = (accident, ()) if cut else ((), accident)
    run = loop(plant, max_lag=budget).run(at_s + span_s)
    over_s = plant.now_s + 3.0 + victim.behind / (0.5 * min(victim.replay_bytes_s, *(rate for _, rate in victim.rates)))
    run.run(over_s + 4.0)
    assert plant.batches[-1].at_s > over_s
    seen = [one.at_s for one in plant.batches if at_s + 0.1 < one.at_s < at_s + span_s]
    assert not (cut and seen)


@settings(max_examples=25)
@given(plants(), st.floats(3.0, 8.0), st.sampled_from(["3s", "60s"]))
def test_any_frozen_replica_adds_at_most_a_window_and_a_batch(plant: Plant, at_s: float, budget: str):
    victim = plant.paths[0]
    victim.frozen = ((at_s, at_s + 20.0),)
    run = loop(plant, max_lag=budget).run(at_s)
    own, windows = run.own_bytes, []
    for after_s in (0.0, 0.5, 1.0, 20.0):
        run.run(at_s + after_s)
        windows += [one.window_bytes for one in run.control.throttle_state.replica_windows if one.name == victim.name]
    assert run.own_bytes - own <= max(windows) + max(one.wal_bytes for one in plant.batches)
