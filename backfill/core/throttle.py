"""The throttle: one reading in, one decision out. Pure; time comes with the reading.

    Run(rows)              a batch may start, of at most so many rows
    Wait(delay_s, reason)  read again after the delay

WAL is the currency. A batch starts when there is no fault (`core.faults`), when the own rate allows it
(`core.pacer`) and when its expected bytes fit what every counted replica still has room for (`core.flow`).
An idle path always admits one minimal batch, else an estimate larger than the window would stop the job for ever.
A batch that had to wait for the window is flushed at its end: there is time, and WAL must not lie on the primary.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from operator import itemgetter

from backfill.core import cost as costs
from backfill.core import courtesy, faults, flow, pacer
from backfill.core.cost import Cost
from backfill.core.courtesy import Courtesy
from backfill.core.flow import Flow
from backfill.core.limits import Batch, Throttle
from backfill.core.lsn import LsnClock
from backfill.core.pacer import Pacer
from backfill.core.reason import Kind, Reason
from backfill.core.signals import Signals
from backfill.core.units import format_rate, format_size

TARGET_S = 0.3
"""Queue that keeps replay busy: what readers of a replica pay while we run, however large the budget is."""
TARGET_SYNC_S = 0.1
"""The same for a synchronous standby: commits of the application wait behind our queue."""
WALWRITER_S = 0.2
"""`wal_writer_delay`: how long an asynchronous commit may lie on the primary; a shorter target cannot bear it."""
BATCH_SHARE, BATCH_SHARE_MAX = 0.2, 0.6
"""A batch is this slice of the window, so that the pace is smooth; from far away at most that: rows may turn dear."""
ROUND_TRIPS, ROUND_TRIPS_MAX_S = 5, 0.3
"""Round trips of a batch and its reading in which nothing is written, and most that a queue is longer for them."""
ROUND_TRIP_GROWTH = 1.1
"""A quicker reading is believed at once, a slower one by this factor: a busy server is no long way."""
WORKED_SHARE_MIN = 0.1
"""A batch is thought to have worked for at least this share of its time."""
TRAVEL_GAIN = 1.5
"""A batch from far away is what is replayed during its round trips, and so much more."""
FLOOR_SHARE = 0.5
"""`min_rows` may take this share of the target: on a thin link one batch travels while another is replayed."""
ROWS_UNKNOWN = 100
"""Rows of a batch while a replica's rate is unknown: a start from nothing makes no burst."""
SLICED_SHARE = 0.95
"""Share of its slice from which a batch counts as made small by the window."""
RATE_SPAN_S = 2.0
POLL_MIN_S, POLL_S, FAULT_POLL_S = 0.01, 0.1, 0.25
"""Shortest and longest wait for the pace; the wait for a fault."""
DEBT_S = 0.5
"""No batch may cost more than this long of `max_wal_rate`."""
PATIENCE_S = 2.0
"""When others' WAL alone fills the window but lag is far from the budget, a minimal batch goes this often."""


