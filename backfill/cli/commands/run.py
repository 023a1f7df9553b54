"""`backfill run`: jobs, one after the other, to their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import Dsn, Files, Http, Json, epilog, parse_http, resolve_dsn
from backfill.values.exit_codes import ExitCode, exit_codes

if TYPE_CHECKING:
    from backfill.jobfile.load import JobFile
    from backfill.values.errors import BackfillError

EPILOG = epilog(exit_codes(*ExitCode))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Options:
    dsn: str
    http: tuple[str, int] | None
    http_required: bool
    json_lines: bool
    wait_for_lock: bool
    restart: bool
    forced: frozenset[str]


def run(
    files: Files,
    dsn: Dsn = None,
    http: Http = None,
    json_lines: Json = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Exit with 75 if another worker has the job.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Discard the checkpoint and start over; filled rows stay filled.")
    ] = False,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force",
            metavar="NAME",
            help="Run although this finding of `plan` says stop; repeat it for several.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run jobs to their end. A run continues at its checkpoint and waits for the job's lock."""
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.change.findings.registry import parse_forced  # noqa: PLC0415
    from backfill.service.job_directory import read_job  # noqa: PLC0415

    jobs = [read_job(path) for path in files]
    options = _Options(
        dsn=resolve_dsn(dsn),
        http=parse_http(http),
        http_required=http is not None,
        json_lines=json_lines,
        wait_for_lock=not no_wait,
        restart=restart,
        forced=parse_forced(force or ()),
    )
    raise typer.Exit(anyio.run(_run, options, jobs))


async def _run(options: _Options, jobs: list[JobFile]) -> int:
    """Run jobs in turn and show their events; return the exit code."""
    from backfill.cli.output import print_error, run_output  # noqa: PLC0415 - as above
    from backfill.service.app import App  # noqa: PLC0415
    from backfill.service.background import run_with_background  # noqa: PLC0415
    from backfill.service.http import HttpService  # noqa: PLC0415

    errors: list[BackfillError] = []
    with run_output(json_lines=options.json_lines, report=errors.append) as (readers, report, listening):
        app = App(
            options.dsn,
            readers,
            wait_for_lock=options.wait_for_lock,
            restart=options.restart,
            forced=options.forced,
        )
        http = HttpService(options.http, readers, listening, required=options.http_required)
        code = await run_with_background(http.before(lambda: app.run(jobs, report)), app.stop.listen, http.serve)
    for error in errors:
        print_error(error)
    return code
