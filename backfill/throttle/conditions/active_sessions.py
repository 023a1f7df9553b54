"""Active sessions of the application's roles: while the server is busy with them, we wait."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, stop
from backfill.throttle.reading import Reading
from backfill.throttle.signals import SignalQuery, Signals, SignalValue
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind

STATEMENT = "read_active_sessions"


def query(limits: ThrottleLimits) -> SignalQuery | None:
    """Return the statement that counts the sessions of the roles with a limit."""
    roles = [role for role, _ in limits.max_active_sessions]
    return SignalQuery(STATEMENT, {"roles": roles}) if roles else None


def find(limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[StopCondition]:
    """Yield roles that are above their limit, or whose sessions could not be counted."""
    for role, limit, measured in _measured(limits, signals):
        if measured.value is None:
            text = f"active sessions of {role} unknown: {measured.why}"
            yield stop(WaitKind.BLIND, f"active sessions {role}", text)
        elif measured.value > limit:
            yield stop(WaitKind.LOAD, role, f"active sessions of {role} {measured.value:.0f} > {limit}")


def readings(limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield the count of each role with a limit."""
    for role, limit, measured in _measured(limits, signals):
        yield Reading(measure="active_sessions", subject=role, value=measured.value, limit=limit)


def _measured(limits: ThrottleLimits, signals: Signals) -> Iterator[tuple[str, int, SignalValue]]:
    counts = {measured.subject: measured for measured in signals.query_values.get(STATEMENT, ())}
    for role, limit in limits.max_active_sessions:
        yield role, limit, counts.get(role, SignalValue(role, None, "not read yet"))
