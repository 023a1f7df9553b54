"""What is read alongside the session, each at its own pace: replicas asked directly, and the job's own probes.

Each poller keeps its last value and its time. A value that is too old, or could not be read, is unknown, with a reason.
The session's own reading never waits for any of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeVar

from backfill.jobfile.job import Job
from backfill.jobfile.limits import ProbeLimit
from backfill.postgres.monitor import prometheus_query
from backfill.postgres.monitor.side_connection import SideConnection, replica_name
from backfill.throttle.signals import ProbeAnswer, Replica
from backfill.values.errors import BackfillError
from backfill.values.units import format_duration

T = TypeVar("T")

DIRECT_EVERY_S = 0.2
DIRECT_STALE_S = 2.0
STALE_PERIODS = 3.0
RETRY_S = 1.0


@dataclass(slots=True, kw_only=True)
class Poller(Generic[T]):
    """One repeated reading; `value` is None before the first one and after a failed one."""

    read: Callable[[], Awaitable[T]]
    every_s: float
    stale_s: float
    value: T | None = None
    why: str = "not read yet"
    at_s: float = float("-inf")

    async def poll(self) -> None:
        """Read forever."""
        while True:
            try:
                value = await self.read()
                self.value, self.why, self.at_s = value, "", time.monotonic()
            except BackfillError as error:
                self.value, self.why = None, next(iter(str(error).splitlines()), "no answer")
            await asyncio.sleep(self.every_s if self.value is not None else max(self.every_s, RETRY_S))

    def latest(self) -> tuple[T | None, str]:
        """Return the value, or None and why."""
        age_s = time.monotonic() - self.at_s
        if self.value is not None and age_s > self.stale_s:
            return None, f"no answer for {format_duration(age_s)}"
        return self.value, self.why


class Pollers:
    """All pollers of one job, while it is open; native tasks, so that each is cancelled once."""

    def __init__(self, dsn: str, job: Job) -> None:
        limits = job.throttle
        self._asked = [SideConnection(conninfo, standby=True) for conninfo in limits.replicas.direct]
        self._primary = SideConnection(dsn, standby=False)
        self._direct = [
            (replica_name(side.dsn), Poller(read=side.read_replicas, every_s=DIRECT_EVERY_S, stale_s=DIRECT_STALE_S))
            for side in self._asked
        ]
        self._probes = [
            (probe, Poller(read=self._reader(probe), every_s=probe.every_s, stale_s=_stale_s(probe)))
            for probe in limits.probes
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def open(self) -> None:
        """Begin to poll."""
        pollers: list[Poller[Any]] = [*(poller for _, poller in self._direct), *(poller for _, poller in self._probes)]
        self._tasks = [asyncio.create_task(poller.poll()) for poller in pollers]

    async def close(self) -> None:
        """Stop polling and close every connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        for side in (*self._asked, self._primary):
            await side.close()

    def replicas(self) -> tuple[Replica, ...]:
        """Return each replica to ask directly, and those that follow it; without a position if unknown."""
        self._raise_bugs()
        found: dict[str, Replica] = {}
        for name, poller in self._direct:
            value, why = poller.latest()
            for replica in value or [Replica(name=name, state=why, replay_lsn=None)]:
                unique = f"{replica.name}@{name}" if replica.name in found else replica.name
                found[unique] = replace(replica, name=unique)
        return tuple(found.values())

    def probes(self) -> tuple[ProbeAnswer, ...]:
        """Return each probe's value, or None and why."""
        read = ((probe, poller.latest()) for probe, poller in self._probes)
        return tuple(
            ProbeAnswer(name=probe.name, limit=probe.limit, value=value, why=why) for probe, (value, why) in read
        )

    def _raise_bugs(self) -> None:
        """Raise what ended a poller: it runs forever, so that is our bug."""
        for task in self._tasks:
            if task.done():
                task.result()

    def _reader(self, probe: ProbeLimit) -> Callable[[], Awaitable[float]]:
        if probe.sql is not None:
            return partial(self._primary.read_number, probe.sql)
        assert probe.prometheus is not None
        assert probe.query is not None
        return partial(prometheus_query.read, probe.prometheus, probe.query)


def _stale_s(probe: ProbeLimit) -> float:
    return STALE_PERIODS * probe.every_s + prometheus_query.TIMEOUT_S
