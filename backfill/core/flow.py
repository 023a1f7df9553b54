"""One replica as a network path: how fast it replays, and how many bytes may be on the way to it.

The window law is that of a congestion window (BBR, LEDBAT): the bytes that are written but not replayed stay
under `window_bytes`, which follows replay rate times target. Lag above the target cuts it to that product; while
it is what holds us back and lag stays under the target it grows. So it lives at the smallest queue that keeps
replay busy, whatever the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

WINDOW_START_BYTES = 256 * 1024
WINDOW_MIN_BYTES = 32 * 1024
STEP_S = 0.1
"""Time between two changes of the window: about one reply of a busy standby."""
GROWTH = 1.1
GROWTH_FIRST = 1.3
"""Growth until the first cut: a start from nothing finds a fast link in a second or two, without a burst."""
RATE_SPAN_S = 0.25
STILL_S = 5.0
"""A thin link delivers in lumps, so a span lasts until something moves; longer than this it is a fault instead."""
FEAR, HOPE = 0.6, 0.3
"""Weights of a rate that fell and of one that rose."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What we know of one counted replica.

    `unreplayed_bytes` is all that is written and not replayed, `queued_bytes` the part of it that the replica could
    have: flushed on the primary. `rate_bytes_s` is None until something was replayed; `moved_s` is when replay last
    went on.
    """

    name: str
    replay_lsn: int
    lag_s: float
    unreplayed_bytes: int
    queued_bytes: int = 0
    window_bytes: float = WINDOW_START_BYTES
    rate_bytes_s: float | None = None
    found: bool = False
    stepped_s: float = 0.0
    sampled_s: float = 0.0
    sampled_lsn: int = 0
    busy: bool = False
    moved_s: float = 0.0

    @property
    def room_bytes(self) -> float:
        """Bytes that may be written now without overfilling the window."""
        return self.window_bytes - self.unreplayed_bytes

    @property
    def queue_s(self) -> float:
        """How far behind the replica is, or will be with what is on the way: lag is late, bytes are not."""
        if not self.rate_bytes_s:
            return self.lag_s
        return max(self.lag_s, self.queued_bytes / self.rate_bytes_s)


def start(name: str, now_s: float, replay_lsn: int) -> Flow:
    """Return the flow of a replica that is seen for the first time, or again."""
    return Flow(name, replay_lsn, 0.0, 0, stepped_s=now_s, sampled_s=now_s, sampled_lsn=replay_lsn, moved_s=now_s)


def observe(flow: Flow, now_s: float, replay_lsn: int, *, insert_lsn: int, flush_lsn: int, lag_s: float) -> Flow:
    """Return the flow with one more reading.

    A span in which the replica always had a queue shows its rate; any other only that it is no less. One that
    stands still shows a fault, not its capacity.
    """
    queued = max(0, flush_lsn - replay_lsn)
    busy = flow.busy and queued > 0
    seen = replace(
        flow,
        replay_lsn=replay_lsn,
        lag_s=lag_s,
        unreplayed_bytes=max(0, insert_lsn - replay_lsn),
        queued_bytes=queued,
        busy=busy,
        moved_s=now_s if replay_lsn > flow.replay_lsn else flow.moved_s,
    )
    span_s = now_s - flow.sampled_s
    delivered = replay_lsn - flow.sampled_lsn
    if span_s < RATE_SPAN_S or (delivered <= 0 < queued and span_s < STILL_S):
        return seen
    rate = _rate(flow.rate_bytes_s, delivered / span_s, busy=busy)
    return replace(seen, rate_bytes_s=rate, sampled_s=now_s, sampled_lsn=replay_lsn, busy=queued > 0)


def _rate(rate: float | None, delivered: float, *, busy: bool) -> float | None:
    if delivered <= 0:
        return rate
    if rate is None:
        return delivered
    if not busy:
        return max(rate, delivered)
    return rate + (FEAR if delivered < rate else HOPE) * (delivered - rate)


def step(flow: Flow, now_s: float, *, target_s: float, ceiling_bytes: float, filled: bool, sliced: bool) -> Flow:
    """Return the flow with its window adapted, at most once every `STEP_S`.

    It may grow up to what the replica replays within the target while a batch is `sliced` smaller by it, and
    beyond that only when it was `filled`: more than half used, or a batch did not fit. So it is never much wider
    than what is really on the way. Nothing grows before the first byte was replayed.
    """
    if now_s - flow.stepped_s < STEP_S:
        return flow
    window, found, rate = flow.window_bytes, flow.found, flow.rate_bytes_s
    if rate is not None and flow.queue_s > target_s:
        window, found = min(window, rate * target_s), True
    elif rate is not None and (filled or (sliced and window < rate * target_s)):
        window *= GROWTH if found else GROWTH_FIRST
    window = min(max(window, WINDOW_MIN_BYTES), ceiling_bytes)
    return replace(flow, window_bytes=window, found=found, stepped_s=now_s)
