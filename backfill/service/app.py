"""The composition root: readers of events, HTTP, signals and runners, wired and run in one task group."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio

from backfill.engine.ports import Runtime
from backfill.engine.retry_rejected import RetryRejectedRun
from backfill.engine.supervisor import JobSupervisor
from backfill.engine.verify_run import VerifyRun
from backfill.events.event import Event
from backfill.events.job import Finished, Stopping
from backfill.jobfile.load import JobFile
from backfill.postgres.plan.read_facts import refuse_stops
from backfill.postgres.session.connection import Connection, connect
from backfill.postgres.state.request import read_standings
from backfill.postgres.work.job_connection import RestartOnce
from backfill.postgres.work.job_session import PgJobSession, open_job
from backfill.service.shutdown import Shutdown
from backfill.service.stdio import OUTPUT_LOST, mute_broken_streams
from backfill.throttle.conditions.operator_request import RequestAction
from backfill.values.errors import BackfillError
from backfill.values.exit_codes import ExitCode

Reader = Callable[[Event, float], None]
LOOK_S = 5.0
"""How long a look for a request of a job that has failed may take."""


@dataclass(slots=True)
class App:
    """One process: its database, its readers of events, and the stop that its jobs share."""

    dsn: str
    readers: list[Reader]
    wait_for_lock: bool = True
    restart: bool = False
    forced: frozenset[str] = frozenset()
    job: str = ""
    stop: Shutdown = field(init=False)

    def __post_init__(self) -> None:
        """Record a signal as an event of the job that runs."""
        self.stop = Shutdown(lambda name: self.record(Stopping(self.job, name)) if self.job else None)

    def record(self, event: Event) -> None:
        """Pass the event to every reader. If a reader can no longer write, shut down as if on SIGPIPE."""
        at_s = time.monotonic()
        for reader in tuple(self.readers):
            try:
                reader(event, at_s)
            except OSError as error:
                if error.errno not in OUTPUT_LOST:
                    raise
                self.readers.remove(reader)
                mute_broken_streams()
                self.stop.request(signal.SIGPIPE, f"output cannot be written: {str(error.strerror).lower()}")

    async def run(self, job_files: list[JobFile], report: Callable[[BackfillError], None]) -> int:
        """Run the jobs in turn until one is not done; return its exit code, or else whether rows were left."""
        code = 0
        for job_file in job_files:
            ended = await self.run_one(job_file, report)
            if ended not in (ExitCode.DONE, ExitCode.UNCONVERGED):
                return ended
            code = max(code, ended)
        return code

    async def run_one(self, job_file: JobFile, report: Callable[[BackfillError], None]) -> int:
        """Run one job to its end; return its exit code, after reporting what ended it early."""
        restart = RestartOnce(wanted=self.restart)

        async def run(runtime: Runtime) -> Finished:
            job, wait, judged = job_file.job, self.wait_for_lock, False

            async def judge(connection: Connection) -> None:
                nonlocal judged
                if not judged:
                    await refuse_stops(connection, job_file.job, self.forced)
                    judged = True

            def connect() -> AbstractAsyncContextManager[PgJobSession]:
                return self._session(job_file, restart, judge)

            return await JobSupervisor(job, connect, runtime, wait_for_lock=wait).run()

        return await self._ended(job_file, run, report)

    async def retry_rejected(self, job_file: JobFile, report: Callable[[BackfillError], None]) -> int:
        """Retry the rejected rows of a job; return the exit code: 0 only if the job is done then."""

        async def run(runtime: Runtime) -> Finished:
            async with self._session(job_file, RestartOnce()) as session:
                return await RetryRejectedRun(job_file.job, session, runtime).run()

        return await self._ended(job_file, run, report)

    async def verify(self, job_file: JobFile, report: Callable[[BackfillError], None]) -> int:
        """Prove a job now; return the exit code: 0 only if no row matches."""

        async def run(runtime: Runtime) -> Finished:
            async with self._session(job_file, RestartOnce()) as session:
                return await VerifyRun(job_file.job, session, runtime, wait_for_lock=self.wait_for_lock).run()

        return await self._ended(job_file, run, report)

    async def last_resume(self, job: str) -> int | None:
        """Return the number of the last request for a job if that is a resume; None if not, or if nobody knows."""
        with suppress(BackfillError), anyio.move_on_after(LOOK_S):
            async with await connect(self.dsn, application_name="backfill:serve") as connection:
                for standing in await read_standings(connection, job):
                    request = standing.request
                    if request is not None and request.action is RequestAction.RESUME:
                        return request.number
        return None

    async def _ended(
        self,
        job_file: JobFile,
        run: Callable[[Runtime], Awaitable[Finished]],
        report: Callable[[BackfillError], None],
    ) -> int:
        """Run something of a job; return its exit code, after reporting what ended it early."""
        self.job = job_file.job.name
        runtime = Runtime(record=self.record, now_s=time.monotonic, sleep=self.stop.sleep, jitter=random.random)
        try:
            finished = await run(runtime)
        except BackfillError as error:
            report(error)
            return error.exit_code
        finally:
            self.job = ""
            self.stop.run_ended()
        return ExitCode.DONE if finished.state == "done" else ExitCode.UNCONVERGED

    @asynccontextmanager
    async def _session(
        self, job_file: JobFile, restart: RestartOnce, judge: Callable[[Connection], Awaitable[None]] | None = None
    ) -> AsyncIterator[PgJobSession]:
        """Open a session, unless `judge` raises that the job must not run now."""
        async with AsyncExitStack() as stack:
            with anyio.CancelScope() as opening, self.stop.cancels(_Opening(opening)):
                session = await stack.enter_async_context(open_job(self.dsn, job_file, restart, judge))
            await self.stop.sleep(0)  # if a signal came before the session was open, this is the end
            with self.stop.cancels(session):
                yield session


@dataclass(frozen=True, slots=True)
class _Opening:
    """The attempt to open a session: a server that does not answer has no statement to cancel."""

    scope: anyio.CancelScope

    async def interrupt(self) -> None:
        """Give up."""
        self.scope.cancel()

    async def cancel(self) -> None:
        """Give up."""
        self.scope.cancel()
