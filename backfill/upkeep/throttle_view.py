"""What a decision about upkeep sees of the throttle."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.signals import Signals
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import PACE_KINDS, WaitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleView:
    """What holds the next batch back other than its pace, and how much WAL may be written.

    `lag_share` is the worst lag as a share of its budget. `rate_bytes_s` is None until every replica has shown how fast
    it replays. `window_begins` is whether the next batch is the first of its window.
    """

    visible: bool
    blocked_by: WaitReason | None
    lag_share: float
    rate_bytes_s: float | None
    insert_lsn: int
    window_begins: bool


def throttle_view(
    limits: ThrottleLimits,
    state: ThrottleState,
    signals: Signals,
    blocked_by: WaitReason | None,
    *,
    window_begins: bool,
) -> ThrottleView:
    """Return the view after a reading."""
    rates = [window.rate_bytes_s for window in state.replica_windows]
    known = [rate for rate in rates if rate]
    lag_shares = (
        max(window.lag_s / limits.max_lag_s, window.unreplayed_bytes / limits.max_lag_bytes)
        for window in state.replica_windows
    )
    paced = blocked_by is not None and blocked_by.kind in PACE_KINDS
    return ThrottleView(
        visible=signals.visible,
        blocked_by=None if paced else blocked_by,
        lag_share=max(lag_shares, default=0.0),
        rate_bytes_s=min(limits.max_wal_rate_bytes_s, *known, inf) if len(known) == len(rates) else None,
        insert_lsn=signals.insert_lsn,
        window_begins=window_begins,
    )
