"""Back off when other sessions wait for our row locks: smaller batches, after a pause.

A batch holds its locks until it commits, so the remedy is shorter batches, and a pause in which the queue drains.
"""

from __future__ import annotations

from dataclasses import dataclass

SHRINK = 0.5
GROWTH = 1.25
SHARE_MIN = 1 / 64
PAUSE_S = 0.25
PAUSE_MAX_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockBackoff:
    """`sessions` waited for the last batch; the next has `share` of its rows and does not start before `until_s`."""

    sessions: int = 0
    share: float = 1.0
    times: int = 0
    until_s: float = 0.0


def after_batch(lock_backoff: LockBackoff, now_s: float, *, sessions: int, limit: int) -> LockBackoff:
    """Return the back-off after a batch for which `sessions` waited: half the size and a longer pause, or a step up."""
    if sessions <= limit:
        return LockBackoff(sessions=sessions, share=min(1.0, lock_backoff.share * GROWTH))
    pause_s = min(PAUSE_MAX_S, PAUSE_S * 2.0 ** min(lock_backoff.times, 10))
    return LockBackoff(
        sessions=sessions,
        share=max(SHARE_MIN, lock_backoff.share * SHRINK),
        times=lock_backoff.times + 1,
        until_s=now_s + pause_s,
    )
