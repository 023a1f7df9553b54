"""Whether our table is vacuumed now: room for the row versions that move, before the table has to grow for them. Pure.

    Start(cost)     VACUUM, throttled by these settings
    Stop(reason)    end the one that runs
    Leave(reason)   go on as it is

What asks for a vacuum is `moved`: row versions that found no room in their page (updates that were not HOT) and left
theirs to nobody; what the next stripes of their window fill needs no vacuum. The server's count of dead tuples comes
a second late, when a small table is done already.
One starts where a window begins: in mid-window it would give the room that later stripes need to rows of other pages.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.signals import Signals, Upkeep, VacuumResult
from backfill.throttle.state import ThrottleState
from backfill.throttle.wait_reason import PACE_KINDS, WaitKind, WaitReason
from backfill.upkeep.vacuum_choice import Skip, StartVacuum, StopVacuum, VacuumChoice, VacuumCost
from backfill.values.units import format_duration, format_rate, format_size

SHARE = 0.05
"""Of the table's rows that have to have moved: each vacuum reads all indexes, so there are at most twenty in a pass."""
MOVED_MIN = 10_000
"""A table of which fewer rows have moved is small whatever it does."""
WORTH = 2.0
"""WAL that a byte of room in the table is worth: a vacuum writes to every leaf of every index."""
WAL_SHARE = 0.5
"""Of what our WAL may be a second: batches go on beside it."""
PAGE_BYTES, PAGE_IMAGE_BYTES = 1024, 8448
"""WAL of a page that is cleaned; of one that was not written to since the last checkpoint, which is logged whole."""
SURPRISE_SHARE = 0.4
"""Of the lag budget that a checkpoint may cost in the second before a vacuum that did not reckon with it is ended."""
PAGES_MIN_S = 10.0
"""A slower vacuum would hold its lock for ever; the longest delay that the server has allows no slower one either."""
CALM_SHARE, LAG_SHARE = 0.5, 0.7
"""Of a lag budget: up to the first a vacuum starts, above the second it is ended."""
REST_S, REST_MAX_S = 10.0, 600.0
"""Time after one that came to nothing, doubled with each in a row, at most the second."""
REST_SHARE = 1.0
"""Time after one that did its work, in times of what it took: it runs for half of the time at most."""
FRUITLESS_SHARE = 0.5
"""Of the moved versions: where more than this stays, older snapshots hold them, and the next one waits."""
STALE_S = 5.0
"""One that nobody asked after for so long is ended: a final read, or a batch that hangs, sees no lag."""
BLOCK_BYTES = 8192
COST_DIRTY, COST_LIMIT_MAX = 20, 10_000
DELAY_MS, DELAY_MAX_MS = 2.0, 100.0


@dataclass(frozen=True, slots=True)
class ThrottleView:
    """How the throttle stands: what keeps the next batch back beside its pace, and what may be spent.

    `lag_share` is the worst lag as a share of its budget. `rate_bytes_s` is None while a replica has yet to show what
    it replays. `edge` is whether a window begins.
    """

    visible: bool
    trouble: WaitReason | None
    lag_share: float
    rate_bytes_s: float | None
    insert_lsn: int
    edge: bool


@dataclass(frozen=True, slots=True)
class VacuumHistory:
    """What is remembered between two decisions: `moved` versions since a moment and a position, ours that runs, rests.

    `redo_lsn` is the checkpoint that the running one reckons with, None where it reckons with any. `others` counts
    vacuums of the table that were not ours, `done` those that were.
    """

    moved: int = 0
    since_s: float = 0.0
    since_lsn: int = 0
    running_s: float | None = None
    running_moved: int = 0
    running_lsn: int = 0
    redo_lsn: int | None = None
    rest_until_s: float = float("-inf")
    vain: int = 0
    done: int = 0
    others: int | None = None


