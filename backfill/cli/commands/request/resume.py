"""`backfill resume`: a paused job goes on; one that waits for another attempt tries now."""

from __future__ import annotations

from backfill.cli.commands.request.ask import EPILOG, AllJobs, OneJob, ask_all
from backfill.cli.options import Dsn, Json, Reason

__all__ = ["EPILOG", "resume"]


def resume(
    job: OneJob = None,
    *,
    every: AllJobs = False,
    reason: Reason = None,
    dsn: Dsn = None,
    json_lines: Json = False,
) -> None:
    """Resume a paused job. If it waits to repeat a statement that failed, it tries again now."""
    ask_all(job, "resume", every=every, dsn=dsn, reason=reason, json_lines=json_lines)
