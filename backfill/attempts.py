"""Steps that are taken again: what another attempt may mend is waited for with its reason, anything else is raised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from backfill.core.events import Retried, Waited
from backfill.core.reason import Kind, Reason
from backfill.core.retry import Remedy, backoff_s, classify
from backfill.errors import Halted, Lost, Refused
from backfill.gate import Gate
from backfill.ports import LaneSession, Surroundings

T = TypeVar("T")


class Attempts:
    """Attempts of one lane; `failures` in a row are forgotten when a batch commits."""

    def __init__(self, session: LaneSession, around: Surroundings, gate: Gate) -> None:
        self._session = session
        self._around = around
        self._gate = gate
        self.failures = 0

    async def until_done(self, step: Callable[[], Awaitable[T]], shrink: Callable[[], None] = lambda: None) -> T:
        """Take a step again after each failure that another attempt may mend, smaller where that helps."""
        while True:
            try:
                return await step()
            except Refused as error:
                await self._remedy(error, shrink)

    async def _remedy(self, error: Refused, shrink: Callable[[], None]) -> None:
        remedy = classify(error.sqlstate)
        if remedy is Remedy.RECONNECT:
            raise Lost(str(error)) from error
        if remedy is Remedy.HALT:
            raise Halted(str(error)) from error
        if remedy is Remedy.FAIL:
            raise error
        self.failures += 1
        if remedy is Remedy.SHRINK:
            shrink()
        job, around = self._gate.job.name, self._around
        delay_s = backoff_s(self.failures, around.jitter())
        around.record(Retried(job, error.sqlstate, str(error), self.failures, delay_s))
        reason = Reason(Kind.RETRY, f"attempt {self.failures}: {error}")
        around.record(Waited(job, reason, delay_s))
        with suppress(Refused):  # what was refused is told; that it is kept too is not worth another failure
            await self._gate.save(self._session, reason)
        await around.sleep(delay_s)
