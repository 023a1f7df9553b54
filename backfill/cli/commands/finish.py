"""`backfill finish`: the end of a change, after the proof of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from backfill.cli.options import Dsn, File, Json, epilog, resolve_dsn
from backfill.values.exit_codes import ExitCode, exit_codes

if TYPE_CHECKING:
    from backfill.events.event import Event
    from backfill.jobfile.load import JobFile
    from backfill.values.errors import BackfillError

EPILOG = epilog(
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED, ExitCode.LOCK_HELD),
        *(ExitCode.SIGINT, ExitCode.SIGTERM),
        invalid="the job file is wrong, a name is taken, or the role is not the table's owner; nothing was changed",
        halted="the job is not proven, or rows are NULL or duplicate; nothing was changed",
        lock_held="the job runs now",
        sigint="stopped by SIGINT; run it again to go on",
        sigterm="stopped by SIGTERM; run it again to go on",
    ),
)


def finish(file: File, dsn: Dsn = None, json_lines: Json = False) -> None:
    """Make columns NOT NULL and build indexes, as the job file says under `finish`, once the job is done and proven.

    Strong locks are held for a moment only: it waits for older transactions on the table, says for whom, and tries for
    half a second at a time. Indexes are built concurrently. It may be killed at any time; run it again to go on. Run it
    as the table's owner.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.service.job_directory import read_job  # noqa: PLC0415

    raise typer.Exit(anyio.run(_finish, resolve_dsn(dsn), read_job(file), json_lines))


async def _finish(dsn: str, job: JobFile, json_lines: bool) -> int:
    from backfill.cli.output import print_error, print_event, print_line  # noqa: PLC0415 - as above
    from backfill.service.background import run_with_background  # noqa: PLC0415
    from backfill.service.finish import finish_job  # noqa: PLC0415
    from backfill.service.shutdown import Shutdown  # noqa: PLC0415

    errors: list[BackfillError] = []
    steps: list[str] = []
    shutdown = Shutdown(lambda _name: None)
    reader = print_event if json_lines else _print_notice

    async def finish() -> int:
        code, done = await finish_job(dsn, job, shutdown, reader, errors.append)
        steps.extend(done)
        return code

    code = await run_with_background(finish, shutdown.listen)
    for error in errors:
        print_error(error)
    if code == ExitCode.DONE and not json_lines:
        for step in steps:
            print_line(f"{job.job.name}: {step}: done")
        print_line(f"{job.job.name}: finished" if steps else f"{job.job.name}: nothing to do, all was done before")
    return code


def _print_notice(event: Event, _at_s: float) -> None:
    """Print what a person wants to know while it goes on."""
    import sys  # noqa: PLC0415 - as above

    from backfill.cli.output import print_line  # noqa: PLC0415
    from backfill.observe.notices import notice_for  # noqa: PLC0415

    notice = notice_for(event)
    if notice is not None:
        print_line(notice.text)
        sys.stdout.flush()
