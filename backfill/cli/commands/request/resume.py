"""`backfill resume`: a paused job goes on; one that waits for another attempt tries now; --for opens its windows."""

from __future__ import annotations

from backfill.cli.commands.request.ask import EPILOG, AllJobs, OneJob, ask_all
from backfill.cli.options import Dsn, For, Json, Reason

__all__ = ["EPILOG", "resume"]


def resume(
    job: OneJob = None,
    *,
    every: AllJobs = False,
    for_text: For = None,
    reason: Reason = None,
    dsn: Dsn = None,
    json_lines: Json = False,
) -> None:
    """Resume a paused job. If it waits to repeat a statement that failed, it tries again now.

    With --for it also works outside its time windows until that time is over. A job that has failed under `serve` is
    tried again at once.
    """
    ask_all(job, "resume", every=every, dsn=dsn, reason=reason, for_text=for_text, json_lines=json_lines)
