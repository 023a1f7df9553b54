"""`backfill forget`: all that is kept of a job is removed."""

from __future__ import annotations

from typing import Annotated

import typer

from backfill.cli.options import Dsn, epilog, resolve_dsn
from backfill.cli.output import print_line
from backfill.values.exit_codes import ExitCode, exit_codes

EPILOG = epilog(
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED, ExitCode.LOCK_HELD),
        done="forgotten",
        failed="cannot connect",
        invalid="no such job",
        halted="permission denied",
        lock_held="a worker runs the job",
    ),
)


def forget(
    job: Annotated[str, typer.Argument(help="A job's name.", metavar="JOB")],
    dsn: Dsn = None,
) -> None:
    """Remove the state of a job that nobody runs: checkpoint, history, rejected rows. Filled rows stay filled.

    `backfill run JOB.yaml`, or a daemon that has its file, starts it from the beginning then.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.postgres.state.removal import forget_job  # noqa: PLC0415

    anyio.run(forget_job, resolve_dsn(dsn), job)
    print_line(f"{job}: forgotten; filled rows stay filled")
