"""`backfill serve`: the daemon, every job of a directory."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from backfill.cli.options import Dsn, Http, epilog, parse_http, resolve_dsn
from backfill.values.errors import JobError
from backfill.values.exit_codes import ExitCode, exit_codes

EPILOG = epilog(
    exit_codes(
        *(ExitCode.FAILED, ExitCode.INVALID, ExitCode.SIGINT, ExitCode.SIGTERM),
        failed="cannot start: no connection",
        invalid="cannot start: the command line is wrong",
    )
)


def _parse_directory(text: str) -> Path:
    """Return the directory of job files. An empty text is an error, although Path would take it for '.'."""
    from backfill.service.job_directory import job_paths  # noqa: PLC0415 - help starts faster without

    if not text:
        raise JobError("'' is not a directory; name a directory of job files")
    job_paths(Path(text))
    return Path(text)


def serve(
    directory: Annotated[
        Path,
        typer.Argument(help="A directory of job files.", metavar="DIR", parser=_parse_directory, show_default=False),
    ],
    dsn: Dsn = None,
    http: Http = None,
) -> None:
    """Run the jobs of a directory, one at a time, pick up new and changed files, keep serving metrics.

    A job waits for those in its `after`. Of the others, one with an open window comes first, then the highest
    `priority`, then the first name. Changed limits of a running job apply within seconds.
    """
    import anyio  # noqa: PLC0415 - help starts faster without

    raise typer.Exit(anyio.run(_serve, resolve_dsn(dsn), parse_http(http), directory))


async def _serve(dsn: str, address: tuple[str, int] | None, directory: Path) -> int:
    import anyio  # noqa: PLC0415 - as above

    from backfill.cli.output import log_output  # noqa: PLC0415 - as above
    from backfill.service.app import App  # noqa: PLC0415
    from backfill.service.background import run_with_background  # noqa: PLC0415
    from backfill.service.http import HttpService  # noqa: PLC0415
    from backfill.service.job_directory import read_job  # noqa: PLC0415
    from backfill.service.run_activity import RunActivity  # noqa: PLC0415
    from backfill.service.serve import ServeRuntime, Serving  # noqa: PLC0415
    from backfill.service.served_jobs import ServedJobs  # noqa: PLC0415

    (readers, report, listening), activity = log_output(), RunActivity()
    app = App(dsn, [*readers, activity.record])
    http = HttpService(address, app.readers, listening, required=True)
    runtime = ServeRuntime(
        run=lambda job_file: app.run_one(job_file, report),
        last_resume=app.last_resume,
        record=app.record,
        now_s=time.monotonic,
        now=lambda: datetime.now(UTC),
        sleep=anyio.sleep,
    )
    serving = Serving(ServedJobs(directory, read_job, report), app.stop, activity, runtime)
    return await run_with_background(http.before(serving.serve), app.stop.listen, http.serve)
