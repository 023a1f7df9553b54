"""`backfill serve`: the jobs of a directory, one at a time, then new and changed ones, forever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from backfill.events.event import Event
from backfill.events.throttle import WaitStarted
from backfill.jobfile.load import JobFile
from backfill.jobfile.schedule.job_order import JobStage
from backfill.service.background import run_with_background
from backfill.service.run_activity import RunActivity
from backfill.service.served_jobs import ServedJob, ServedJobs
from backfill.service.shutdown import Shutdown
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import Stopped

RESCAN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRuntime:
    """What the loop needs: how to run a job, who asked for another attempt, clocks, and who learns of waits.

    `now` is this machine's time. It only chooses between jobs; whether a window is open the server's clock says.
    """

    run: Callable[[JobFile], Awaitable[int]]
    last_resume: Callable[[str], Awaitable[int | None]]
    record: Callable[[Event], None]
    now_s: Callable[[], float]
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]


class Serving:
    """The loop."""

    def __init__(self, jobs: ServedJobs, shutdown: Shutdown, activity: RunActivity, runtime: ServeRuntime) -> None:
        self._jobs = jobs
        self._shutdown = shutdown
        self._activity = activity
        self._runtime = runtime

    async def serve(self) -> int:
        """Run the jobs until stopped; return the signal's exit code."""
        while True:
            self._jobs.scan()
            self._record_waits()
            served = self._jobs.next(self._runtime.now_s(), self._runtime.now())
            if served is not None:
                await self._run(served)
                if self._shutdown.signal is not None:
                    return self._shutdown.exit_code
                continue
            try:
                await self._shutdown.sleep(RESCAN_S)
            except Stopped:
                return self._shutdown.exit_code
            await self._look_for_resumes()

    def look(self) -> None:
        """Look what changed while a job is at work, and end its run if it goes on better from its checkpoint."""
        self._jobs.scan()
        self._record_waits()
        running = self._jobs.running
        if running is None or running.job_file is None or self._activity.verifies(running.job_file.job.name):
            return
        if self._jobs.change() is not None:
            self._shutdown.end_run("its file changed; it continues at the checkpoint with the new limits")
        elif self._activity.waits_for_window(running.job_file.job.name):
            other = self._jobs.another_may_work(self._runtime.now_s(), self._runtime.now())
            if other is not None:
                self._shutdown.end_run(f"its window is closed, and that of job {other!r} is open")

    async def _run(self, served: ServedJob) -> None:
        job_file = served.job_file
        assert job_file is not None
        self._jobs.running, served.stage = served, JobStage.RUNNING
        code = await run_with_background(lambda: self._runtime.run(job_file), self._watch)
        failed = code != 0 and self._shutdown.signal is None
        resume = await self._runtime.last_resume(job_file.job.name) if failed else None
        self._jobs.ended(served, code, self._runtime.now_s(), resume)

    async def _watch(self) -> None:
        while True:
            await self._runtime.sleep(RESCAN_S)
            self.look()

    def _record_waits(self) -> None:
        for job, reason in self._jobs.waits():
            self._runtime.record(WaitStarted(job, WaitReason(WaitKind.AFTER, reason), RESCAN_S))

    async def _look_for_resumes(self) -> None:
        """Have a job that failed try at once if a person has asked for it since."""
        for served in self._jobs.failed():
            assert served.job_file is not None
            resume = await self._runtime.last_resume(served.job_file.job.name)
            if resume is not None and (served.resume is None or resume > served.resume):
                served.resume, served.retry_s = resume, 0.0
