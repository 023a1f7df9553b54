"""`backfill demo`: a whole backfill on servers that it makes itself."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from backfill.values.exit_codes import ExitCode, exit_codes

EPILOG = "Next, on your own database: backfill plan JOB.yaml\n\n" + exit_codes(
    ExitCode.DONE,
    ExitCode.FAILED,
    done="every row is filled and the lag stayed within its budget",
    failed="otherwise, or PostgreSQL cannot be started here",
)


def demo(
    rows: Annotated[
        int, typer.Option("--rows", min=1000, metavar="N", help="Number of rows in the demo's table.")
    ] = 300_000,
) -> None:
    """Run a demo: start a primary and two standbys locally, then throttle, kill and resume a backfill."""
    from backfill.sandbox.demo import show  # noqa: PLC0415 - an extra: other commands do without it

    signal.signal(signal.SIGINT, signal.default_int_handler)  # the servers that it made must be stopped
    raise typer.Exit(show(rows))
