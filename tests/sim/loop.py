"""The real gate before a plant: the closed loop as the worker drives it, without a table."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from backfill.core.events import Event, Waited
from backfill.core.job import Job
from backfill.gate import Gate
from backfill.ports import Surroundings
from tests.factories import job as make_job
from tests.sim.plant import Over, Plant

STRIPES = 8
STRIPE_ROWS = 25_000


@dataclass
class Loop:
    """One run: its plant, its gate, what was told."""

    plant: Plant
    job: Job
    events: list[Event]
    gate: Gate
    stripe: int = 0
    left: int = STRIPE_ROWS

    @property
    def waits(self) -> list[Waited]:
        return [event for event in self.events if isinstance(event, Waited)]


def start(plant: Plant, **throttle: object) -> Loop:
    events: list[Event] = []
    job = (
        make_job(throttle=throttle)
        if "batch" not in throttle
        else make_job(batch=throttle.pop("batch"), throttle=throttle)
    )
    around = Surroundings(record=events.append, now_s=lambda: plant.now_s, sleep=plant.sleep, jitter=lambda: 0.5)
    return Loop(plant, job, events, Gate(job, around))


def run(loop: Loop, until_s: float) -> Loop:
    loop.plant.until_s = until_s
    asyncio.run(_run(loop))
    return loop


async def _run(loop: Loop) -> None:
    plant, gate = loop.plant, loop.gate
    with suppress(Over):
        while True:
            rows = min(await gate.admit(plant, loop.stripe), loop.left)
            gate.learn(plant.fill(rows, loop.stripe), loop.stripe)
            loop.left -= rows
            if loop.left == 0:
                loop.stripe, loop.left = (loop.stripe + 1) % STRIPES, STRIPE_ROWS
