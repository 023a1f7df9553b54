"""The real gate before a plant: the closed loop as the worker drives it, without a table."""

from __future__ import annotations

import asyncio
from collections.abc import MutableSequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, cast

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.ports import LaneSession, Runtime
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.event import Event
from backfill.events.throttle import WaitStarted
from backfill.jobfile.job import Job
from backfill.table.checkpoint import Checkpoint
from tests.factories import job as make_job
from tests.sim.path import Path
from tests.sim.plant import Over, Plant

STRIPES = 8
STRIPE_ROWS = 25_000
WIDE = {"max_wal_rate": "1TB/s", "max_lag_bytes": "10GB"}


@dataclass
class Loop:
    """One run, which may be taken in several spans: its plant, its gate, what was told."""

    plant: Plant
    job: Job
    events: MutableSequence[Event] = field(default_factory=list)
    stripe: int = 0
    left: int = STRIPE_ROWS
    rests: list[int] = field(default_factory=list)
    flushes: int = 0

    def __post_init__(self) -> None:
        plant = self.plant
        runtime = Runtime(record=self.events.append, now_s=lambda: plant.now_s, sleep=plant.sleep, jitter=lambda: 0.5)
        self.control = AdmissionControl(self.job, runtime, Maintenance(self.job, runtime))

    def run(self, until_s: float) -> Loop:
        self.plant.until_s = until_s
        asyncio.run(self._run())
        self.plant.settle()
        return self

    async def _run(self) -> None:
        session = cast(LaneSession, self.plant)
        with suppress(Over):
            while True:
                run = await self.control.admit(session, Checkpoint(end_page=1, stripe=self.stripe))
                rows = min(run.rows, self.left)
                self.flushes += run.flush
                self.rests += [len(self.plant.batches)] * (rows < run.rows)
                self.control.release(0)
                self.control.record_cost(self.plant.fill(rows, self.stripe, flush=run.flush), self.stripe)
                self.left -= rows
                if self.left == 0:
                    self.stripe, self.left = (self.stripe + 1) % STRIPES, STRIPE_ROWS

    def use(self, path: Path, until_s: float) -> float:
        """Run on; return the share of a path's capacity that was replayed meanwhile."""
        since_s, replayed = self.plant.now_s, path.replayed
        self.run(until_s)
        return (path.replayed - replayed) / path.capacity_bytes(since_s, self.plant.now_s)

    @property
    def waits(self) -> list[WaitStarted]:
        return [event for event in self.events if isinstance(event, WaitStarted)]

    @property
    def own_bytes(self) -> int:
        return sum(batch.wal_bytes for batch in self.plant.batches)

    @property
    def longest_pause_s(self) -> float:
        """The longest time from a batch's start to the next one's, or to the end."""
        began = [0.0, *(batch.at_s for batch in self.plant.batches), self.plant.now_s]
        return max(after - before for before, after in pairwise(began))


def loop(plant: Plant, *, batch: dict[str, Any] | None = None, **throttle: Any) -> Loop:
    """Return a run that is held back by its replicas alone, where the limits do not say otherwise."""
    return Loop(plant, make_job(batch=batch or {}, throttle={**WIDE, **throttle}))
