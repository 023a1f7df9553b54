"""Any plant that hypothesis can think of keeps its budget, moves, and resumes after any accident."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.throttle.batch_size import DEBT_S
from tests.sim.loop import loop
from tests.sim.path import MB, Path
from tests.sim.paths import link
from tests.sim.plant import Plant, Work

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
