"""What pause, resume and cancel share: a job or all of them, the question to the database, and its answers."""

from __future__ import annotations

import getpass
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.options import epilog, parse_for, parse_reason, resolve_dsn
from backfill.cli.output import print_line
from backfill.values.errors import JobError
from backfill.values.exit_codes import ExitCode, exit_codes

if TYPE_CHECKING:
    from backfill.postgres.state.ask import Answered
    from backfill.postgres.state.request import Asked

EPILOG = epilog(
    "Next: backfill status",
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        done="asked, or so already",
        failed="cannot connect",
        invalid="no such job, or it makes no sense for the job as it is",
        halted="permission denied",
    ),
)

OneJob = Annotated[str | None, typer.Argument(help="A job's name; or --all.", metavar="JOB", show_default=False)]
AllJobs = Annotated[bool, typer.Option("--all", help="All jobs of this database that it concerns.")]


def ask_all(
    job: str | None,
    action: str,
    *,
    every: bool,
    dsn: str | None,
    reason: str | None = None,
    for_text: str | None = None,
    json_lines: bool,
) -> None:
    """Ask something of a job or of all, and print a line for each."""
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.postgres.state.ask import ask  # noqa: PLC0415
    from backfill.throttle.conditions.operator_request import RequestAction  # noqa: PLC0415

    if (job is None) is not every:
        raise JobError(f"name a job, or give --all: backfill {action} JOB, or backfill {action} --all")
    asked = asked_by(reason, for_text)
    _show(anyio.run(ask, resolve_dsn(dsn), job, RequestAction(action), asked), action, json_lines=json_lines)


def asked_by(reason: str | None, for_text: str | None) -> Asked:
    """Return how something is asked: for how long, why, and by which user of this machine."""
    from backfill.postgres.state.request import Asked  # noqa: PLC0415 - as above

    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user identifier without a name, as in a container
        user = "unknown"
    return Asked(for_s=parse_for(for_text), reason=parse_reason(reason), client=f"{user}@{socket.gethostname()}")


def _show(answers: Sequence[Answered], action: str, *, json_lines: bool) -> None:
    for answer in answers:
        if json_lines:
            sys.stdout.write(json.dumps(asdict(answer)) + "\n")
        else:
            print_line(f"{answer.job}: {answer.text}")
    if not answers and not json_lines:
        print_line(f"no job to {action} in this database")
