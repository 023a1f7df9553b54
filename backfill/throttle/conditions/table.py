"""The table itself: an autovacuum that prevents wraparound goes first."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, stop
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind


def find(_limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[StopCondition]:
    """Yield the vacuum that we would hold up."""
    if signals.upkeep.vacuum is not None:
        yield stop(WaitKind.VACUUM, "", f"{signals.upkeep.vacuum} is being vacuumed to prevent wraparound")


def readings(_limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield dead tuples if they are known, and the age of the oldest snapshot; 0 if there is none."""
    upkeep = signals.upkeep
    if upkeep.dead_tuples is not None:
        yield Reading(measure="dead_tuples", value=upkeep.dead_tuples)
    yield Reading(
        measure="oldest_snapshot_s",
        value=upkeep.oldest_snapshot_s or 0.0,
        unit=Unit.SECONDS,
        state=upkeep.oldest_snapshot or "",
    )