@dataclass(frozen=True, slots=True)
class Run:
    """A batch may start, of at most `rows` rows; `limited_by` is what kept it from being larger.

    With `flush` its commit is flushed at once: its WAL would wait for the walwriter, and what waits fills the window.
    """

    rows: int
    limited_by: str = ""
    flush: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start; read again after `delay_s`."""

    delay_s: float
    reason: Reason


Decision = Run | Wait


@dataclass(frozen=True, slots=True)
class Pace:
    """What the throttle remembers between readings.

    `expected` names replicas that must be in view, `stopped` the signals that were over their limit, and
    `wanted_bytes` is what the last batch was expected to write, let through or not; `held` whether it has to wait for
    the window.
    """

    cost: Cost = Cost()
    pacer: Pacer = Pacer()
    courtesy: Courtesy = Courtesy()
    clock: LsnClock = LsnClock()
    flows: tuple[Flow, ...] = ()
    expected: frozenset[str] = frozenset()
    stopped: frozenset[faults.Signal] = frozenset()
    wanted_bytes: float = 0.0
    held: bool = False
    round_trip_s: float = 0.0
    admitted_s: float = 0.0
    history: tuple[tuple[float, int], ...] = ()

    @property
    def wal_budget_bytes(self) -> float:
        """The smallest window of all counted replicas; 0 when none is counted."""
        return min((one.window_bytes for one in self.flows), default=0.0)

    @property
    def wal_rate_bytes_s(self) -> float | None:
        """WAL of everybody over the last readings; None until there are two."""
        if len(self.history) < 2 or self.history[-1][0] <= self.history[0][0]:
            return None
        (first_s, first_lsn), (last_s, last_lsn) = self.history[0], self.history[-1]
        return (last_lsn - first_lsn) / (last_s - first_s)


def decide(limits: Throttle, batch: Batch, pace: Pace, signals: Signals, stripe: int) -> tuple[Decision, Pace]:
    """Return what to do now, and the memory for the next reading."""
    pace = observe(limits, pace, signals)
    found = faults.find(limits, signals, pace.flows, pace.expected, pace.stopped)
    pace = replace(pace, stopped=frozenset(fault.signal for fault in found), wanted_bytes=0.0)
    if found:
        return Wait(FAULT_POLL_S, found[0].reason), pace
    if pace.courtesy.until_s > signals.at_s:
        text = f"blocked sessions {pace.courtesy.sessions} > {limits.max_blocked_sessions}"
        return Wait(min(pace.courtesy.until_s - signals.at_s, FAULT_POLL_S), Reason(Kind.BLOCKED, text)), pace
    rate = limits.max_wal_rate_bytes_s
    debt_s = pacer.wait_s(pace.pacer, rate)
    if debt_s > 0:
        own = format_rate(rate + pace.pacer.debt_bytes / pacer.RATE_WINDOW_S)
        reason = Reason(Kind.WAL_RATE, f"own wal {own} > {format_rate(rate)}")
        return Wait(max(POLL_MIN_S, min(debt_s, POLL_S)), reason), pace
    return _admit(limits, batch, pace, signals, stripe)


def learn(pace: Pace, *, stripe: int, rows: int, wal_bytes: int, took_s: float) -> Pace:
    """Return the memory after a batch: what it cost, its time on the way aside, and what it owes."""
    worked_s = max(took_s * WORKED_SHARE_MIN, took_s - (ROUND_TRIPS - 1) * pace.round_trip_s)
    cost = costs.learn(pace.cost, stripe=stripe, rows=rows, wal_bytes=wal_bytes, took_s=worked_s)
    return replace(pace, cost=cost, pacer=pacer.spend(pace.pacer, wal_bytes))


def give_way(limits: Throttle, pace: Pace, now_s: float, sessions: int) -> Pace:
    """Return the memory after a batch for whose locks so many sessions waited."""
    limit = limits.max_blocked_sessions
    return replace(pace, courtesy=courtesy.learn(pace.courtesy, now_s, sessions=sessions, limit=limit))


def retuned(pace: Pace, before: Throttle, after: Throttle) -> Pace:
    """Return the memory under other limits: what is owed is still so many seconds, at the rate that holds now."""
    share = after.max_wal_rate_bytes_s / before.max_wal_rate_bytes_s
    return replace(pace, pacer=replace(pace.pacer, debt_bytes=pace.pacer.debt_bytes * share))


def tick(pace: Pace, at_s: float, insert_lsn: int) -> Pace:
    """Return the memory with one more sample of the primary's position, such as a batch brings along."""
    return replace(pace, clock=pace.clock.tick(at_s, insert_lsn))


def rows_wished(limits: Throttle, batch: Batch, pace: Pace, stripe: int) -> Run:
    """Return the next batch as it would be admitted: its rows, and what limits them.

    Never above `max_rows`; not below `min_rows` unless so many rows would themselves break a budget.
    """
    row_bytes = pace.cost.wal_bytes(stripe)
    timed = batch.rows if pace.cost.row_s is None else batch.target_time_s / max(pace.cost.row_s, 1e-9)
    rated = limits.max_wal_rate_bytes_s * DEBT_S / row_bytes
    rows, by = min((float(batch.max_rows), "max_rows"), (max(batch.min_rows, timed), "target_time"), (rated, "rate"))
    if pace.flows:
        windowed, name = min((_slice_bytes(pace, one) / row_bytes, one.name) for one in pace.flows)
        floor = min(_floor(batch, one, row_bytes) for one in pace.flows)
        if max(windowed, floor) < rows:
            rows, by = (windowed, f"window of {name}") if windowed >= floor else (floor, "min_rows")
    if pace.courtesy.share < 1:
        rows, by = rows * pace.courtesy.share, "blocked sessions"
    return Run(max(1, int(rows)), by)


def _floor(batch: Batch, one: Flow, row_bytes: float) -> float:
    if one.rate_bytes_s is None:
        return min(batch.min_rows, ROWS_UNKNOWN, one.window_bytes * FLOOR_SHARE / row_bytes)
    return min(batch.min_rows, one.shown_bytes * FLOOR_SHARE / row_bytes)


def _slice_bytes(pace: Pace, one: Flow) -> float:
    """Return a slice of the window, or what the replica would replay while a batch only travels and more."""
    travel_s = ROUND_TRIPS * pace.round_trip_s * TRAVEL_GAIN
    return one.window_bytes * min(BATCH_SHARE_MAX, max(BATCH_SHARE, travel_s / one.allowed_s))


