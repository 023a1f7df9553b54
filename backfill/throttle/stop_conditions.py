"""What forbids the next batch whatever the pace: each fault is a reason, and none is a clear view.

Hard limits have hysteresis: once over, a signal has to come back to half of its limit before work goes on; it alone,
or a moment's lag would hold a slot that is steadily half full against us for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.signals import ReplicationSlot, Signals
from backfill.throttle.wait_reason import ConditionKey, WaitKind, WaitReason
from backfill.values.units import format_duration, format_size

BUDGET_SHARE = 0.9
"""Nothing starts above this share of a lag budget: the batch itself needs the rest."""
RESUME_SHARE = 0.5
SAFE_SHARE = 0.1
"""Nothing starts while less of max_slot_wal_keep_size than this is left to a slot."""


@dataclass(frozen=True, slots=True)
class StopCondition:
    """A signal that forbids the next batch, and the reason to tell."""

    signal: ConditionKey
    reason: WaitReason


def counted(limits: ThrottleLimits, name: str) -> bool:
    """Whether a replica's lag counts against the budget."""
    return not any(fnmatchcase(name, pattern) for pattern in limits.replicas.ignore)


def find_stop_conditions(
    limits: ThrottleLimits,
    signals: Signals,
    replica_windows: tuple[ReplicaWindow, ...],
    expected: frozenset[str],
    stopped: frozenset[ConditionKey],
) -> tuple[StopCondition, ...]:
    """Return the faults, the least visible first; `stopped` names the signals of the last reading's faults."""
    if not signals.visible:
        reason = WaitReason(WaitKind.BLIND, "replication is hidden from this role: it lacks pg_monitor")
        return (StopCondition((WaitKind.BLIND, ""), reason),)
    return (
        *_view(limits, signals, expected),
        *_lag(limits, replica_windows, stopped),
        *_slots(limits, signals, stopped),
        *_archiver(limits, signals, stopped),
        *_table(signals),
        *_probes(signals),
    )


def _view(limits: ThrottleLimits, signals: Signals, expected: frozenset[str]) -> Iterator[StopCondition]:
    present = {replica.name for replica in signals.replicas}
    for name in sorted(expected - present):
        yield _fault(WaitKind.MISSING, name, f"{name} is not replicating: it is not in pg_stat_replication")
    seen = sum(1 for replica in signals.replicas if counted(limits, replica.name))
    if seen < limits.replicas.min_count:
        text = f"replicas {seen} < {limits.replicas.min_count} (throttle.replicas.min)"
        yield _fault(WaitKind.MISSING, "", text)
    for replica in signals.replicas:
        if counted(limits, replica.name) and replica.replay_lsn is None:
            state = replica.state or "unknown"
            yield _fault(WaitKind.BLIND, replica.name, f"{replica.name} replay position unknown (state {state})")


def _lag(
    limits: ThrottleLimits, replica_windows: tuple[ReplicaWindow, ...], stopped: frozenset[ConditionKey]
) -> Iterator[StopCondition]:
    for replica_window in sorted(replica_windows, key=lambda replica_window: -replica_window.lag_s):
        lag_s = limits.max_lag_s * BUDGET_SHARE * _share(stopped, WaitKind.LAG, replica_window.name)
        if replica_window.lag_s > lag_s:
            text = f"{replica_window.name} lag {format_duration(replica_window.lag_s)} > {format_duration(lag_s)}"
            yield _fault(WaitKind.LAG, replica_window.name, text)
        lag_bytes = limits.max_lag_bytes * BUDGET_SHARE * _share(stopped, WaitKind.LAG_BYTES, replica_window.name)
        if replica_window.unreplayed_bytes > lag_bytes:
            text = (
                f"{replica_window.name} lag {format_size(replica_window.unreplayed_bytes)} > {format_size(lag_bytes)}"
            )
            yield _fault(WaitKind.LAG_BYTES, replica_window.name, text)


def _slots(limits: ThrottleLimits, signals: Signals, stopped: frozenset[ConditionKey]) -> Iterator[StopCondition]:
    for slot in signals.slots:
        name, share = slot.name, _share(stopped, WaitKind.SLOT, slot.name)
        retained_bytes, lag_bytes = limits.max_slot_retained_bytes * share, limits.max_slot_lag_bytes * share
        if slot.wal_status == "lost":
            text = f"slot {name} is lost: its consumer must be rebuilt or the slot dropped"
            yield _fault(WaitKind.SLOT, name, text)
        elif slot.wal_status == "unreserved" or _runs_out(slot, share):
            text = f"slot {name} will be lost: {format_size(slot.safe_bytes or 0)} left of max_slot_wal_keep_size"
            yield _fault(WaitKind.SLOT, name, text)
        elif slot.retained_bytes is not None and slot.retained_bytes > retained_bytes:
            text = f"slot {name} retains {format_size(slot.retained_bytes)} > {format_size(retained_bytes)}"
            yield _fault(WaitKind.SLOT, name, text)
        elif slot.unconfirmed_bytes is not None and slot.unconfirmed_bytes > lag_bytes:
            text = f"slot {name} lag {format_size(slot.unconfirmed_bytes)} > {format_size(lag_bytes)}"
            yield _fault(WaitKind.SLOT, name, text)


def _runs_out(slot: ReplicationSlot, share: float) -> bool:
    """Whether too little of max_slot_wal_keep_size is left; to go on, twice that must be."""
    if slot.safe_bytes is None or slot.retained_bytes is None:
        return False
    return slot.safe_bytes < (slot.safe_bytes + slot.retained_bytes) * SAFE_SHARE / share


def _archiver(limits: ThrottleLimits, signals: Signals, stopped: frozenset[ConditionKey]) -> Iterator[StopCondition]:
    if signals.archiver is None:
        return
    backlog_bytes = limits.max_archive_backlog_bytes * _share(stopped, WaitKind.ARCHIVE, "")
    waiting = signals.archiver.backlog_bytes
    failing = signals.archiver.failing and waiting > 0
    if waiting > backlog_bytes:
        text = f"archiver backlog {format_size(waiting)} > {format_size(backlog_bytes)}"
        yield _fault(WaitKind.ARCHIVE, "", text + (" (its last try failed)" if failing else ""))
    elif failing:
        yield _fault(
            WaitKind.ARCHIVE, "failing", f"archiver fails: its last try did, {format_size(waiting)} wait for it"
        )


def _table(signals: Signals) -> Iterator[StopCondition]:
    if signals.upkeep.vacuum is not None:
        yield _fault(WaitKind.VACUUM, "", f"{signals.upkeep.vacuum} is vacuumed to prevent wraparound")


def _probes(signals: Signals) -> Iterator[StopCondition]:
    for probe in signals.probes:
        if probe.value is None:
            yield _fault(WaitKind.BLIND, f"probe {probe.name}", f"probe {probe.name} unknown: {probe.why}")
        elif probe.value > probe.limit:
            text = f"probe {probe.name} {probe.value:g} > {probe.limit:g}"
            yield _fault(WaitKind.PROBE, probe.name, text)


def _share(stopped: frozenset[ConditionKey], kind: WaitKind, subject: str) -> float:
    return RESUME_SHARE if (kind, subject) in stopped else 1.0


def _fault(kind: WaitKind, subject: str, text: str) -> StopCondition:
    return StopCondition((kind, subject), WaitReason(kind, text))
