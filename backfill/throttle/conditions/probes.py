"""The job's own probes: numbers of the user, each with a limit."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, stop
from backfill.throttle.reading import Reading
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind


def find(_limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[StopCondition]:
    """Yield probes that could not be read or are above their limit."""
    for probe in signals.probes:
        if probe.value is None:
            yield stop(WaitKind.BLIND, f"probe {probe.name}", f"probe {probe.name} unknown: {probe.why}")
        elif probe.value > probe.limit:
            yield stop(WaitKind.PROBE, probe.name, f"probe {probe.name} {probe.value:g} > {probe.limit:g}")


def readings(_limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield each probe."""
    for probe in signals.probes:
        yield Reading(measure="probe", subject=probe.name, value=probe.value, limit=probe.limit)
