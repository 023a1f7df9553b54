"""What becomes of a request: recorded, refused with a sentence, or nothing, because it stands already."""

from __future__ import annotations

from backfill.request.standing import JobStanding
from backfill.throttle.conditions.operator_request import OperatorRequest, RequestAction
from backfill.throttle.wait_reason import WaitKind
from backfill.values.errors import JobError

START = "backfill run JOB.yaml"
AGAIN = f"{START} --restart"


TRIED_AGAIN = frozenset({"failed", "halted"})
"""States from which a daemon tries a job again by itself; a resume has it try now."""


def concerns(before: JobStanding, action: RequestAction, *, timed: bool = False) -> bool:
    """Whether a request for all jobs is one for this job; `timed` if it has an end of its own."""
    if before.ended:
        return False
    request = before.standing
    if action is RequestAction.RESUME:
        return request.pauses if request is not None else timed or before.saved_state in TRIED_AGAIN
    return request is None or not request.cancels


def is_recorded(before: JobStanding, action: RequestAction, *, changes: bool) -> bool:
    """Return whether a request is new, `changes` if it has an end or a reason of its own.

    Raises JobError if it makes no sense for the job as it stands.
    """
    request = before.standing
    if before.ended:
        raise JobError(f"job {before.job!r} is {before.saved_state}; there is nothing to {action}")
    if request is not None and request.cancels and action is not RequestAction.CANCEL:
        raise JobError(f"job {before.job!r} was {request}; to start it again: {AGAIN}")
    match action:
        case RequestAction.PAUSE:
            return request is None or changes
        case RequestAction.CANCEL:
            return request is None or not request.cancels
        case _:
            return request is not None or before.at_work or changes or before.saved_state in TRIED_AGAIN


def sentence(before: JobStanding, after: JobStanding, action: RequestAction, *, recorded: bool) -> str:
    """Return what a request has led to; `after` is how the job stands with it."""
    request = after.standing
    match action:
        case RequestAction.RESUME:
            return _resumed(before, after.request, recorded=recorded)
        case _ if request is None or not recorded:
            return f"already {request}" if request else f"it has ended meanwhile: {after.state}"
        case RequestAction.CANCEL if after.at_work:
            return "cancelling: its worker ends after the batch in flight"
        case RequestAction.CANCEL:
            return "cancelled; no worker is connected"
    until = f" until {request.until}" if request.until else ""
    if not after.at_work:
        return f"paused{until}; no worker is connected, and the next one waits"
    return str(request) if after.state == "paused" else f"pausing{until}: its worker stops after the batch in flight"


def _resumed(before: JobStanding, request: OperatorRequest | None, *, recorded: bool) -> str:
    if request is not None and request.opens:
        at_work = "" if before.at_work else f"; no worker is connected; to start one: {START}"
        return f"resumed: until {request.until} its time windows are open{at_work}"
    if not before.at_work and before.saved_state in TRIED_AGAIN:
        return f"resumed; a daemon tries it again within seconds; without one: {START}"
    if not before.at_work:
        return f"{'resumed' if recorded else 'not paused'}; no worker is connected; to start one: {START}"
    if before.standing is not None:
        return "resumed: its worker continues within a second"
    if before.waits_for == WaitKind.RETRY:
        return f"its worker tries again within a second; it waited: {before.waits_why}"
    waits = f" and waits: {before.waits_why}" if before.waits_why else ""
    to_open = f"; to let it work now: backfill resume {before.job} --for 2h"
    return f"not paused; its worker is at work{waits}{to_open if before.waits_for == WaitKind.SCHEDULE else ''}"
