"""`backfill demo`: a whole backfill, or a whole change, on servers that it makes itself."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from backfill.values.exit_codes import ExitCode, exit_codes

EPILOG = "Next, on your own database: backfill plan JOB.yaml\n\n" + exit_codes(
    ExitCode.DONE,
    ExitCode.FAILED,
    done="every row is filled and the lag stayed within its budget; with --change: no error, and no row is wrong",
    failed="otherwise, or PostgreSQL cannot be started here",
)
ROWS, CHANGED_ROWS = 300_000, 60_000


def demo(
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows",
            min=1000,
            metavar="N",
            help=f"Number of rows in the demo's table; default: {ROWS}, with --change {CHANGED_ROWS} in each table.",
            show_default=False,
        ),
    ] = None,
    change: Annotated[
        bool,
        typer.Option(
            "--change",
            help="Show two whole changes, from ADD COLUMN to DROP COLUMN, while an old and a new version of an"
            " application write at full speed and read a standby.",
        ),
    ] = False,
) -> None:
    """Run a demo: start a primary and two standbys locally, then throttle, kill and resume a backfill."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the servers that it made must be stopped
    if change:
        from backfill.sandbox.change.demo import show_change  # noqa: PLC0415 - an extra: other commands do without it

        raise typer.Exit(show_change(rows or CHANGED_ROWS))
    from backfill.sandbox.demo import show  # noqa: PLC0415 - as above

    raise typer.Exit(show(rows or ROWS))
