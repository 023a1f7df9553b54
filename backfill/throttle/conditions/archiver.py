"""The archiver: failing, or too far behind."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, limit_note, limit_share, stop
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from backfill.values.units import format_size


def find(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> Iterator[StopCondition]:
    """Yield a backlog above its limit, or a failed attempt while WAL is pending."""
    if signals.archiver is None:
        return
    share = limit_share(state.stopped, WaitKind.ARCHIVE)
    backlog_bytes_max = limits.max_archive_backlog_bytes * share
    backlog_bytes = signals.archiver.backlog_bytes
    failing = signals.archiver.failing and backlog_bytes > 0
    if backlog_bytes > backlog_bytes_max:
        text = f"archiver backlog {format_size(backlog_bytes)} > {format_size(backlog_bytes_max)}{limit_note(share)}"
        yield stop(WaitKind.ARCHIVE, "", text + (" (last attempt failed)" if failing else ""))
    elif failing:
        text = f"archiver failing: last attempt failed, {format_size(backlog_bytes)} of WAL pending"
        yield stop(WaitKind.ARCHIVE, "failing", text)


def readings(limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield the backlog and whether the last attempt failed; nothing without an archiver."""
    if signals.archiver is None:
        return
    yield Reading(
        measure="archive_backlog_bytes",
        value=signals.archiver.backlog_bytes,
        limit=limits.max_archive_backlog_bytes,
        unit=Unit.BYTES,
    )
    yield Reading(measure="archive_failing", value=float(signals.archiver.failing))
