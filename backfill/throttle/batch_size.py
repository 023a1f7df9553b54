"""How large the next batch is: a slice of the tightest window, within the job's limits; and what limits it.

WAL is the currency: rows become bytes by what a row has cost lately (`row_cost`). What failed or took too long lately
limits a batch further: `engine/lane.py`.
"""

from __future__ import annotations

import sys

from backfill.jobfile.limits import BatchLimits, ThrottleLimits
from backfill.throttle.decision_values import Run
from backfill.throttle.replica_window import ReplicaWindow
from backfill.throttle.state import ROUND_TRIPS, ThrottleState

TARGET_S = 0.3
"""Queue that keeps replay busy: the lag that readers of a replica see while we run, however large the budget is."""
TARGET_SYNC_S = 0.1
"""The same for a synchronous standby: the application's commits wait behind our queue."""
ROUND_TRIPS_MAX_S = 0.3
"""At most this much more queue for a worker far from its server, so that it lasts until the next batch."""
BATCH_SHARE, BATCH_SHARE_MAX = 0.2, 0.6
"""A batch is this slice of the window, for a smooth pace; from far away at most the second: rows may become dear."""
TRAVEL_GAIN = 1.5
"""A batch from far away is what is replayed during its round trips, times this."""
FLOOR_SHARE = 0.5
"""`min_rows` may use this share of the target: on a thin link, one batch travels while another is replayed."""
ROWS_UNKNOWN = 100
"""Rows of a batch while a replica's rate is unknown: no burst at the start."""
SLICED_SHARE = 0.95
"""From this share of its slice on, a batch counts as limited by the window."""
DEBT_S = 0.5
"""No batch may cost more than `max_wal_rate` allows in this time."""
TIMEOUT_SHARE = 0.5
"""Of statement_timeout that a batch is meant to take at most, whatever `min_rows` would like."""


def target_s(limits: ThrottleLimits, round_trip_s: float = 0.0, *, sync: bool = False) -> float:
    """Return the queue that we aim for, in seconds of the replica's own replay; at most half of the budget.

    A worker far from its server needs more, to last until its next batch.
    """
    queue_s = TARGET_SYNC_S if sync else TARGET_S
    return min(queue_s + min(ROUND_TRIPS * round_trip_s, ROUND_TRIPS_MAX_S), limits.max_lag_s / 2)


def next_batch_rows(limits: ThrottleLimits, batch: BatchLimits, throttle_state: ThrottleState, stripe: int) -> Run:
    """Return the next batch as it would be admitted: its rows, and what limits them.

    Never above `max_rows`, and not below `min_rows` unless that many rows would themselves break a budget.
    """
    row_bytes = throttle_state.cost.wal_bytes(stripe)
    timed = (
        batch.rows if throttle_state.cost.row_s is None else batch.target_time_s / max(throttle_state.cost.row_s, 1e-9)
    )
    rated = limits.max_wal_rate_bytes_s * DEBT_S / row_bytes
    rows, by = min((float(batch.max_rows), "max_rows"), (max(batch.min_rows, timed), "target_time"), (rated, "rate"))
    if throttle_state.replica_windows:
        windows = throttle_state.replica_windows
        windowed, name = min((slice_bytes(throttle_state, window) / row_bytes, window.name) for window in windows)
        floor = min(floor_rows(batch, window, row_bytes) for window in windows)
        if max(windowed, floor) < rows:
            rows, by = (windowed, f"window of {name}") if windowed >= floor else (floor, "min_rows")
    if throttle_state.lock_backoff.share < 1:
        rows, by = rows * throttle_state.lock_backoff.share, "blocked sessions"
    return Run(max(1, int(rows)), by)


def rows_in_time(row_s: float | None, statement_timeout_s: float) -> int:
    """Return the rows that take half of statement_timeout at the recent pace: a batch that it ends has done nothing."""
    return sys.maxsize if not row_s else max(1, int(TIMEOUT_SHARE * statement_timeout_s / row_s))


def floor_rows(batch: BatchLimits, window: ReplicaWindow, row_bytes: float) -> float:
    """Return the least rows that a batch should have, as far as this replica can take them."""
    if window.rate_bytes_s is None:
        return min(batch.min_rows, ROWS_UNKNOWN, window.window_bytes * FLOOR_SHARE / row_bytes)
    return min(batch.min_rows, window.shown_bytes * FLOOR_SHARE / row_bytes)


def slice_bytes(throttle_state: ThrottleState, window: ReplicaWindow) -> float:
    """Return a slice of the window, or a little more than the replica replays while a batch travels."""
    travel_s = ROUND_TRIPS * throttle_state.round_trip_s * TRAVEL_GAIN
    return window.window_bytes * min(BATCH_SHARE_MAX, max(BATCH_SHARE, travel_s / window.allowed_s))


def limited_by_window(throttle_state: ThrottleState, window: ReplicaWindow, wanted: float) -> bool:
    """Whether the window is what limits the batch."""
    return wanted > slice_bytes(throttle_state, window) * SLICED_SHARE
