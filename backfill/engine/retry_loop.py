"""The one interpreter of what a SQLSTATE's policy means: try a step again, later or smaller, or end with an error."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from typing import TypeVar

from backfill.engine.admission.limits import JobLimits
from backfill.engine.ports import Runtime, StatusSession
from backfill.events.job import RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.retry import sqlstate
from backfill.retry.sqlstate import Blame, Remedy, backoff_s
from backfill.throttle.conditions.cancellation import refuse_cancelled
from backfill.throttle.conditions.operator_request import OperatorRequest, RequestAction
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import BackfillError, ConnectionLost, Halted, StatementRefused

T = TypeVar("T")
RESUME_POLL_S = 1.0
"""How often a wait for another attempt looks whether a person has asked for it now."""


class RetryLoop:
    """The attempts of one lane; `save_wait` keeps the reason to wait where `status` finds it."""

    def __init__(
        self,
        session: StatusSession,
        runtime: Runtime,
        limits: JobLimits,
        save_wait: Callable[[StatusSession, WaitReason], Awaitable[None]],
        lane: int = 0,
    ) -> None:
        self._session = session
        self._runtime = runtime
        self._limits = limits
        self._save_wait = save_wait
        self._lane = lane
        self._failures = 0

    async def run(self, step: Callable[[], Awaitable[T]], shrink: Callable[[], None] = lambda: None) -> T:
        """Take a step, and take it again after each failure that another attempt may cure, smaller if that helps.

        Raises what a row is to blame for: the row is searched for where the batch or the read was refused.
        """
        while True:
            try:
                return await step()
            except StatementRefused as error:
                await self._handle(error, shrink)

    @asynccontextmanager
    async def entered(self, manager: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncGenerator[T, None]:
        """Enter a context manager, and enter a new one after each failure that another attempt may cure."""
        async with AsyncExitStack() as stack:
            yield await self.run(lambda: stack.enter_async_context(manager()))

    def reset(self) -> None:
        """Count failures from zero: something was committed."""
        self._failures = 0

    def blame(self, error: StatementRefused) -> Blame | None:
        """Return what to search a refused statement for; None if its rows have no part in it."""
        return sqlstate.blame(error.sqlstate, error.took_s, self._limits.job.statement_timeout_s)

    async def _handle(self, error: StatementRefused, shrink: Callable[[], None]) -> None:
        job, runtime = self._limits.job, self._runtime
        timeout = sqlstate.timed_out(error.sqlstate, error.took_s, job.statement_timeout_s)
        remedy = sqlstate.remedy(error.sqlstate, timeout=timeout)
        final = final_error(error, remedy)
        if final is error:
            raise error
        if final is not None:
            raise final from error
        self._failures += 1
        if remedy is Remedy.SHRINK:
            shrink()
        if remedy is not Remedy.SPLIT_ON_TIMEOUT:  # timeouts are counted by whoever splits the batch or the read
            remedy = sqlstate.remedy(error.sqlstate, self._failures, timeout=timeout)
        delay_s = backoff_s(self._failures, runtime.jitter(), remedy)
        runtime.record(
            RetryScheduled(
                job=job.name,
                reason=error.sqlstate,
                message=str(error),
                attempt=self._failures,
                delay_s=delay_s,
                lane=self._lane,
            )
        )
        reason = WaitReason(WaitKind.RETRY, f"attempt {self._failures}: {error}")
        runtime.record(WaitStarted(job.name, reason, delay_s))
        with suppress(StatementRefused):  # the failure is recorded; that it is saved too is not worth another one
            await self._save_wait(self._session, reason)
        await self._sleep(delay_s)

    async def _sleep(self, delay_s: float) -> None:
        """Wait before another attempt. A person may cut it short (`backfill resume`), or cancel the job."""
        asked = None if delay_s <= RESUME_POLL_S else await self._last_request()
        while delay_s > 0:
            await self._runtime.sleep(min(delay_s, RESUME_POLL_S))
            delay_s -= RESUME_POLL_S
            request = await self._last_request() if delay_s > 0 else None
            if request is not None and (asked is None or request.number > asked.number):
                refuse_cancelled(self._limits.job.name, request)
                if request.action is RequestAction.RESUME:
                    return

    async def _last_request(self) -> OperatorRequest | None:
        with suppress(StatementRefused):  # whatever keeps the server from answering, the next attempt meets it, too
            return await self._session.read_request()
        return None


def final_error(error: StatementRefused, remedy: Remedy | None = None) -> BackfillError | None:
    """Return what a refused statement ends the session or the run with; None if another attempt may cure it."""
    match remedy or sqlstate.remedy(error.sqlstate):
        case Remedy.RECONNECT:
            return ConnectionLost(str(error))
        case Remedy.HALT:
            return Halted(str(error))
        case Remedy.FAIL | Remedy.ISOLATE_ROW:
            return error
        case _:
            return None
