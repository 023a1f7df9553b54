"""What a vacuum is worth, what it costs in WAL, and how fast it may run."""

from __future__ import annotations

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.signals import Upkeep
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.upkeep.vacuum_history import VacuumHistory

WAL_SHARE = 0.5
"""Share of the WAL rate that a vacuum may use: batches continue meanwhile."""
PAGE_BYTES, PAGE_IMAGE_BYTES = 1024, 8448
"""WAL of a cleaned page, and of one that is logged whole because it is the first change since a checkpoint."""
SURPRISE_SHARE = 0.4
"""Share of the lag budget that a checkpoint may cost in the second before the vacuum is stopped for it."""
BLOCK_BYTES = 8192
COST_DIRTY, COST_LIMIT_MAX = 20, 10_000
DELAY_MS, DELAY_MAX_MS = 2.0, 100.0


def cost_of(pages_s: float) -> VacuumCost:
    """Return the settings under which at most this many pages a second are dirtied."""
    cost_ms = pages_s * COST_DIRTY / 1000
    delay_ms = min(max(DELAY_MS, COST_DIRTY / cost_ms), DELAY_MAX_MS)
    return VacuumCost(limit=max(1, min(COST_LIMIT_MAX, int(cost_ms * delay_ms + 1e-6))), delay_ms=round(delay_ms, 3))


def pages_s(limits: ThrottleLimits, rate_bytes_s: float, *, imaged: bool) -> float:
    """Return the pages a second that a vacuum may dirty; `imaged` if each of them is logged whole."""
    if imaged:
        return rate_bytes_s * WAL_SHARE / PAGE_IMAGE_BYTES
    surprised = rate_bytes_s * limits.max_lag_s * SURPRISE_SHARE / PAGE_IMAGE_BYTES
    return min(rate_bytes_s * WAL_SHARE / PAGE_BYTES, surprised)


def is_imaged(history: VacuumHistory, upkeep: Upkeep) -> bool:
    """Whether a checkpoint began since the rows moved: then pages are logged whole."""
    return upkeep.redo_lsn is not None and upkeep.redo_lsn > history.since_lsn


def gain_bytes(history: VacuumHistory, upkeep: Upkeep) -> float:
    """Return the room that a vacuum would free: an average row for each version that moved."""
    return history.moved * (upkeep.heap_bytes or 0) / max(1, upkeep.live_tuples or 0)


def price_bytes(history: VacuumHistory, upkeep: Upkeep) -> float:
    """Return the WAL that a vacuum would write for the indexes."""
    page_bytes = PAGE_IMAGE_BYTES if is_imaged(history, upkeep) else PAGE_BYTES
    return (upkeep.index_bytes or 0) / BLOCK_BYTES * page_bytes
