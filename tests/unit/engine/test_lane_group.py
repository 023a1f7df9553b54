"""Lanes of one run: one that fails ends the others between two steps, and what failed is what is told."""

from __future__ import annotations

import asyncio

import pytest

from backfill.engine.lane_group import SLEEP_SLICE_S, LaneGroup
from backfill.table.checkpoint import Layout, begin
from backfill.values.errors import ConnectionLost, Stopped
from tests.fake_database import Clock


def group_of(clock: Clock) -> LaneGroup:
    return LaneGroup(clock.runtime(lambda event: None))


def test_a_lane_that_fails_ends_the_others_and_its_error_is_the_runs():
    group, steps = group_of(Clock()), []

    async def works() -> None:
        while True:
            steps.append("step")
            await group.runtime.sleep(0)
            await asyncio.sleep(0)

    async def fails() -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        raise ConnectionLost("the connection is closed")

    with pytest.raises(ConnectionLost, match="the connection is closed"):
        asyncio.run(group.run([works, fails, works]))
    assert len(steps) < 20


def test_a_lane_that_waits_notices_within_a_moment():
    clock = Clock()
    group = group_of(clock)

    async def waits() -> None:
        await asyncio.sleep(0)
        await group.runtime.sleep(3600)

    async def fails() -> None:
        raise ConnectionLost("gone")

    began_s = clock.now_s
    with pytest.raises(ConnectionLost):
        asyncio.run(group.run([fails, waits]))
    assert clock.now_s - began_s <= 2 * SLEEP_SLICE_S


def test_a_signal_stops_every_lane():
    clock = Clock()
    clock.stop_at_s = clock.now_s + 1
    group = group_of(clock)

    async def works() -> None:
        while True:
            await group.runtime.sleep(0.1)
            await asyncio.sleep(0)

    with pytest.raises(Stopped):
        asyncio.run(group.run([works, works]))


def test_a_group_that_failed_runs_again():
    group, done = group_of(Clock()), []

    async def fails() -> None:
        raise ConnectionLost("gone")

    async def works() -> None:
        await group.runtime.sleep(0)
        done.append("done")

    with pytest.raises(ConnectionLost):
        asyncio.run(group.run([fails, fails]))
    asyncio.run(group.run([works, works]))
    assert done == ["done", "done"]


def test_a_lane_is_kept_at_its_position():
    group = group_of(Clock())
    checkpoints = tuple(begin(100, Layout(), lane=lane, lanes=2) for lane in range(2))
    group.checkpoints = checkpoints
    moved = begin(100, Layout(), lane=1, lanes=2)
    group.update(moved)
    assert group.checkpoints == (checkpoints[0], moved)
