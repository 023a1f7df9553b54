"""One job to its end, over as many sessions as that takes.

A lost session costs nothing but time: the next one reads the checkpoint, which moved with the data or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from backfill.engine.admission import AdmissionControl
from backfill.engine.job_run import JobRun
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import RunSession, Runtime
from backfill.engine.run_summary import RunSummary
from backfill.events.job import Finished, RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.jobfile.job import Job
from backfill.retry.sqlstate import Remedy, backoff_s, remedy
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import BackfillError, ConnectionLost, DatabaseError, Halted, StatementRefused, Superseded

FIRST_ATTEMPTS = 4
"""Attempts to reach the server for the first time: a wrong DSN should be told soon, a restart be survived."""


class JobSupervisor:
    """Runs one job; `connect` opens a session, checks the job against the server and closes it at the end."""

    def __init__(
        self,
        job: Job,
        connect: Callable[[], AbstractAsyncContextManager[RunSession]],
        runtime: Runtime,
        *,
        wait_for_lock: bool,
    ) -> None:
        self.job = job
        self.runtime = runtime
        self._connect = connect
        self._wait_for_lock = wait_for_lock
        self._control = AdmissionControl(job, runtime)
        self._account = RunSummary(job, self._control, runtime, runtime.now_s())
        self._worker: JobRun | None = None
        self._worked = False
        self._failures = 0

    async def run(self) -> Finished:
        """Return how the job ended when it is done; raise what ended it otherwise. Either is told as an event."""
        try:
            finished = await self._attempt()
        except BackfillError as error:
            self.runtime.record(self._account.broken_off(self._group, error))
            raise
        self.runtime.record(finished)
        return finished

    async def _attempt(self) -> Finished:
        while True:
            try:
                async with self._connect() as session:
                    return await self._run_on(session)
            except (ConnectionLost, Superseded) as error:
                await self._recover(error)
            except StatementRefused as error:
                wanted = remedy(error.sqlstate)
                if wanted is Remedy.HALT:
                    raise Halted(str(error)) from error
                if wanted in (Remedy.FAIL, Remedy.ROW):
                    raise
                await self._recover(error)

    async def _run_on(self, session: RunSession) -> Finished:
        worker = self._worker = JobRun(self.job, session, self.runtime, self._control)
        try:
            await worker.lock(wait=self._wait_for_lock)
            finished = self._account.proven(worker.group, await worker.run())
        except (ConnectionLost, Superseded):
            self._worked = self._worked or worker.group.progressed
            self._failures = 0 if worker.group.progressed else self._failures
            raise
        except BackfillError as error:
            if worker.opened:
                with suppress(DatabaseError):  # the run's own error is the one to tell
                    await session.save_end(self._account.broken_off(self._group, error))
            raise
        finally:
            await self._control.vacuum_supervisor.rest(session, self.job, "the run ends")
        await session.save_end(finished)
        return finished

    async def _recover(self, error: BackfillError) -> None:
        self._failures += 1
        if not self._worked and self._failures >= FIRST_ATTEMPTS and isinstance(error, ConnectionLost):
            raise error
        delay_s = backoff_s(self._failures, self.runtime.jitter())
        kind = "superseded" if isinstance(error, Superseded) else "connection"
        self.runtime.record(RetryScheduled(self.job.name, kind, str(error), self._failures, delay_s))
        self.runtime.record(
            WaitStarted(self.job.name, WaitReason(WaitKind.CONNECTION, f"no session: {error}"), delay_s)
        )
        await self.runtime.sleep(delay_s)

    @property
    def _group(self) -> LaneGroup:
        return self._worker.group if self._worker else LaneGroup(self.runtime)
