"""Sessions that waited for the locks of the last batch: the next one comes later."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, stop
from backfill.throttle.reading import Reading
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind


def find(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> Iterator[StopCondition]:
    """Yield the pause in which sessions that queued get through."""
    pause_s = state.lock_backoff.until_s - signals.at_s
    if pause_s > 0:
        text = f"blocked sessions {state.lock_backoff.sessions} > {limits.max_blocked_sessions}"
        yield stop(WaitKind.BLOCKED, "", text, clears_in_s=pause_s)


def readings(limits: ThrottleLimits, _signals: Signals, state: ThrottleState) -> Iterator[Reading]:
    """Yield how many sessions the last batch blocked."""
    yield Reading(measure="blocked_sessions", value=state.lock_backoff.sessions, limit=limits.max_blocked_sessions)
