"""The model itself: replay, lag and asynchronous commits behave as those of PostgreSQL."""

from __future__ import annotations

import pytest

from tests.sim.path import MB
from tests.sim.paths import link, under
from tests.sim.plant import WALWRITER_S, Plant, Work
from tests.sim.server import START_LSN


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
