"""The job's time windows are closed: it keeps its lock, and no batch starts until one opens, or a person says so.

The clock is the server's: all workers of a database see the same one, as they do for `pause --for`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from backfill.jobfile.limits import ThrottleLimits
from backfill.jobfile.schedule.time_window import TimeWindow
from backfill.throttle.conditions.operator_request import OperatorRequest
from backfill.throttle.conditions.stop_condition import StopCondition
from backfill.throttle.reading import Reading
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.time_windows import any_open, state_at
from backfill.throttle.wait_reason import WaitKind, WaitReason


def find(_limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[StopCondition]:
    """Yield that the windows are closed."""
    if signals.closed is not None:
        yield StopCondition((signals.closed.kind, "window"), signals.closed)


def readings(_limits: ThrottleLimits, _signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield nothing: a time is no measure."""
    yield from ()


def closed_reason(
    windows: Sequence[TimeWindow], now: datetime | None, request: OperatorRequest | None
) -> WaitReason | None:
    """Return why the windows keep the job from working at the server's time; None if they do not.

    `backfill resume JOB --for 2h` opens them until its end.
    """
    if not windows or (request is not None and request.opens):
        return None
    if now is None:
        return WaitReason(WaitKind.BLIND, "window unknown: the server's time was not read")
    return None if any_open(windows, now) else WaitReason(WaitKind.SCHEDULE, f"window {state_at(windows, now).text}")