def throttle_view(
    limits: ThrottleLimits, throttle_state: ThrottleState, signals: Signals, trouble: WaitReason | None, *, edge: bool
) -> ThrottleView:
    """Return how the throttle stands after a reading."""
    rates = [one.rate_bytes_s for one in throttle_state.replica_windows]
    known = [rate for rate in rates if rate]
    lag_shares = (
        max(one.lag_s / limits.max_lag_s, one.unreplayed_bytes / limits.max_lag_bytes)
        for one in throttle_state.replica_windows
    )
    paced = trouble is not None and trouble.kind in PACE_KINDS
    return ThrottleView(
        visible=signals.visible,
        trouble=None if paced else trouble,
        lag_share=max(lag_shares, default=0.0),
        rate_bytes_s=min(limits.max_wal_rate_bytes_s, *known, float("inf")) if len(known) == len(rates) else None,
        insert_lsn=signals.insert_lsn,
        edge=edge,
    )


def after_batch(
    memory: VacuumHistory, now_s: float, *, moved: int, took_s: float, insert_lsn: int, wal_bytes: int
) -> VacuumHistory:
    """Return the memory after a batch of which `moved` row versions left room on their page."""
    if memory.moved == 0:
        memory = replace(memory, since_s=now_s - took_s, since_lsn=insert_lsn - wal_bytes)
    return replace(memory, moved=memory.moved + moved)


def choose(
    limits: ThrottleLimits, memory: VacuumHistory, upkeep: Upkeep, calm: ThrottleView, now_s: float
) -> tuple[VacuumChoice, VacuumHistory]:
    """Return what to do now, and the memory for the next time."""
    if memory.running_s is not None:
        return _stop(memory, upkeep, calm) or Skip("it runs"), memory
    memory = _observe(memory, upkeep)
    why = _why_not(memory, upkeep, calm, now_s)
    if why is not None:
        return Skip(why), memory
    assert calm.rate_bytes_s is not None
    assert upkeep.redo_lsn is not None
    imaged = upkeep.redo_lsn > memory.since_lsn
    pages_s = _pages_s(limits, calm.rate_bytes_s, imaged=imaged)
    if pages_s < PAGES_MIN_S:
        return Skip(f"wal rate {format_rate(calm.rate_bytes_s)} is too low for a vacuum"), memory
    memory = replace(
        memory,
        running_s=now_s,
        running_moved=memory.moved,
        running_lsn=calm.insert_lsn,
        redo_lsn=None if imaged else upkeep.redo_lsn,
    )
    return StartVacuum(cost_of(pages_s)), memory


def cost_of(pages_s: float) -> VacuumCost:
    """Return the settings under which no more than so many pages a second are dirtied."""
    cost_ms = pages_s * COST_DIRTY / 1000
    delay_ms = min(max(DELAY_MS, COST_DIRTY / cost_ms), DELAY_MAX_MS)
    return VacuumCost(limit=max(1, min(COST_LIMIT_MAX, int(cost_ms * delay_ms + 1e-6))), delay_ms=round(delay_ms, 3))


def after_vacuum(memory: VacuumHistory, ended: VacuumResult, now_s: float) -> VacuumHistory:
    """Return the memory after the one that ran is over; what came to nothing is tried again later, and later."""
    began_s = now_s if memory.running_s is None else memory.running_s
    held = ended.held is not None and ended.held > memory.running_moved * FRUITLESS_SHARE
    done = ended.result == "done"
    memory = replace(memory, running_s=None, done=memory.done + done)
    if held or not done:
        rest_s = min(REST_MAX_S, REST_S * 2.0 ** min(memory.vain, 10))
        return replace(memory, vain=memory.vain + 1, rest_until_s=now_s + rest_s)
    return replace(
        memory,
        moved=memory.moved - memory.running_moved,
        since_s=began_s,
        since_lsn=memory.running_lsn,
        vain=0,
        rest_until_s=now_s + ended.took_s * REST_SHARE,
    )


def summary(ended: VacuumResult) -> str:
    """Return how a vacuum ended, as `status` tells it."""
    took = format_duration(ended.took_s)
    if ended.result != "done":
        return f"vacuum {ended.result} after {took}: {ended.stopped or ended.failed}"
    removed = "" if ended.removed is None else f", {ended.removed:,} row versions removed"
    held = f", {ended.held:,} held by older snapshots" if ended.held else ""
    return f"vacuum done in {took}{removed}{held}"


def not_permitted(table: str, needs: str) -> str:
    """Return that this role has no right to vacuum, and what gives it."""
    return f"vacuum: auto has no right to vacuum {table}; run: {needs}"


