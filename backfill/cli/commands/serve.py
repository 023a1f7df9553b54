"""`backfill serve`: the daemon, every job of a directory."""

from __future__ import annotations

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
    """Run every job of a directory in name order, pick up new and changed files, keep serving metrics."""
    import anyio  # noqa: PLC0415 - help starts faster without

    raise typer.Exit(anyio.run(_serve, resolve_dsn(dsn), parse_http(http), directory))


async def _serve(dsn: str, address: tuple[str, int] | None, directory: Path) -> int:
    from backfill.cli.output import log_output  # noqa: PLC0415 - as above
    from backfill.service.app import App, run_with_background  # noqa: PLC0415
    from backfill.service.http import HttpService  # noqa: PLC0415
    from backfill.service.job_directory import read_job, serve_directory  # noqa: PLC0415

    readers, report, listening = log_output()
    app = App(dsn, readers)
    http = HttpService(address, readers, listening, required=True)

    async def main() -> int:
        return await serve_directory(directory, read_job, lambda job: app.run_one(job, report), app.stop, report)

    return await run_with_background(http.before(main), app.stop.listen, http.serve)
