"""`backfill pause`: no batch of a job starts until it is resumed, or the pause ends."""

from __future__ import annotations

from backfill.cli.commands.request.ask import EPILOG, AllJobs, OneJob, ask_all
from backfill.cli.options import Dsn, For, Json, Reason

__all__ = ["EPILOG", "pause"]


def pause(
    job: OneJob = None,
    *,
    every: AllJobs = False,
    for_text: For = None,
    reason: Reason = None,
    dsn: Dsn = None,
    json_lines: Json = False,
) -> None:
    """Pause a job after the batch in flight, from any machine, until `backfill resume` or the end of --for.

    A paused worker keeps its lock and its connection, and holds no snapshot and no other lock. A worker that starts
    later waits, too.
    """
    ask_all(job, "pause", every=every, dsn=dsn, reason=reason, for_text=for_text, json_lines=json_lines)
