"""What forbids the next batch whatever the pace: each fault is a reason, and none is a clear view.

Hard limits have hysteresis: once over, a signal has to come back to half of its limit before work goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from backfill.core.flow import Flow
from backfill.core.job import Throttle
from backfill.core.reason import Kind, Reason
from backfill.core.signals import Signals
from backfill.core.units import format_duration, format_size

BUDGET_SHARE = 0.9
"""Nothing starts above this share of a lag budget: the batch itself needs the rest."""
RESUME_SHARE = 0.5


def counted(limits: Throttle, name: str) -> bool:
    """Whether a replica's lag counts against the budget."""
    return not any(fnmatchcase(name, pattern) for pattern in limits.replicas.ignore)


def find(
    limits: Throttle, signals: Signals, flows: tuple[Flow, ...], expected: frozenset[str], stopped: bool
) -> Reason | None:
    """Return the first fault, the least visible first; `stopped` says that the last reading had a hard one."""
    share = RESUME_SHARE if stopped else 1.0
    return next(_faults(limits, signals, flows, expected, share), None)


def _faults(
    limits: Throttle, signals: Signals, flows: tuple[Flow, ...], expected: frozenset[str], share: float
) -> Iterator[Reason]:
    if not signals.visible:
        yield Reason(Kind.BLIND, "replication is hidden from this role: it lacks pg_monitor")
        return
    present = {replica.name for replica in signals.replicas}
    for name in sorted(expected - present):
        yield Reason(Kind.MISSING, f"{name} is not replicating: it is not in pg_stat_replication")
    seen = sum(1 for replica in signals.replicas if counted(limits, replica.name))
    if seen < limits.replicas.min_count:
        yield Reason(Kind.MISSING, f"replicas {seen} < {limits.replicas.min_count} (throttle.replicas.min)")
    for replica in signals.replicas:
        if counted(limits, replica.name) and replica.replay_lsn is None:
            state = replica.state or "unknown"
            yield Reason(Kind.BLIND, f"{replica.name} replay position unknown (state {state})")
    yield from _lag(limits, flows, share)
    yield from _disk(limits, signals, share)


def _lag(limits: Throttle, flows: tuple[Flow, ...], share: float) -> Iterator[Reason]:
    lag_s = limits.max_lag_s * BUDGET_SHARE * share
    lag_bytes = limits.max_lag_bytes * BUDGET_SHARE * share
    for flow in sorted(flows, key=lambda flow: -flow.lag_s):
        if flow.lag_s > lag_s:
            text = f"{flow.name} lag {format_duration(flow.lag_s)} > {format_duration(lag_s)}"
            yield Reason(Kind.LAG, text)
        if flow.unreplayed_bytes > lag_bytes:
            text = f"{flow.name} lag {format_size(flow.unreplayed_bytes)} > {format_size(lag_bytes)}"
            yield Reason(Kind.LAG_BYTES, text)


def _disk(limits: Throttle, signals: Signals, share: float) -> Iterator[Reason]:
    retained_bytes = limits.max_slot_retained_bytes * share
    for slot in signals.slots:
        if slot.wal_status == "lost":
            yield Reason(Kind.SLOT, f"slot {slot.name} is lost: its consumer must be rebuilt or the slot dropped")
        elif slot.retained_bytes is not None and slot.retained_bytes > retained_bytes:
            text = f"slot {slot.name} retains {format_size(slot.retained_bytes)} > {format_size(retained_bytes)}"
            yield Reason(Kind.SLOT, text)
    backlog_bytes = limits.max_archive_backlog_bytes * share
    if signals.archiver is not None and signals.archiver.backlog_bytes > backlog_bytes:
        text = f"archiver backlog {format_size(signals.archiver.backlog_bytes)} > {format_size(backlog_bytes)}"
        yield Reason(Kind.ARCHIVE, text + (" (its last try failed)" if signals.archiver.failing else ""))
