"""All conditions in one tuple, in order: a pause, a closed window, then what hides most from us.

The first gives the reason to wait.

How to add one is in the docstring of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions import (
    active_sessions,
    archiver,
    locks,
    pause,
    probes,
    replication,
    schedule,
    slots,
    table,
)
from backfill.throttle.conditions.stop_condition import StopCondition
from backfill.throttle.reading import Reading
from backfill.throttle.signals import SignalQuery, Signals
from backfill.throttle.state import ThrottleState


class Condition(Protocol):
    """What each file of this package provides."""

    def find(self, limits: ThrottleLimits, signals: Signals, state: ThrottleState, /) -> Iterator[StopCondition]:
        """Yield the reasons to stop now."""
        ...

    def readings(self, limits: ThrottleLimits, signals: Signals, state: ThrottleState, /) -> Iterator[Reading]:
        """Yield each value with its limit."""
        ...


CONDITIONS: tuple[Condition, ...] = (
    *(pause, schedule),
    *(replication, slots, archiver, table, active_sessions, probes, locks),
)
QUERIES: tuple[Callable[[ThrottleLimits], SignalQuery | None], ...] = (active_sessions.query,)
"""Statements that conditions need in addition to the common reading; None if the job sets no limit for it."""


def find_stop_conditions(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> tuple[StopCondition, ...]:
    """Return the stop conditions, the one that hides most first; none means that a batch may start."""
    if not signals.visible:
        return (*pause.find(limits, signals, state), replication.HIDDEN)
    return tuple(found for condition in CONDITIONS for found in condition.find(limits, signals, state))


def read_all(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> tuple[Reading, ...]:
    """Return the readings of all conditions."""
    return tuple(reading for condition in CONDITIONS for reading in condition.readings(limits, signals, state))


def queries(limits: ThrottleLimits) -> tuple[SignalQuery, ...]:
    """Return the statements to run for these limits."""
    return tuple(query for make_query in QUERIES if (query := make_query(limits)) is not None)
