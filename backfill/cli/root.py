"""Words in, exit codes out: the commands, their options, and everything that is printed.

0 done · 1 failed, safe to run again · 2 job file or command line wrong, nothing touched · 3 done, some rows cannot
converge or are refused · 4 halted, a person must look · 75 lock held elsewhere (--no-wait) · 130/141/143 stopped by
a signal (141: nobody reads the output any more)
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer

from backfill import __version__
from backfill.cli import console, plan_text
from backfill.jobfile.json_schema import schema_text
from backfill.jobfile.load import JobFile, load
from backfill.jobfile.overrides import parse as parse_limits
from backfill.postgres.session.connection import resolve_dsn
from backfill.service.job_directory import job_paths
from backfill.service.stdio import OUTPUT_LOST, mute_broken_streams
from backfill.values.errors import BackfillError, JobError

EPILOG = (
    "The database comes from --dsn, else DATABASE_URL, else libpq's PG* variables. No database at hand: backfill demo"
)
ENDS = (
    "Exit codes: 0 done; 1 failed, safe to run again; 2 the job file or the command line is wrong, nothing was touched;"
    " 3 done, but some rows cannot converge or are refused; 4 halted, a person must look;"
    " 75 lock held elsewhere (--no-wait); 130, 141 or 143 stopped by a signal, run again to go on"
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fill columns of huge, live PostgreSQL tables without hurting the replicas.",
    epilog=EPILOG,
)

Dsn = Annotated[str | None, typer.Option("--dsn", help="Conninfo or URL of the primary.", show_default=False)]
Http = Annotated[
    str | None,
    typer.Option(
        "--http",
        metavar="HOST:PORT",
        help="Where metrics and status are served; 'off' for nowhere.",
        show_default=f"{console.HTTP_DEFAULT}",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print for machines: JSON, one object a line.")]
File = Annotated[Path, typer.Argument(help="A job file.", metavar="JOB.yaml")]
Files = Annotated[list[Path], typer.Argument(help="Job files, run in turn.", metavar="JOB.yaml")]


@app.callback(invoke_without_command=True)
def _version(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False
) -> None:
    if version:
        typer.echo(f"backfill {__version__}")
        raise typer.Exit


def _epilog(*paragraphs: str) -> str:
    return "\n\n".join((*paragraphs, EPILOG))


@app.command(epilog=_epilog(ENDS))
def run(
    files: Files,
    dsn: Dsn = None,
    http: Http = None,
    json_lines: Json = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="End with 75 when another worker has the job.")] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the checkpoint and begin anew; rows that are filled stay filled.")
    ] = False,
) -> None:
    """Run jobs to their end; resumes by itself, waits for the lock."""
    jobs = [read_job(path) for path in files]
    options = console.Options(_dsn(dsn), console.parse_http(http), http_wanted=http is not None, json_lines=json_lines)
    raise typer.Exit(anyio.run(console.run_jobs, options, jobs, not no_wait, restart))


@app.command(
    "retry-rejected",
    epilog=_epilog(
        "Exit codes: 0 none is left and the job is done; 3 some are, or other rows are left; else as of run"
    ),
)
def retry_rejected(file: File, dsn: Dsn = None, json_lines: Json = False) -> None:
    """Try the rows again that a job has set aside (on_row_error: skip), and no others; tell what became of them.

    Filled rows, and those that are gone or match `where` no more, leave backfill.rejected. It takes the job's lock.
    """
    options = console.Options(_dsn(dsn), None, json_lines=json_lines)
    raise typer.Exit(anyio.run(console.retry_rejected, options, read_job(file)))


@app.command(epilog=_epilog("Exit codes: 143 or 130 when stopped by a signal; 1, 2 or 4 where it cannot begin"))
def serve(
    directory: Annotated[
        Path, typer.Argument(help="A directory of job files.", metavar="DIR", parser=_directory, show_default=False)
    ],
    dsn: Dsn = None,
    http: Http = None,
) -> None:
    """Run every job of a directory in name order, pick up new and changed files, stay up for metrics."""
    options = console.Options(_dsn(dsn), console.parse_http(http))
    raise typer.Exit(anyio.run(console.serve_directory, options, directory, read_job))


@app.command(epilog=_epilog("Next: backfill run JOB.yaml. Exit codes: 0, or that of a run before its first batch"))
def plan(
    file: File,
    dsn: Dsn = None,
    json_lines: Json = False,
    no_measure: Annotated[bool, typer.Option("--no-measure", help="Run no batch, not even to roll it back.")] = False,
) -> None:
    """Check a job against the database, measure a batch that is rolled back, show layout, cost and SQL.

    Nothing is committed. But triggers fire for the measured rows, three times 1,000 at most; sequences that they use
    stay advanced, and dead row versions stay for VACUUM.
    """
    from backfill.postgres.plan.make import make_plan  # noqa: PLC0415 - other commands start faster without

    made = anyio.run(partial(make_plan, measuring=not no_measure), _dsn(dsn), read_job(file))
    typer.echo(json.dumps(made.to_dict()) if json_lines else plan_text.plan_text(made, plan_text.width()))


@app.command(
    epilog=_epilog("Exit codes: 0 told, however the jobs stand; 1 no database; 2 no such job; 4 no right to look")
)
def status(
    job: Annotated[
        str | None, typer.Argument(help="A job's name; all jobs without.", metavar="JOB", show_default=False)
    ] = None,
    dsn: Dsn = None,
    json_lines: Json = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show a job's layout, its last decisions, and what each was taken from.")
    ] = False,
    last: Annotated[int, typer.Option("--last", min=1, max=1500, help="With --explain: so many decisions.")] = 20,
) -> None:
    """Show how jobs stand, what they wait for and who works on them, from any machine."""
    from backfill.cli import explaining  # noqa: PLC0415 - other commands start faster without
    from backfill.postgres.state.status import read_status, unknown  # noqa: PLC0415 - as above

    if explain and job is None:
        raise JobError("--explain is about one job; name it")
    found = anyio.run(read_status, _dsn(dsn), job)
    if job is not None and not found:
        raise unknown(job)
    if not (explain and json_lines):
        explaining.show_status(found, json_lines=json_lines, explained=explain)
    if explain and job is not None:
        from backfill.postgres.state.decisions import read_decisions  # noqa: PLC0415 - as above

        explaining.show_decisions(anyio.run(read_decisions, _dsn(dsn), job, last), json_lines=json_lines)


@app.command(
    epilog=_epilog("Next: backfill status JOB --explain. Exit codes: 0 told; 2 no such job or limit; 4 no right to")
)
def tune(
    job: Annotated[str, typer.Argument(help="The name of a job that was started.", metavar="JOB")],
    limits: Annotated[
        list[str] | None,
        typer.Argument(help="Limits as in a job file: max_lag=5s.", metavar="LIMIT=VALUE", show_default=False),
    ] = None,
    dsn: Dsn = None,
    json_lines: Json = False,
    reset: Annotated[bool, typer.Option("--reset", help="Take all earlier changes back first.")] = False,
) -> None:
    """Change limits of a job while it runs, from its next decision on; show all of them.

    LIMIT is one of max_lag, max_lag_bytes, max_wal_rate, max_slot_retained, max_slot_lag, max_archive_backlog,
    max_blocked_sessions, replicas.require, replicas.ignore, replicas.min, batch.rows, batch.min_rows, batch.max_rows,
    batch.target_time, lock_timeout, statement_timeout. Changes hold for later runs too, until --reset.
    """
    from backfill.cli import explaining  # noqa: PLC0415 - other commands start faster without
    from backfill.postgres.state import overrides as tuning  # noqa: PLC0415 - as above

    changes = parse_limits(limits or [])
    found = anyio.run(partial(tuning.tune, _dsn(dsn), job, changes, reset=reset))
    explaining.show_limits(found, json_lines=json_lines)


@app.command(
    epilog=_epilog(
        "Next: backfill plan JOB.yaml. It is safe to run again",
        "Exit codes: 0; 1 no database; 2 no such role; 4 no right to",
    )
)
def init(
    dsn: Dsn = None,
    print_only: Annotated[bool, typer.Option("--print", help="Print the statements for a DBA; no database.")] = False,
    role: Annotated[str | None, typer.Option("--role", help="Give this role a worker's rights.")] = None,
) -> None:
    """Create the state schema, and give a role the least rights that a worker needs."""
    from backfill.postgres.state import schema as state_schema  # noqa: PLC0415 - other commands start faster without

    if print_only:
        typer.echo(state_schema.init_script(role), nl=False)
        return
    anyio.run(state_schema.init, _dsn(dsn), role)
    typer.echo("schema backfill is there" + (f", role {role} may use it" if role else ""))


@app.command(
    epilog="Next: backfill schema > job.schema.json, and in job files: # yaml-language-server: $schema=job.schema.json"
)
def schema() -> None:
    """Print the JSON Schema of a job file, for editors."""
    typer.echo(schema_text().encode(), nl=False)  # JSON is UTF-8, whatever the terminal speaks


@app.command(
    epilog="Next, on a database of yours: backfill plan JOB.yaml. Exit codes: 0 when every row was filled in budget"
)
def demo(
    rows: Annotated[int, typer.Option("--rows", min=1000, help="Rows of the demo's table.")] = 300_000,
) -> None:
    """Show it: a real primary and two standbys made on this machine, throttled, killed and resumed."""
    from backfill.sandbox.demo import show  # noqa: PLC0415 - an extra: other commands do without it

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the servers that it made must be taken down
    raise typer.Exit(show(rows))


def read_job(path: Path) -> JobFile:
    """Return a job file's content; raise JobError with file:line:col."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JobError(f"{path}:1:1: not UTF-8 at byte {error.start}; save the file as UTF-8") from None
    except OSError as error:
        raise JobError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    return load(text, str(path))


def _directory(text: str) -> Path:
    """Return the directory of job files; an empty text is none, though Path would take it for the present one."""
    if not text:
        raise JobError("'' is no directory; name a directory of job files")
    job_paths(Path(text))
    return Path(text)


def _dsn(option: str | None) -> str:
    return resolve_dsn(option, dict(os.environ))


def main() -> None:
    """Run the command line; an error that a person may meet is one message and an exit code."""
    try:
        try:
            app(prog_name="backfill")
        finally:
            sys.stdout.flush()
    except BackfillError as error:
        console.print_error(error)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in OUTPUT_LOST:
            raise
        console.print_error(BackfillError(f"output cannot be written: {str(error.strerror).lower()}"))
        sys.exit(1)
    finally:
        mute_broken_streams()
