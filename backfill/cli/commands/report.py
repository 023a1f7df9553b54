"""`backfill report`: what a job did, as one HTML page for a ticket."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backfill.cli.options import Dsn, epilog, resolve_dsn
from backfill.cli.output import print_line
from backfill.values.errors import JobError
from backfill.values.exit_codes import ExitCode, exit_codes

EPILOG = epilog(
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        done="written, whatever the job's state",
        failed="cannot connect",
        invalid="no such job, or the file cannot be written",
        halted="permission denied",
    )
)


def report(
    job: Annotated[str, typer.Argument(help="A job's name.", metavar="JOB")],
    dsn: Dsn = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write the page. Without it: to standard output.", metavar="FILE"),
    ] = None,
) -> None:
    """Write what a job did as one HTML page, from the database alone: during the run, or a year later.

    It shows lag against budget, WAL, batches, waits by reason, HOT updates, what people did, the verification and the
    settings.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.observe.report.page import report_page  # noqa: PLC0415
    from backfill.postgres.history.read import read_history  # noqa: PLC0415

    page = report_page(anyio.run(read_history, resolve_dsn(dsn), job))
    if output is None:
        sys.stdout.write(page)
        return
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise JobError(
            f"cannot write {output}: {(error.strerror or str(error)).lower()}; give another --output"
        ) from None
    print_line(f"{job}: report written to {output}")
