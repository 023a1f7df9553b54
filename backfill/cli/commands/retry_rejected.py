"""`backfill retry-rejected`: the rows in backfill.rejected, tried again."""

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
        ExitCode.DONE,
        ExitCode.UNCONVERGED,
        done="no rejected row remains and the job is done",
        unconverged="some rows remain",
    )
    + ". Otherwise as for `run`"
)


def retry_rejected(file: File, dsn: Dsn = None, json_lines: Json = False) -> None:
    """Retry the rows in backfill.rejected, and nothing else, and report the result.

    A row leaves backfill.rejected if it is filled now, is gone, or no longer matches `where`. This takes the job's
    lock.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.service.job_directory import read_job  # noqa: PLC0415

    raise typer.Exit(anyio.run(_retry, resolve_dsn(dsn), read_job(file), json_lines))


async def _retry(dsn: str, job: JobFile, json_lines: bool) -> int:
    from backfill.cli.output import print_error, print_event  # noqa: PLC0415 - as above
    from backfill.service.app import App  # noqa: PLC0415
    from backfill.service.background import run_with_background  # noqa: PLC0415

    errors: list[BackfillError] = []
    app = App(dsn, [print_event if json_lines else _Results().record])
    code = await run_with_background(lambda: app.retry_rejected(job, errors.append), app.stop.listen)
    for error in errors:
        print_error(error)
    return code


class _Results:
    """The results of retries: rows that are rejected again one by one, the others counted."""

    def __init__(self) -> None:
        self._counts = dict.fromkeys(("filled", "gone", "refused"), 0)

    def record(self, event: Event, _at_s: float) -> None:
        """Print what a person wants to know."""
        from backfill.cli.output import print_line  # noqa: PLC0415 - as above
        from backfill.events.batch import RowRetried  # noqa: PLC0415
        from backfill.events.job import Finished  # noqa: PLC0415

        if isinstance(event, RowRetried):
            self._counts[event.result] += 1
            if event.result == "refused":
                print_line(f"{event.leaf} {event.key}: rejected again: {event.message}")
        elif isinstance(event, Finished):
            names = {"refused": "rejected again"}
            counts = ", ".join(f"{count:,} {names.get(result, result)}" for result, count in self._counts.items())
            print_line(f"{event.job}: {counts}; {event.state}: {event.why}")
