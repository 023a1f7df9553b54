"""Steps that are taken again: what another attempt may mend is waited for with its reason, anything else is raised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from backfill.engine.admission import AdmissionControl
from backfill.engine.ports import LaneSession, Runtime
from backfill.events.job import RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.retry.sqlstate import Remedy, backoff_s, remedy, timed_out
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import ConnectionLost, Halted, StatementRefused

T = TypeVar("T")


class RetryLoop:
    """Attempts of one lane; `failures` in a row are forgotten when a batch commits."""

    def __init__(self, session: LaneSession, runtime: Runtime, control: AdmissionControl, lane: int = 0) -> None:
        self._session = session
        self._lane = lane
        self._around = runtime
        self._control = control
        self.failures = 0

    async def run(self, step: Callable[[], Awaitable[T]], shrink: Callable[[], None] = lambda: None) -> T:
        """Take a step again after each failure that another attempt may mend, smaller where that helps.

        Raises what is a row's fault: it is looked for where a batch or a read was refused, before it comes here.
        """
        while True:
            try:
                return await step()
            except StatementRefused as error:
                await self._mend(error, shrink)

    def remedy(self, error: StatementRefused, failures: int = 1) -> Remedy:
        """Return what to do after a step was refused so often."""
        timeout = timed_out(error.sqlstate, error.took_s, self._control.job.statement_timeout_s)
        return remedy(error.sqlstate, failures, timeout=timeout)

    async def _mend(self, error: StatementRefused, shrink: Callable[[], None]) -> None:
        wanted = self.remedy(error)
        if wanted is Remedy.RECONNECT:
            raise ConnectionLost(str(error)) from error
        if wanted is Remedy.HALT:
            raise Halted(str(error)) from error
        if wanted in (Remedy.FAIL, Remedy.ROW):
            raise error
        self.failures += 1
        if wanted is Remedy.SHRINK:
            shrink()
        if wanted is not Remedy.SPLIT:  # what took too long is bounded where it is split
            wanted = self.remedy(error, self.failures)
        job, runtime = self._control.job.name, self._around
        delay_s = backoff_s(self.failures, runtime.jitter(), wanted)
        runtime.record(RetryScheduled(job, error.sqlstate, str(error), self.failures, delay_s, self._lane))
        reason = WaitReason(WaitKind.RETRY, f"attempt {self.failures}: {error}")
        runtime.record(WaitStarted(job, reason, delay_s))
        with suppress(StatementRefused):  # what was refused is told; that it is kept too is not worth another failure
            await self._control.save(self._session, reason)
        await runtime.sleep(delay_s)
