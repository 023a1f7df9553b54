"""The gate before a deploy: closed until every counted replica has the change, and closed on whatever is unknown.

One reading in, one verdict out; time comes with the reading. The position to replay is taken from the first reading of
the primary, and means something on that server and timeline only. Which replicas count, and which are missed, is
decided as in the throttle: one that the gate has seen once may not vanish.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from backfill.change.gate_values import GatedJob, GateReading, GateTerms, PrimaryPosition, ServerAnswer
from backfill.throttle.conditions.replication import HIDDEN, counted
from backfill.throttle.decide import after_reading
from backfill.throttle.signals import Replica, Signals, located
from backfill.throttle.state import ThrottleState
from backfill.values.units import format_duration

LEAVES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """What the gate remembers: the position to replay and whose it is, its replicas, and since when each is calm."""

    lsn: int | None = None
    primary: PrimaryPosition | None = None
    throttle: ThrottleState = ThrottleState()
    calm_since: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Open if there is no reason against it; `replicas` are those that have what the gate asks for."""

    reasons: tuple[str, ...]
    replicas: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the deploy may begin."""
        return not self.reasons


def decide(terms: GateTerms, state: GateState, reading: GateReading) -> tuple[GateVerdict, GateState]:
    """Return whether the gate is open now, and the state for the next reading."""
    signals = reading.signals
    if signals is None or reading.primary is None:
        return GateVerdict((f"no session: {reading.why or 'the primary was not read'}",)), _not_calm(state)
    if not signals.visible:
        return GateVerdict((str(HIDDEN.reason),)), _not_calm(state)
    if state.primary is None:
        lsn = signals.insert_lsn if terms.lsn is None else terms.lsn
        state = replace(state, primary=reading.primary, lsn=lsn, throttle=ThrottleState(seen=terms.seen))
    elif state.primary != reading.primary:
        return GateVerdict((_moved(state.primary, reading.primary),)), _not_calm(state)
    assert state.lsn is not None, "it comes with the primary"
    throttle = after_reading(terms.limits, state.throttle, located(signals, state.throttle.clock))
    state = replace(state, throttle=throttle, calm_since=_calm(terms, state, signals))
    reasons = [*_replicas(terms, state, signals), *_standbys(reading, state)]
    reasons += [why for job in reading.jobs if (why := _job(job)) is not None]
    passed = tuple(replica.name for replica in signals.replicas if counted(terms.limits, replica.name))
    return GateVerdict(tuple(reasons), passed), state


def format_lsn(lsn: int) -> str:
    """Return a position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def _moved(before: PrimaryPosition, now: PrimaryPosition) -> str:
    if before.system_identifier != now.system_identifier:
        return "the DSN leads to another server than when the gate began: start the gate again"
    return (
        f"primary timeline {now.timeline} > {before.timeline}: there was a failover, and the change may be lost;"
        " check it, then start the gate again"
    )


def _not_calm(state: GateState) -> GateState:
    """Return the state after a reading that showed nothing: no replica is known to be calm since before it."""
    return replace(state, calm_since=())


def _calm(terms: GateTerms, state: GateState, signals: Signals) -> tuple[tuple[str, float], ...]:
    """Return since when each replica that reports only its lag keeps it below the limit, with the change written."""
    if state.lsn is None or signals.insert_lsn < state.lsn:
        return ()
    before = dict(state.calm_since)
    return tuple(
        (replica.name, before.get(replica.name, signals.at_s))
        for replica in signals.replicas
        if replica.lag_s is not None and replica.lag_s <= terms.max_lag_s
    )


def _replicas(terms: GateTerms, state: GateState, signals: Signals) -> Iterator[str]:
    """Yield why the replicas keep the gate closed: not written yet, out of view, unknown or behind."""
    lsn = state.lsn or 0
    if signals.insert_lsn < lsn:
        written = format_lsn(signals.insert_lsn)
        yield f"primary lsn {written} < {format_lsn(lsn)}: it is not written yet, or is of another server or timeline"
    present = {replica.name for replica in signals.replicas}
    for name in sorted(state.throttle.expected - present):
        yield f"{name} is not connected (missing from pg_stat_replication){_origin(terms, state, name)}"
    members = [replica for replica in signals.replicas if counted(terms.limits, replica.name)]
    if len(members) < terms.limits.replicas.min_count:
        yield f"replicas {len(members)} < {terms.limits.replicas.min_count}"
    for replica in members:
        why = _behind(terms, state, signals, replica)
        if why is not None:
            yield f"{replica.name} {why}"


def _origin(terms: GateTerms, state: GateState, name: str) -> str:
    if name in terms.limits.replicas.require:
        return "; it is required"
    known = next((seen for seen in state.throttle.seen if seen.name == name), None)
    whose = known.origin if known is not None and known in terms.seen else "it was connected when the gate began"
    return f"; {whose}; if it is gone for good, add: --ignore {name}"


def _behind(terms: GateTerms, state: GateState, signals: Signals, replica: Replica) -> str | None:
    """Return why one replica keeps the gate closed, None if it has the change."""
    lsn = state.lsn or 0
    if replica.lag_s is not None:
        calm_s = signals.at_s - dict(state.calm_since).get(replica.name, signals.at_s)
        if replica.lag_s > terms.max_lag_s:
            return f"lag {format_duration(replica.lag_s)} > {format_duration(terms.max_lag_s)}"
        return None if calm_s >= terms.calm_s else f"calm {format_duration(calm_s)} < {format_duration(terms.calm_s)}"
    if replica.replay_lsn is None:
        return f"replay position unknown (state {replica.state or 'unknown'})"
    if replica.replay_lsn >= lsn:
        return None
    text = f"replay {format_lsn(replica.replay_lsn)} < {format_lsn(lsn)}"
    behind_s = next((window.lag_s for window in state.throttle.replica_windows if window.name == replica.name), 0.0)
    return f"{text}, lag {format_duration(behind_s)}"


def _standbys(reading: GateReading, state: GateState) -> Iterator[str]:
    """Yield what servers that were asked say against it: another timeline, or a column that is not there."""
    if reading.primary_answer is not None:
        yield from _columns(reading.primary_answer)
    for standby in reading.standbys:
        if standby.timeline is None:
            yield f"{standby.name} timeline unknown{f' ({standby.why})' if standby.why else ''}"
        elif state.primary is not None and standby.timeline != state.primary.timeline:
            yield f"{standby.name} timeline {standby.timeline} is not {state.primary.timeline}"
        else:
            yield from _columns(standby)


def _columns(server: ServerAnswer) -> Iterator[str]:
    if server.missing_columns is None:
        yield f"{server.name} columns unknown{f' ({server.why})' if server.why else ''}"
    else:
        yield from (f"{server.name} has no column {column}" for column in server.missing_columns)


def _job(job: GatedJob) -> str | None:
    """Return why a job keeps the gate closed; None if it is done and proven."""
    if job.why:
        return f"job {job.name} unknown: {job.why}"
    if job.state is None:
        return f"job {job.name} was never started in this database"
    if job.rows_left:
        return f"job {job.name} rows left {job.rows_left:,} > 0 (state {job.state})"
    if job.state != "done":
        return f"job {job.name} is {job.state}, not done"
    leaves = job.leaves_unproven + len(job.leaves_unknown)
    if leaves == 0:
        return None
    later = f" (attached later: {', '.join(job.leaves_unknown[:LEAVES_SHOWN])})" if job.leaves_unknown else ""
    return f"job {job.name} leaves without a proof {leaves:,} > 0{later}"
