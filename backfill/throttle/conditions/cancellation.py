"""A person has cancelled the job: nothing is waited for, the run ends."""

from __future__ import annotations

from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.values.errors import Cancelled


def refuse_cancelled(job: str, request: OperatorRequest | None) -> None:
    """Raise Cancelled if a person has cancelled the job."""
    if request is not None and request.cancels:
        raise Cancelled(
            f"job {job!r} was {request}; filled rows stay filled; to start it again: backfill run JOB.yaml --restart"
        )
