"""A person has paused the job: it keeps its lock, and no batch starts until somebody resumes it or the pause ends."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.stop_condition import StopCondition, stop
from backfill.throttle.reading import Reading
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind, WaitReason


def find(_limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[StopCondition]:
    """Yield the pause."""
    if signals.request is not None and signals.request.pauses:
        yield stop(WaitKind.PAUSED, "", str(signals.request), clears_in_s=signals.request.left_s)


def readings(_limits: ThrottleLimits, _signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield nothing: a pause is no measure."""
    yield from ()


def pause_reason(request: OperatorRequest | None) -> WaitReason | None:
    """Return why nothing of the job may run now; None if nobody has paused it."""
    return WaitReason(WaitKind.PAUSED, str(request)) if request is not None and request.pauses else None
