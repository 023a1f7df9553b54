"""`backfill cancel`: a job ends after the batch in flight, and runs again only from the beginning."""

from __future__ import annotations

from backfill.cli.commands.request.ask import EPILOG, AllJobs, OneJob, ask_all
from backfill.cli.options import Dsn, Json, Reason

__all__ = ["EPILOG", "cancel"]


def cancel(
    job: OneJob = None,
    *,
    every: AllJobs = False,
    reason: Reason = None,
    dsn: Dsn = None,
    json_lines: Json = False,
) -> None:
    """End a job after the batch in flight; its worker exits with 4. Filled rows stay filled.

    A cancelled job runs again only with `backfill run JOB.yaml --restart`, or after `backfill forget JOB`.
    """
    ask_all(job, "cancel", every=every, dsn=dsn, reason=reason, json_lines=json_lines)