def target_s(limits: Throttle, round_trip_s: float = 0.0, *, sync: bool = False) -> float:
    """Return the queue that we aim at, in seconds of the replica's own replay.

    A worker far from its server needs more, to last until its next batch; never above half the budget.
    """
    queue_s = TARGET_SYNC_S if sync else TARGET_S
    return min(queue_s + min(ROUND_TRIPS * round_trip_s, ROUND_TRIPS_MAX_S), limits.max_lag_s / 2)


def observe(limits: Throttle, pace: Pace, signals: Signals) -> Pace:
    """Return the memory with one more reading: the LSN clock, each replica's flow, who is expected, what time paid."""
    now_s = signals.at_s
    clock = pace.clock.tick(now_s, signals.insert_lsn)
    round_trip_s = min(signals.round_trip_s, (pace.round_trip_s or inf) * ROUND_TRIP_GROWTH)
    known = {one.name: one for one in pace.flows}
    flows = []
    for replica in signals.replicas:
        if replica.replay_lsn is None or not faults.counted(limits, replica.name):
            continue
        one = known.get(replica.name) or flow.start(replica.name, now_s, replica.replay_lsn)
        sliced = _sliced(pace, one, pace.wanted_bytes)
        told_s = replica.lag_s
        one = flow.observe(
            one,
            now_s,
            replica.replay_lsn,
            insert_lsn=signals.insert_lsn,
            flush_lsn=signals.flush_lsn,
            lag_s=clock.lag_s(now_s, replica.replay_lsn) if told_s is None else told_s,
            age_s=clock.age_s(now_s, replica.replay_lsn),
            target_s=target_s(limits, round_trip_s, sync=replica.sync),
            bound_s=limits.max_lag_s / 2,
            wanted_bytes=pace.wanted_bytes,
        )
        flows.append(flow.step(one, now_s, ceiling_bytes=limits.max_lag_bytes / 2, sliced=sliced))
    seen = {*pace.expected, *(one.name for one in flows)}
    return replace(
        pace,
        clock=clock,
        round_trip_s=round_trip_s,
        pacer=pacer.pass_time(pace.pacer, now_s, limits.max_wal_rate_bytes_s),
        flows=tuple(flows),
        expected=frozenset({*limits.replicas.require, *(name for name in seen if faults.counted(limits, name))}),
        history=(*(pair for pair in pace.history if now_s - pair[0] < RATE_SPAN_S), (now_s, signals.insert_lsn)),
    )


def _admit(limits: Throttle, batch: Batch, pace: Pace, signals: Signals, stripe: int) -> tuple[Decision, Pace]:
    run = rows_wished(limits, batch, pace, stripe)
    row_bytes = pace.cost.wal_bytes(stripe)
    wanted, travel_s = run.rows * row_bytes, pace.round_trip_s * ROUND_TRIPS / 2
    pace = replace(pace, wanted_bytes=wanted)
    room, full = min(((one.room_bytes(travel_s), one) for one in pace.flows), key=itemgetter(0), default=(inf, None))
    if full is None or wanted <= room:
        run = replace(run, flush=_flushes(pace, wanted))
        return run, replace(pace, admitted_s=signals.at_s, held=False)
    idle = full.unreplayed_bytes == 0
    if idle or _patient(limits, pace, full, signals.at_s):
        floor = int(min(run.rows, _floor(batch, full, row_bytes)))
        by = f"{full.name} is idle" if idle else f"others fill {full.name}"
        return Run(max(1, floor), by, flush=True), replace(pace, admitted_s=signals.at_s, held=False)
    over = f"{format_size(full.unreplayed_bytes + wanted)} > {format_size(full.window_bytes)}"
    reason = Reason(Kind.WINDOW, f"{full.name} wal on the way {over}")
    excess_s = (wanted - room) / (full.rate_bytes_s or full.window_bytes / POLL_S)
    delay_s = max(POLL_MIN_S, min(excess_s, POLL_S, full.allowed_s * BATCH_SHARE))
    return Wait(delay_s, reason), replace(pace, held=True)


def _flushes(pace: Pace, wanted: float) -> bool:
    """Whether a window is what holds us back: then there is time for a flush, and WAL must not lie on the primary."""
    return pace.held or any(
        one.rate_bytes_s is None
        or one.allowed_s < WALWRITER_S
        or (one.window_bytes < one.shown_bytes and _sliced(pace, one, wanted))
        for one in pace.flows
    )


def _sliced(pace: Pace, one: Flow, wanted: float) -> bool:
    """Whether a batch is as small as it is because of the window."""
    return wanted > _slice_bytes(pace, one) * SLICED_SHARE


def _patient(limits: Throttle, pace: Pace, full: Flow, now_s: float) -> bool:
    """Whether we have waited long for a replica that goes on replaying what others write."""
    waited = now_s - pace.admitted_s > PATIENCE_S and full.moved_s > pace.admitted_s
    return waited and full.lag_s < limits.max_lag_s / 2