def reason_to_cancel(waiting: int | None, untended_s: float) -> StopVacuum | None:
    """Return why a running vacuum has to end at once: who waits for its lock, or that nobody looks any more."""
    if waiting is None:
        return StopVacuum("it is unknown who waits for it")
    if waiting:
        return StopVacuum(f"sessions waiting for it {waiting} > 0")
    if untended_s > STALE_S:
        return StopVacuum(f"nothing was measured for {format_duration(untended_s)}")
    return None


def _stop(memory: VacuumHistory, upkeep: Upkeep, calm: ThrottleView) -> StopVacuum | None:
    if not calm.visible or upkeep.redo_lsn is None:
        return StopVacuum("what it does to others is not in view")
    if calm.trouble is not None and calm.trouble.kind is not WaitKind.BLOCKED:
        return StopVacuum(str(calm.trouble))
    if calm.lag_share > LAG_SHARE:
        return StopVacuum(f"lag {calm.lag_share:.0%} > {LAG_SHARE:.0%} of its budget")
    if memory.redo_lsn is not None and upkeep.redo_lsn > memory.redo_lsn:
        return StopVacuum("a checkpoint began: pages are logged as a whole now")
    return None


def _observe(memory: VacuumHistory, upkeep: Upkeep) -> VacuumHistory:
    """Return the memory without what a vacuum of somebody else has done; the server may count ours late."""
    if upkeep.vacuums is None:
        return memory
    others = upkeep.vacuums - memory.done
    if memory.others is not None and others > memory.others:
        memory = replace(memory, moved=0)
    return replace(memory, others=others if memory.others is None else max(others, memory.others))


def _why_not(memory: VacuumHistory, upkeep: Upkeep, calm: ThrottleView, now_s: float) -> str | None:  # noqa: C901, PLR0911 - one a reason
    if not calm.visible or upkeep.redo_lsn is None or upkeep.vacuums is None or upkeep.live_tuples is None:
        return "its effect on others is not in view"
    if upkeep.vacuum_needs is not None:
        return "no right"
    needed = max(MOVED_MIN, upkeep.live_tuples * SHARE)
    if memory.moved < needed:
        return f"moved rows {memory.moved} < {needed:.0f}"
    if upkeep.vacuumed_by is not None:
        return f"{upkeep.vacuumed_by} vacuums it"
    if now_s < memory.rest_until_s:
        return f"it rests for {format_duration(memory.rest_until_s - now_s)}"
    gain, price = _gain_bytes(memory, upkeep), _price_bytes(memory, upkeep)
    if gain * WORTH < price:
        return f"room of {format_size(gain)} is not worth {format_size(price)} of WAL for the indexes"
    oldest_s = upkeep.oldest_snapshot_s
    if oldest_s is not None and oldest_s > now_s - memory.since_s:
        return f"a snapshot of {format_duration(oldest_s)} holds every old version"
    if calm.trouble is not None:
        return str(calm.trouble)
    if calm.lag_share > CALM_SHARE:
        return f"lag {calm.lag_share:.0%} > {CALM_SHARE:.0%} of its budget"
    if calm.rate_bytes_s is None:
        return "what a replica can replay is not known yet"
    return None if calm.edge else "a window is half done"


def _gain_bytes(memory: VacuumHistory, upkeep: Upkeep) -> float:
    """Return the room that a vacuum would give: an average row for each version that moved."""
    return memory.moved * (upkeep.heap_bytes or 0) / max(1, upkeep.live_tuples or 0)


def _price_bytes(memory: VacuumHistory, upkeep: Upkeep) -> float:
    """Return the WAL that it would write for indexes: a whole page where a checkpoint began since the last one."""
    imaged = upkeep.redo_lsn is not None and upkeep.redo_lsn > memory.since_lsn
    return (upkeep.index_bytes or 0) / BLOCK_BYTES * (PAGE_IMAGE_BYTES if imaged else PAGE_BYTES)


def _pages_s(limits: ThrottleLimits, rate_bytes_s: float, *, imaged: bool) -> float:
    if imaged:
        return rate_bytes_s * WAL_SHARE / PAGE_IMAGE_BYTES
    surprised = rate_bytes_s * limits.max_lag_s * SURPRISE_SHARE / PAGE_IMAGE_BYTES
    return min(rate_bytes_s * WAL_SHARE / PAGE_BYTES, surprised)
