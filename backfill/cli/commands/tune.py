"""`backfill tune`: limits of a job, changed while it runs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from backfill.cli.commands.request.ask import asked_by
from backfill.cli.options import Dsn, For, Json, Reason, epilog, resolve_dsn
from backfill.values.errors import JobError
from backfill.values.exit_codes import ExitCode, exit_codes

if TYPE_CHECKING:
    from backfill.postgres.state.overrides import StoredLimits

EPILOG = epilog(
    "Next: backfill status JOB --explain",
    exit_codes(
        *(ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID, ExitCode.HALTED),
        done="limits shown",
        failed="cannot connect",
        invalid="no such job or limit",
        halted="permission denied",
    ),
)


def tune(
    job: Annotated[str, typer.Argument(help="Name of a job that has run before.", metavar="JOB")],
    limits: Annotated[
        list[str] | None,
        typer.Argument(help="Limits as in a job file: max_lag=5s.", metavar="LIMIT=VALUE", show_default=False),
    ] = None,
    dsn: Dsn = None,
    json_lines: Json = False,
    for_text: For = None,
    reason: Reason = None,
    reset: Annotated[bool, typer.Option("--reset", help="Discard all earlier overrides first.")] = False,
) -> None:
    """Change limits of a running job, from its next decision on. Then show all its limits.

    LIMIT is one of max_lag, max_lag_bytes, max_wal_rate, max_slot_retained, max_slot_lag, max_archive_backlog,
    max_blocked_sessions, replicas.require, replicas.ignore, replicas.min, batch.rows, batch.min_rows, batch.max_rows,
    batch.target_time, lock_timeout, statement_timeout. Overrides also apply to later runs, until --reset. With
    --for they end by themselves.
    """
    import anyio  # noqa: PLC0415 - help starts faster without what follows

    from backfill.jobfile.overrides import parse  # noqa: PLC0415
    from backfill.postgres.state import overrides  # noqa: PLC0415

    changes = parse(limits or [])
    asked = asked_by(reason, for_text)
    if asked.for_s is not None and not changes:
        raise JobError("--for needs a limit; write one such as max_lag=5s")
    stored = anyio.run(partial(overrides.tune, resolve_dsn(dsn), job, changes, asked, reset=reset))
    _show(stored, json_lines=json_lines)


def _show(limits: StoredLimits, *, json_lines: bool) -> None:
    """Print each limit, what it was before, and what the job file says, if these differ."""
    if json_lines:
        sys.stdout.write(json.dumps(asdict(limits)) + "\n")
        return
    for name, value in limits.after.items():
        before, file = limits.before[name], limits.file[name]
        changed = f"   (was {before or 'none'})" if before != value else ""
        differs = f"   (the job file says {file or 'none'})" if file != value else ""
        end = f"   (until {limits.until[name]}, then {limits.then[name] or 'none'})" if name in limits.until else ""
        sys.stdout.write(f"{name:20} {value or 'none':>10}{changed}{differs}{end}\n")
