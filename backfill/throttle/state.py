"""What the throttle remembers between two readings, and what it learns from a batch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.throttle import lock_backoff, wal_rate
from backfill.throttle import row_cost as costs
from backfill.throttle.conditions.seen_replicas import SeenReplica
from backfill.throttle.lock_backoff import LockBackoff
from backfill.throttle.lsn_clock import LsnClock
from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.row_cost import RowCost
from backfill.throttle.wait_reason import ConditionKey
from backfill.throttle.wal_rate import WalDebt

ROUND_TRIPS = 5
"""Round trips of a batch and its reading, in which nothing is written."""
WORKED_SHARE_MIN = 0.1
"""A batch counts as working for at least this share of its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleState:
    """What the throttle remembers between readings.

    `expected` names replicas that must be in view: required, or `seen` by the job. `stopped` are the conditions of the
    last reading. `wanted_bytes` is what the last batch was expected to write, admitted or not; `pending_bytes` what the
    batches of other lanes may still write; `held` whether a batch has to wait for the window or its rate.
    """

    cost: RowCost = RowCost()
    wal_debt: WalDebt = WalDebt()
    lock_backoff: LockBackoff = LockBackoff()
    clock: LsnClock = LsnClock()
    replica_windows: tuple[ReplicaWindow, ...] = ()
    expected: frozenset[str] = frozenset()
    seen: tuple[SeenReplica, ...] = ()
    stopped: frozenset[ConditionKey] = frozenset()
    wanted_bytes: float = 0.0
    pending_bytes: float = 0.0
    held: bool = False
    round_trip_s: float = 0.0
    admitted_s: float = 0.0
    history: tuple[tuple[float, int], ...] = ()

    @property
    def wal_budget_bytes(self) -> float:
        """The smallest window of all counted replicas; 0 when none is counted."""
        return min((window.window_bytes for window in self.replica_windows), default=0.0)

    @property
    def wal_rate_bytes_s(self) -> float | None:
        """WAL rate of all sessions over the last readings; None until there are two."""
        if len(self.history) < 2 or self.history[-1][0] <= self.history[0][0]:
            return None
        (first_s, first_lsn), (last_s, last_lsn) = self.history[0], self.history[-1]
        return (last_lsn - first_lsn) / (last_s - first_s)


def after_batch(
    throttle_state: ThrottleState, *, stripe: int, rows: int, wal_bytes: int, took_s: float
) -> ThrottleState:
    """Return the state after a batch: what it cost, without its round trips, and what it owes."""
    worked_s = max(took_s * WORKED_SHARE_MIN, took_s - (ROUND_TRIPS - 1) * throttle_state.round_trip_s)
    cost = costs.after_batch(throttle_state.cost, stripe=stripe, rows=rows, wal_bytes=wal_bytes, took_s=worked_s)
    return replace(throttle_state, cost=cost, wal_debt=wal_rate.spend(throttle_state.wal_debt, wal_bytes))


def after_lock_waits(throttle_state: ThrottleState, now_s: float, sessions: int, limit: int) -> ThrottleState:
    """Return the state after a batch whose locks `sessions` others waited for, of at most `limit`."""
    backoff = lock_backoff.after_batch(throttle_state.lock_backoff, now_s, sessions=sessions, limit=limit)
    return replace(throttle_state, lock_backoff=backoff)


def at_wal_rate(throttle_state: ThrottleState, before_bytes_s: int, after_bytes_s: int) -> ThrottleState:
    """Return the state under another `max_wal_rate`: the debt still takes as many seconds to pay."""
    debt_bytes = throttle_state.wal_debt.debt_bytes * after_bytes_s / before_bytes_s
    return replace(throttle_state, wal_debt=replace(throttle_state.wal_debt, debt_bytes=debt_bytes))


def tick(throttle_state: ThrottleState, at_s: float, insert_lsn: int) -> ThrottleState:
    """Return the state with one more sample of the primary's position, such as a batch returns."""
    return replace(throttle_state, clock=throttle_state.clock.tick(at_s, insert_lsn))
