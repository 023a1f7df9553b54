"""`backfill forget`: all that is kept of a job is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import Dsn, epilog, resolve_dsn
from backfill.cli.output import print_line
from backfill.values.exit_codes import ExitCode, exit_codes

if TYPE_CHECKING:
    from backfill.events.event import Event

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
    """Remove the state of a job that nobody runs: checkpoint, history, rejected rows, and the trigger of `sync`.

    Filled rows stay filled.

    `backfill run JOB.yaml`, or a daemon that has its file, starts it from the beginning then.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.observe.notices import notice_for  # noqa: PLC0415
    from backfill.postgres.change.forget import forget_with_trigger  # noqa: PLC0415

    def report(event: Event) -> None:
        if notice := notice_for(event):
            print_line(f"{job}: {notice.text}")

    anyio.run(forget_with_trigger, resolve_dsn(dsn), job, report)
    print_line(f"{job}: forgotten; filled rows stay filled")
