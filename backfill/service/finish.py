"""`backfill finish`: one job, its events to the readers, signals to the statement that runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from backfill.events.event import Event
from backfill.jobfile.load import JobFile
from backfill.postgres.change.finish import open_finish
from backfill.service.shutdown import Shutdown
from backfill.values.errors import BackfillError
from backfill.values.exit_codes import ExitCode


async def finish_job(
    dsn: str,
    job_file: JobFile,
    shutdown: Shutdown,
    reader: Callable[[Event, float], None],
    report: Callable[[BackfillError], None],
) -> tuple[int, tuple[str, ...]]:
    """Finish a job; return the exit code and what was done, after reporting what ended it early."""

    def record(event: Event) -> None:
        reader(event, time.monotonic())

    try:
        async with open_finish(dsn, job_file, record, shutdown.sleep) as run:
            with shutdown.cancels(run.session):
                return ExitCode.DONE, await run.run()
    except BackfillError as error:
        report(error)
        return error.exit_code, ()
