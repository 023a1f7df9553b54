"""The time windows of a job as a plan shows them: each, and whether one of them is open by the server's clock."""

from __future__ import annotations

from backfill.jobfile.job import Job
from backfill.postgres.monitor.read_signals import read_time
from backfill.postgres.session.connection import Connection
from backfill.throttle.time_windows import state_at


async def planned_windows(connection: Connection, job: Job) -> tuple[str, ...]:
    """Return when a job may work; nothing if it always may."""
    if not job.window:
        return ()
    return (*map(str, job.window), state_at(job.window, await read_time(connection)).text)
