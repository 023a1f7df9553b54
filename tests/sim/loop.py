"""The real gate before a plant: the closed loop as the worker drives it, without a table."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from backfill.core.events import Event, Waited
from backfill.core.job import Job
from backfill.gate import Gate
from backfill.ports import Surroundings
from tests.factories import job as make_job
from tests.sim.plant import Plant

STRIPES = 8
STRIPE_ROWS = 25_000


@dataclass
class Loop:
    """One run: its plant, its gate, what was told."""

    plant: Plant
    job: Job
    events: list[Event]
    gate: Gate

    @property
    def waits(self) -> list[Waited]:
        return [event for event in self.events if isinstance(event, Waited)]


def start(plant: Plant, **throttle: object) -> Loop:
    events: list[Event] = []
    job = make_job(throttle=throttle) if "batch" not in throttle else make_job(batch=throttle.pop("batch"), throttle=throttle)
    around = Surroundings(record=events.append, now_s=lambda: plant.now_s, sleep=plant.sleep, jitter=lambda: 0.5)
    return Loop(plant, job, events, Gate(job, around))


def run(loop: Loop, until_s: float) -> Loop:
    asyncio.run(_run(loop, until_s))
    return loop


class _Over(Exception):
    pass


async def _run(loop: Loop, until_s: float) -> None:
    plant, gate = loop.plant, loop.gate
    stripe, left = 0, STRIPE_ROWS
    watch = plant.watch

    def over() -> None:
        watch()
        if plant.now_s >= until_s:
            raise _Over

    plant.watch = over
    try:
        while True:
            rows = await gate.admit(plant, stripe)
            rows = min(rows, left)
            gate.learn(plant.fill(rows, stripe), stripe)
            left -= rows
            if left == 0:
                stripe, left = (stripe + 1) % STRIPES, STRIPE_ROWS
    except _Over:
        pass
    finally:
        plant.watch = watch
