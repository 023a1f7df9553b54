"""`backfill verify`: a job proven now, without filling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import Dsn, File, Json, epilog, resolve_dsn
from backfill.values.exit_codes import ExitCode, exit_codes

if TYPE_CHECKING:
    from backfill.events.event import Event
    from backfill.jobfile.load import JobFile
    from backfill.values.errors import BackfillError

EPILOG = epilog(
    exit_codes(
        ExitCode.DONE,
        ExitCode.UNCONVERGED,
        ExitCode.LOCK_HELD,
        done="no row matches `where`; the proof is kept",
        unconverged="rows match; how many, and a few keys, are reported",
    )
    + ". Otherwise as for `run`"
)


def verify(
    file: File,
    dsn: Dsn = None,
    json_lines: Json = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Exit with 75 if a worker has the job.")] = False,
) -> None:
    """Prove now that no row matches `where`, without filling any. Keep the proof if that is so.

    Each table is read once, politely: the read gives way to sessions that wait for its lock. This takes the job's lock,
    and waits for a worker that has it. A job that nobody has run counts as done if it is proven.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.service.job_directory import read_job  # noqa: PLC0415

    raise typer.Exit(anyio.run(_verify, resolve_dsn(dsn), read_job(file), json_lines, not no_wait))


async def _verify(dsn: str, job: JobFile, json_lines: bool, wait_for_lock: bool) -> int:
    from backfill.cli.output import print_error, print_event  # noqa: PLC0415 - as above
    from backfill.service.app import App  # noqa: PLC0415
    from backfill.service.background import run_with_background  # noqa: PLC0415

    errors: list[BackfillError] = []
    app = App(dsn, [print_event if json_lines else _print_result], wait_for_lock=wait_for_lock)
    code = await run_with_background(lambda: app.verify(job, errors.append), app.stop.listen)
    for error in errors:
        print_error(error)
    return code


def _print_result(event: Event, _at_s: float) -> None:
    """Print what a person wants to know: waits, and the result."""
    from backfill.cli.output import print_line  # noqa: PLC0415 - as above
    from backfill.events.job import Finished  # noqa: PLC0415
    from backfill.events.throttle import WaitStarted  # noqa: PLC0415

    if isinstance(event, WaitStarted):
        print_line(f"{event.job}: waiting: {event.reason}")
    elif isinstance(event, Finished) and event.state in ("done", "stopped", "unconverged"):
        state = {"done": "proven", "stopped": "not proven"}.get(event.state, event.state)
        print_line(f"{event.job}: {state}: {event.why}")
