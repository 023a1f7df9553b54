"""One job to its end, over as many sessions as that takes.

A lost session costs nothing but time: the next one reads the checkpoint, which moved with the data or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from backfill.engine.admission.control import AdmissionControl
from backfill.engine.job_run import JobRun
from backfill.engine.lane_group import LaneGroup
from backfill.engine.ports import JobSession, Runtime
from backfill.engine.retry_loop import final_error
from backfill.engine.run_summary import RunSummary
from backfill.engine.upkeep.maintenance import Maintenance
from backfill.events.job import Finished, RetryScheduled
from backfill.events.throttle import WaitStarted
from backfill.jobfile.job import Job
from backfill.retry.sqlstate import backoff_s
from backfill.table.leaves import JobStart
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import (
    BackfillError,
    Cancelled,
    ConnectionLost,
    DatabaseError,
    Halted,
    JobError,
    LoginRefused,
    StatementRefused,
    Stopped,
    Superseded,
)
from backfill.values.units import format_duration

FIRST_ATTEMPTS = 4
"""Attempts to reach the server for the first time: a wrong DSN is reported soon, a restart is survived."""
LOGIN_PATIENCE_S = 180.0
"""How long a server may refuse a role that it has let in before: a new password reaches a pod's files within a minute
or two, and its environment never."""


class JobSupervisor:
    """Runs one job; `connect` opens a session, checks the job against the server and closes it at the end."""

    def __init__(
        self,
        job: Job,
        connect: Callable[[], AbstractAsyncContextManager[JobSession]],
        runtime: Runtime,
        *,
        wait_for_lock: bool,
    ) -> None:
        self.job = job
        self.runtime = runtime
        self._connect = connect
        self._wait_for_lock = wait_for_lock
        self._maintenance = Maintenance(job, runtime)
        self._control = AdmissionControl(job, runtime, self._maintenance)
        self._summary = RunSummary(job, runtime, runtime.now_s())
        self._job_run: JobRun | None = None
        self._start: JobStart | None = None
        self._progressed = False
        self._failures = 0
        self._refused_since_s: float | None = None

    async def run(self) -> Finished:
        """Return how the job ended when it is done; raise what ended it otherwise. Either is recorded as an event."""
        try:
            finished = await self._run_over_sessions()
        except BackfillError as error:
            self.runtime.record(self._failed(error))
            raise
        self.runtime.record(finished)
        return finished

    async def _run_over_sessions(self) -> Finished:
        while True:
            try:
                async with self._connect() as session:
                    self._refused_since_s = None
                    return await self._run_on(session)
            except (ConnectionLost, Superseded) as error:
                await self._recover(error)
            except StatementRefused as error:
                final = final_error(error)
                if final is error:
                    raise
                if final is not None and not isinstance(final, ConnectionLost):
                    raise final from error
                await self._recover(error)

    async def _run_on(self, session: JobSession) -> Finished:
        run = JobRun(self.job, session, self._control.runtime, self._control, self._maintenance)
        self._job_run = run
        try:
            await run.lock(wait=self._wait_for_lock)
            verification = await run.run()
            finished = self._summary.verified(run.group, verification, self._control.readings.worst_lag_s)
        except (ConnectionLost, Superseded):
            self._progressed = self._progressed or run.group.progressed
            self._failures = 0 if run.group.progressed else self._failures
            raise
        except BackfillError as error:
            if run.start is not None:
                with suppress(DatabaseError):  # the run's own error is the one to report
                    await self._save_failure(session, run, error)
            raise
        finally:
            self._start = self._start or run.start
            await self._maintenance.stop(session, self.job, "the run ends")
        await self._save_history(session)
        await session.save_end(finished)
        return finished

    async def _save_failure(self, session: JobSession, run: JobRun, error: BackfillError) -> None:
        """Save how the run ended, unless the job itself was refused and did nothing: then nothing is left of it."""
        start = self._start or run.start
        if isinstance(error, JobError) and start is not None and start.is_new and run.group.rows_total == 0:
            await session.withdraw(start)
            return
        await self._save_history(session)
        await session.save_end(self._failed(error))
        if isinstance(error, Cancelled) and self.job.sync == "trigger":
            with suppress(Stopped):  # it does nothing by then
                await session.remove_sync_trigger(self.runtime.record, self.runtime.sleep)

    async def _save_history(self, session: JobSession) -> None:
        with suppress(DatabaseError):  # how the run ended is saved in any case
            await self._control.history.save(session, ended=True)

    async def _recover(self, error: BackfillError) -> None:
        self._failures += 1
        if not self._progressed and self._failures >= FIRST_ATTEMPTS and isinstance(error, ConnectionLost):
            raise error
        self._check_login(error)
        delay_s = backoff_s(self._failures, self.runtime.jitter())
        kind = "superseded" if isinstance(error, Superseded) else "connection"
        self.runtime.record(
            RetryScheduled(job=self.job.name, reason=kind, message=str(error), attempt=self._failures, delay_s=delay_s)
        )
        reason = WaitReason(WaitKind.CONNECTION, f"no session: {error}")
        self._control.runtime.record(WaitStarted(self.job.name, reason, delay_s))
        await self.runtime.sleep(delay_s)

    def _check_login(self, error: BackfillError) -> None:
        """Raise Halted if the server has refused the role for long."""
        now_s = self.runtime.now_s()
        if not isinstance(error, LoginRefused):
            self._refused_since_s = None
        elif self._refused_since_s is None:
            self._refused_since_s = now_s
        elif (refused_s := now_s - self._refused_since_s) >= LOGIN_PATIENCE_S:
            raise Halted(f"the server has not let the role in for {format_duration(refused_s)}: {error}") from error

    def _failed(self, error: BackfillError) -> Finished:
        group = self._job_run.group if self._job_run else LaneGroup(self.runtime)
        return self._summary.failed(group, error, self._control.readings.worst_lag_s)
