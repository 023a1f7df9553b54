"""One replica as a network path: how fast it replays, and how many bytes may be on the way to it.

This is a congestion window, as in BBR and LEDBAT: bytes that are written but not replayed stay below `window_bytes`.
The window follows what the replica has shown: its replay rate times the allowed time, which is the quickest round
trip plus a short queue. A longer queue cuts the window; while the window is what holds us back, it grows. So it settles
at the smallest queue that keeps replay busy, whatever the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

WINDOW_START_BYTES = 64 * 1024
WINDOW_MIN_BYTES = 32 * 1024
STEP_S = 0.1
"""Time between two changes of the window: about one reply of a busy standby."""
GROWTH = 1.05
"""Growth a step beyond what the replica has shown, to find out whether there is more."""
GROWTH_SHOWN = 2.0
"""Growth a step up to what the replica has shown: no burst, and a fast link is found in a second."""
GROWTH_DRY = 1.25
"""Growth a step of a full window whose replica was seen with nothing left to replay."""
FILLED_SHARE = 0.75
"""From this used share on, the window is what holds us back."""
TRAVEL_MAX_S = 0.3
"""At most this much of a delivered byte's age counts as travel; the rest is a queue, as on a thin link."""
RATE_SPAN_S = 0.2
STILL_S = 5.0
"""A thin link delivers in lumps, so a span lasts until something moves; longer than this, the replica stands still."""
WEIGHT_DOWN, WEIGHT_UP = 0.6, 0.5
"""Weights of a rate that fell and of one that rose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaWindow:
    """What we know of one counted replica.

    `unreplayed_bytes` is all that is written and not replayed, `queued_bytes` the part of it that the replica could
    have: flushed on the primary. `used_bytes` is the most that was on the way, or was to be, since the last step.
    `rate_bytes_s` is None until something was replayed; `moved_s` is when replay last advanced.
    """

    name: str
    replay_lsn: int
    lag_s: float
    unreplayed_bytes: int
    queued_bytes: int = 0
    allowed_s: float = 0.3
    travel_s: float = inf
    window_bytes: float = WINDOW_START_BYTES
    rate_bytes_s: float | None = None
    used_bytes: float = 0.0
    stepped_s: float = 0.0
    sampled_s: float = 0.0
    sampled_lsn: int = 0
    busy: bool = False
    dry: bool = False
    moved_s: float = 0.0

    @property
    def shown_bytes(self) -> float:
        """What the replica replays in the allowed time, as far as it has shown; 0 at first."""
        return (self.rate_bytes_s or 0.0) * self.allowed_s

    @property
    def queue_s(self) -> float:
        """How far behind the replica is, or will be with what is on the way: lag shows late, bytes do not."""
        if not self.rate_bytes_s:
            return self.lag_s
        if not self.queued_bytes:
            return 0.0
        return max(self.lag_s, self.queued_bytes / self.rate_bytes_s)

    def room_bytes(self, travel_s: float) -> float:
        """Return the bytes that fit the window when they are written in `travel_s`: replay continues meanwhile."""
        return self.window_bytes - max(0.0, self.unreplayed_bytes - (self.rate_bytes_s or 0.0) * travel_s)


def start(name: str, now_s: float, replay_lsn: int) -> ReplicaWindow:
    """Return the window of a replica that is seen for the first time, or again."""
    return ReplicaWindow(
        name=name,
        replay_lsn=replay_lsn,
        lag_s=0.0,
        unreplayed_bytes=0,
        stepped_s=now_s,
        sampled_s=now_s,
        sampled_lsn=replay_lsn,
        moved_s=now_s,
    )


def after_reading(
    replica_window: ReplicaWindow,
    now_s: float,
    replay_lsn: int,
    *,
    insert_lsn: int,
    flush_lsn: int,
    lag_s: float,
    age_s: float,
    target_s: float,
    bound_s: float,
    wanted_bytes: float = 0.0,
) -> ReplicaWindow:
    """Return the window after one more reading; `wanted_bytes` is what the last batch was to write, admitted or not.

    A span in which the replica always had a queue shows its rate; any other span shows that it is at least that. A
    replica that stands still does not show its capacity.
    """
    queued = max(0, flush_lsn - replay_lsn)
    unreplayed = max(0, insert_lsn - replay_lsn)
    busy, rate, since_s, since_lsn = (
        replica_window.busy and queued > 0,
        replica_window.rate_bytes_s,
        replica_window.sampled_s,
        replica_window.sampled_lsn,
    )
    span_s, delivered = now_s - since_s, replay_lsn - since_lsn
    if span_s >= RATE_SPAN_S and (delivered > 0 or queued == 0 or span_s >= STILL_S):
        rate = _rate(rate, delivered / span_s, busy=busy)
        busy, since_s, since_lsn = queued > 0, now_s, replay_lsn
    moved = replay_lsn > replica_window.replay_lsn
    travel_s = min(replica_window.travel_s, age_s) if moved else replica_window.travel_s
    return ReplicaWindow(  # not replace(): this is done for each replica at each reading
        name=replica_window.name,
        replay_lsn=replay_lsn,
        lag_s=lag_s,
        unreplayed_bytes=unreplayed,
        queued_bytes=queued,
        allowed_s=min(target_s + min(travel_s, TRAVEL_MAX_S), bound_s),
        travel_s=travel_s,
        window_bytes=replica_window.window_bytes,
        rate_bytes_s=rate,
        used_bytes=max(replica_window.used_bytes, replica_window.unreplayed_bytes + wanted_bytes, unreplayed),
        stepped_s=replica_window.stepped_s,
        sampled_s=since_s,
        sampled_lsn=since_lsn,
        busy=busy,
        dry=replica_window.dry or not queued,
        moved_s=now_s if moved else replica_window.moved_s,
    )


def _rate(rate: float | None, delivered: float, *, busy: bool) -> float | None:
    if delivered <= 0:
        return rate
    if rate is None:
        return delivered
    if not busy:
        return max(rate, delivered)
    return rate + (WEIGHT_DOWN if delivered < rate else WEIGHT_UP) * (delivered - rate)


def adapt(replica_window: ReplicaWindow, now_s: float, *, ceiling_bytes: float, limited: bool) -> ReplicaWindow:
    """Return the window adapted, at most once every `STEP_S`.

    A queue above the target cuts it to what the replica has shown. If the window is what holds us back, because it is
    full or `limited` the last batch, it doubles up to what the replica has shown; beyond that it grows a little, and
    only if full. So it is never much wider than what is really on the way.
    """
    if now_s - replica_window.stepped_s < STEP_S:
        return replica_window
    window, shown = replica_window.window_bytes, replica_window.shown_bytes
    filled = replica_window.used_bytes > window * FILLED_SHARE
    starved = filled and replica_window.dry
    if shown and replica_window.queue_s > replica_window.allowed_s and not starved:
        window = min(window, shown)
    elif window < shown and (filled or limited):
        window = min(window * GROWTH_SHOWN, shown)
    elif shown and filled:
        window *= GROWTH_DRY if starved else GROWTH
    window = min(max(window, WINDOW_MIN_BYTES), ceiling_bytes)
    return replace(replica_window, window_bytes=window, used_bytes=0.0, dry=False, stepped_s=now_s)
