"""Replication slots: lost, about to be lost, or holding too much WAL on the primary's disk."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.conditions.stop_condition import StopCondition, limit_note, limit_share, stop
from backfill.throttle.reading import Reading, Unit
from backfill.throttle.signals import ReplicationSlot, Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import WaitKind
from backfill.values.units import format_size

SAFE_SHARE = 0.1
"""Nothing starts while a slot has less than this share of max_slot_wal_keep_size left."""


def find(limits: ThrottleLimits, signals: Signals, state: ThrottleState) -> Iterator[StopCondition]:
    """Yield the worst thing about each slot."""
    for slot in signals.slots:
        share = limit_share(state.stopped, WaitKind.SLOT, slot.name)
        why = _why(limits, slot, share)
        if why is not None:
            yield stop(WaitKind.SLOT, slot.name, f"slot {slot.name} {why}")


def readings(limits: ThrottleLimits, signals: Signals, _state: ThrottleState) -> Iterator[Reading]:
    """Yield the WAL that each slot retains, and what the consumer of a logical one has yet to confirm."""
    for slot in signals.slots:
        yield Reading(
            measure="slot_retained_bytes",
            subject=slot.name,
            value=slot.retained_bytes,
            limit=limits.max_slot_retained_bytes,
            unit=Unit.BYTES,
            state=slot.wal_status or "",
        )
        if slot.unconfirmed_bytes is not None:
            yield Reading(
                measure="slot_lag_bytes",
                subject=slot.name,
                value=slot.unconfirmed_bytes,
                limit=limits.max_slot_lag_bytes,
                unit=Unit.BYTES,
                state=slot.wal_status or "",
            )


def _why(limits: ThrottleLimits, slot: ReplicationSlot, share: float) -> str | None:
    retained_bytes_max, lag_bytes_max = limits.max_slot_retained_bytes * share, limits.max_slot_lag_bytes * share
    if slot.wal_status == "lost":
        return "is lost: rebuild its consumer or drop the slot"
    if slot.wal_status == "unreserved" or _runs_out(slot, share):
        return f"will be lost: {format_size(slot.safe_bytes or 0)} left of max_slot_wal_keep_size"
    if slot.retained_bytes is not None and slot.retained_bytes > retained_bytes_max:
        return f"retains {format_size(slot.retained_bytes)} > {format_size(retained_bytes_max)}{limit_note(share)}"
    if slot.unconfirmed_bytes is not None and slot.unconfirmed_bytes > lag_bytes_max:
        return f"lag {format_size(slot.unconfirmed_bytes)} > {format_size(lag_bytes_max)}{limit_note(share)}"
    return None


def _runs_out(slot: ReplicationSlot, share: float) -> bool:
    """Whether too little of max_slot_wal_keep_size is left; after a stop, twice as much is needed."""
    if slot.safe_bytes is None or slot.retained_bytes is None:
        return False
    return slot.safe_bytes < (slot.safe_bytes + slot.retained_bytes) * SAFE_SHARE / share
