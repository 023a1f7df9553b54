"""One job to its end, over as many sessions as that takes.

A lost session costs nothing but time: the next one reads the checkpoint, which moved with the data or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from backfill.account import Account
from backfill.core.events import Finished, Retried, Waited
from backfill.core.job import Job
from backfill.core.reason import Kind, Reason
from backfill.core.retry import Remedy, backoff_s, remedy
from backfill.errors import BackfillError, DatabaseError, Halted, Lost, Refused, Superseded
from backfill.gate import Gate
from backfill.ports import Session, Surroundings
from backfill.shift import Shift
from backfill.worker import Worker

FIRST_ATTEMPTS = 4
"""Attempts to reach the server for the first time: a wrong DSN should be told soon, a restart be survived."""


class JobSession(Session, Protocol):
    """A session that can also write how a run ended."""

    async def save_end(self, finished: Finished) -> None:
        """Write how this run ended."""


class Runner:
    """Runs one job; `connect` opens a session, checks the job against the server and closes it at the end."""

    def __init__(
        self,
        job: Job,
        connect: Callable[[], AbstractAsyncContextManager[JobSession]],
        around: Surroundings,
        *,
        wait_for_lock: bool,
    ) -> None:
        self.job = job
        self.around = around
        self._connect = connect
        self._wait_for_lock = wait_for_lock
        self._gate = Gate(job, around)
        self._account = Account(job, self._gate, around, around.now_s())
        self._worker: Worker | None = None
        self._worked = False
        self._failures = 0

    async def run(self) -> Finished:
        """Return how the job ended when it is done; raise what ended it otherwise. Either is told as an event."""
        try:
            finished = await self._attempt()
        except BackfillError as error:
            self.around.record(self._account.broken_off(self._shift, error))
            raise
        self.around.record(finished)
        return finished

    async def _attempt(self) -> Finished:
        while True:
            try:
                async with self._connect() as session:
                    return await self._run_on(session)
            except (Lost, Superseded) as error:
                await self._recover(error)
            except Refused as error:
                wanted = remedy(error.sqlstate)
                if wanted is Remedy.HALT:
                    raise Halted(str(error)) from error
                if wanted in (Remedy.FAIL, Remedy.ROW):
                    raise
                await self._recover(error)

    async def _run_on(self, session: JobSession) -> Finished:
        worker = self._worker = Worker(self.job, session, self.around, self._gate)
        try:
            await worker.lock(wait=self._wait_for_lock)
            finished = self._account.proven(worker.shift, await worker.run())
        except (Lost, Superseded):
            self._worked = self._worked or worker.shift.progressed
            self._failures = 0 if worker.shift.progressed else self._failures
            raise
        except BackfillError as error:
            if worker.opened:
                with suppress(DatabaseError):  # the run's own error is the one to tell
                    await session.save_end(self._account.broken_off(self._shift, error))
            raise
        finally:
            await self._gate.vacuuming.rest(session, self.job, "the run ends")
        await session.save_end(finished)
        return finished

    async def _recover(self, error: BackfillError) -> None:
        self._failures += 1
        if not self._worked and self._failures >= FIRST_ATTEMPTS and isinstance(error, Lost):
            raise error
        delay_s = backoff_s(self._failures, self.around.jitter())
        kind = "superseded" if isinstance(error, Superseded) else "connection"
        self.around.record(Retried(self.job.name, kind, str(error), self._failures, delay_s))
        self.around.record(Waited(self.job.name, Reason(Kind.CONNECTION, f"no session: {error}"), delay_s))
        await self.around.sleep(delay_s)

    @property
    def _shift(self) -> Shift:
        return self._worker.shift if self._worker else Shift(self.around)
