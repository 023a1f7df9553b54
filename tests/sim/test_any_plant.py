"""What the law promises before any plant: random ones, and the conditions written out in `tests.sim.plants`."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backfill.throttle.batch_size import FLOOR_SHARE, TARGET_S
from backfill.throttle.decide import PATIENCE_S
from tests.sim.loop import Loop
from tests.sim.path import MB, Path
from tests.sim.plant import Plant
from tests.sim.plants import (
    BUDGETS,
    START_BYTES,
    bottleneck,
    changing,
    hears_s,
    laws,
    rate_at,
    steady,
    supply_bytes_s,
    target_s,
)

pytestmark = pytest.mark.timeout(300)
SHARE = 1 if {"ALL_PLANTS", "RANDOM_PLANTS"} & os.environ.keys() else 4
"""One of so many plants is tried: all of them are 2,000."""
RECOVERY_S = 3.0
"""What physics does not excuse any more is over after this."""
ROWS_MAX = 10_000
ROWS_MIN = 1_000


def worst_s(run: Loop) -> float:
    return max(path.worst_lag_s for path in run.plant.paths)


def forget(run: Loop) -> None:
    for path in run.plant.paths:
        path.worst_lag_s = 0.0


def keeps_moving(run: Loop) -> None:
    """A pause is no longer than the largest batch takes, or others' WAL is patiently waited for."""
    slowest = bottleneck(run.plant, run.plant.now_s)
    largest = max(batch.wal_bytes for batch in run.plant.batches)
    assert run.longest_pause_s < PATIENCE_S + 1.0 + 2 * largest / slowest.rate_bytes_s
    assert all(1 <= batch.rows <= ROWS_MAX for batch in run.plant.batches)


@settings(max_examples=900 // SHARE)
@given(steady(), st.sampled_from(BUDGETS))
def test_a_steady_plant_is_used_within_its_budget(plant: Plant, budget: str):
    """Use: of the bottleneck, after the ramp, where the worker has WAL enough and hears in time of what it does."""
    run = Loop(plant, laws(max_lag=budget))
    slowest, budget_s = bottleneck(plant), run.job.throttle.max_lag_s
    thin = slowest.rate_bytes_s < MB / 2
    run.run(10.0 if thin else 5.0)
    began = len(plant.batches)
    use = run.use(slowest.path, plant.now_s + (15.0 if thin else 5.0))
    assert worst_s(run) <= max(budget_s, START_BYTES / slowest.left_bytes_s)
    keeps_moving(run)
    if supply_bytes_s(plant.work, run.job) < 1.5 * slowest.left_bytes_s:
        return
    target = target_s(plant, run.job)
    if hears_s(plant) <= target / 2 and not plant.work.stall_s:
        assert use >= 0.95 if target >= TARGET_S else use >= 0.85
    else:
        assert use >= 0.15
    if plant.work.stall_s:
        return
    floor = min(ROWS_MIN, FLOOR_SHARE / 6 * target * use * slowest.left_bytes_s / plant.work.row_bytes_at(0.0, 0))
    rests = set(run.rests)
    batch_result = [one.rows for at, one in enumerate(plant.batches) if at >= began and at not in rests]
    assert not batch_result or sorted(batch_result)[len(batch_result) // 10] >= floor


@settings(max_examples=600 // SHARE)
@given(changing(), st.sampled_from(BUDGETS[1:]))
def test_a_plant_that_changes_keeps_its_budget_but_for_what_was_on_its_way(plant: Plant, budget: str):
    run = Loop(plant, laws(max_lag=budget))
    path, budget_s = plant.paths[0], run.job.throttle.max_lag_s
    (narrowing_s, narrowed), (widening_s, _) = path.rates[1:]
    run.run(narrowing_s)
    assert worst_s(run) <= budget_s
    on_its_way = path.behind + max(batch.wal_bytes for batch in plant.batches)
    run.run(widening_s)
    foreign = max(load for _, load in plant.work.foreign)
    exempt_s = on_its_way / (narrowed - foreign)
    assert worst_s(run) <= max(budget_s, exempt_s + 1.0)
    run.run(max(widening_s, narrowing_s + exempt_s) + RECOVERY_S)
    forget(run)
    began = len(plant.batches)
    run.run(plant.now_s + 2.0)
    assert worst_s(run) <= budget_s
    assert len(plant.batches) > began
    keeps_moving(run)


@st.composite
def accidents(draw: st.DrawFn) -> tuple[Plant, dict[str, Any], float]:
    plant = draw(steady())
    victim = plant.paths[0]
    at_s, span_s = draw(st.floats(2.0, 5.0)), draw(st.floats(0.3, 12.0))
    kind = draw(st.sampled_from(["frozen", "cut", "behind_bytes"]))
    if kind == "behind_bytes":
        victim.behind_bytes = int(draw(st.floats(0.1, 5.0)) * rate_at(victim, 0.0))
        at_s = span_s = 0.0
    else:
        setattr(victim, kind, ((at_s, at_s + span_s),))
    return plant, {"at_s": at_s, "span_s": span_s, "kind": kind}, at_s + span_s


@settings(max_examples=440 // SHARE)
@given(accidents(), st.sampled_from(BUDGETS))
def test_after_any_accident_work_resumes(story: tuple[Plant, dict[str, Any], float], budget: str):
    plant, accident, over_s = story
    run, victim = Loop(plant, laws(max_lag=budget)), plant.paths[0]
    run.run(accident["at_s"])
    window = run.control.throttle_state.wal_budget_bytes
    own = run.own_bytes
    run.run(over_s)
    added = run.own_bytes - own
    assert accident["kind"] != "frozen" or added <= window * 1.5 + 2 * largest_batch(run) or accident["span_s"] < 1.0
    assert accident["kind"] != "cut" or not [one for one in plant.batches if accident["at_s"] + 0.2 < one.at_s < over_s]
    left = rate_at(victim, over_s) - plant.work.foreign[0][1]
    run.run(over_s + RECOVERY_S + (victim.behind + START_BYTES) / left)
    began = len(plant.batches)
    forget(run)
    run.run(plant.now_s + PATIENCE_S + 1.0 + 2 * largest_batch(run) / left)
    assert len(plant.batches) > began
    assert worst_s(run) <= max(run.job.throttle.max_lag_s, START_BYTES / left)


def largest_batch(run: Loop) -> int:
    return max((batch.wal_bytes for batch in run.plant.batches), default=0)


@settings(max_examples=60 // SHARE)
@given(st.integers(0, 1000), st.floats(0.5, 64.0), st.floats(0.0, 0.05))
def test_the_same_seed_is_the_same_run(seed: int, rate: float, latency_s: float):
    def story() -> list[object]:
        plant = Plant(Path(rates=((0.0, rate * MB), (2.0, rate * MB / 2)), latency_s=latency_s), seed=seed)
        Loop(plant, laws()).run(4.0)
        return [plant.batches, plant.paths[0].worst_lag_s, plant.now_s]

    assert story() == story()
