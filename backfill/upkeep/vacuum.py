"""Whether to vacuum the table now: room for the row versions that move, before the table has to grow for them.

    StartVacuum(cost)   VACUUM, throttled by these settings
    StopVacuum(reason)  stop the one that runs
    Skip(reason)        change nothing

A vacuum is needed for `moved` row versions: those that found no room on their page (updates that were not HOT) and left
room that nothing else fills. What the next stripes of their window fill needs no vacuum. The server's count of dead
tuples comes a second late, when a small table is done already. A vacuum starts where a window begins: in mid-window it
would give the room that later stripes need to rows of other pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from backfill.jobfile.limits import ThrottleLimits
from backfill.throttle.signals import Upkeep, VacuumResult
from backfill.throttle.wait_reason import WaitKind
from backfill.upkeep.throttle_view import ThrottleView
from backfill.upkeep.vacuum_choice import Skip, StartVacuum, StopVacuum, VacuumChoice
from backfill.upkeep.vacuum_cost import cost_of, gain_bytes, is_imaged, pages_s, price_bytes
from backfill.upkeep.vacuum_history import VacuumHistory, after_others
from backfill.values.units import format_duration, format_rate, format_size

SHARE = 0.05
"""Share of the table's rows that must have moved: each vacuum reads all indexes, so a pass has at most twenty."""
MOVED_MIN = 10_000
"""With fewer moved rows, the table does not grow noticeably."""
WORTH = 2.0
"""WAL that a byte of room in the table is worth: a vacuum writes to every leaf of every index."""
PAGES_MIN_S = 10.0
"""A slower vacuum would hold its lock forever, and the longest delay of the server allows no slower one."""
CALM_SHARE, LAG_SHARE = 0.5, 0.7
"""Shares of a lag budget: up to the first a vacuum starts, above the second it is stopped."""
STALE_S = 5.0
"""A vacuum that nobody has checked for this long is stopped: a final read, or a batch that hangs, sees no lag."""


def choose(
    limits: ThrottleLimits, history: VacuumHistory, upkeep: Upkeep, view: ThrottleView, now_s: float
) -> tuple[VacuumChoice, VacuumHistory]:
    """Return what to do now, and the history for the next time."""
    if history.running_s is not None:
        reason = next(_reasons_to_stop(history, upkeep, view), None)
        return Skip("it runs") if reason is None else StopVacuum(reason), history
    history = after_others(history, upkeep)
    reason = next(_reasons_to_skip(history, upkeep, view, now_s), None)
    if reason is not None:
        return Skip(reason), history
    assert view.rate_bytes_s is not None
    imaged = is_imaged(history, upkeep)
    pages = pages_s(limits, view.rate_bytes_s, imaged=imaged)
    if pages < PAGES_MIN_S:
        return Skip(f"wal rate {format_rate(view.rate_bytes_s)} is too low for a vacuum"), history
    history = replace(
        history,
        running_s=now_s,
        running_moved=history.moved,
        running_lsn=view.insert_lsn,
        redo_lsn=None if imaged else upkeep.redo_lsn,
    )
    return StartVacuum(cost_of(pages)), history


def reason_to_cancel(waiting: int | None, unchecked_s: float) -> StopVacuum | None:
    """Return why a running vacuum must stop at once: sessions wait for its lock, or nobody checks it any longer."""
    if waiting is None:
        return StopVacuum("it is unknown who waits for it")
    if waiting:
        return StopVacuum(f"sessions waiting for it {waiting} > 0")
    if unchecked_s > STALE_S:
        return StopVacuum(f"no signals read for {format_duration(unchecked_s)}")
    return None


def summary(ended: VacuumResult) -> str:
    """Return how a vacuum ended, as `status` shows it."""
    took = format_duration(ended.took_s)
    if ended.result != "done":
        return f"vacuum {ended.result} after {took}: {ended.stopped or ended.failed}"
    removed = "" if ended.removed is None else f", {ended.removed:,} row versions removed"
    held = f", {ended.held:,} held by older snapshots" if ended.held else ""
    return f"vacuum done in {took}{removed}{held}"


def _reasons_to_stop(history: VacuumHistory, upkeep: Upkeep, view: ThrottleView) -> Iterator[str]:
    if not view.visible or upkeep.redo_lsn is None:
        yield "its effect on others cannot be seen"
    if view.blocked_by is not None and view.blocked_by.kind is not WaitKind.BLOCKED:
        yield str(view.blocked_by)
    if view.lag_share > LAG_SHARE:
        yield f"lag {view.lag_share:.0%} > {LAG_SHARE:.0%} of its budget"
    if history.redo_lsn is not None and upkeep.redo_lsn is not None and upkeep.redo_lsn > history.redo_lsn:
        yield "a checkpoint began: pages are now logged whole"


def _reasons_to_skip(history: VacuumHistory, upkeep: Upkeep, view: ThrottleView, now_s: float) -> Iterator[str]:
    if not view.visible or None in (upkeep.redo_lsn, upkeep.vacuums, upkeep.live_tuples):
        yield "its effect on others cannot be seen"
        return
    if upkeep.vacuum_needs is not None:
        yield "permission denied"
    yield from _not_needed(history, upkeep, now_s)
    yield from _not_now(view)


def _not_needed(history: VacuumHistory, upkeep: Upkeep, now_s: float) -> Iterator[str]:
    needed = max(MOVED_MIN, (upkeep.live_tuples or 0) * SHARE)
    if history.moved < needed:
        yield f"moved rows {history.moved} < {needed:.0f}"
    if upkeep.vacuumed_by is not None:
        yield f"{upkeep.vacuumed_by} vacuums it"
    if now_s < history.paused_until_s:
        yield f"paused for {format_duration(history.paused_until_s - now_s)}"
    gain, price = gain_bytes(history, upkeep), price_bytes(history, upkeep)
    if gain * WORTH < price:
        yield f"room of {format_size(gain)} is not worth {format_size(price)} of WAL for the indexes"
    oldest_s = upkeep.oldest_snapshot_s
    if oldest_s is not None and oldest_s > now_s - history.since_s:
        yield f"a snapshot of {format_duration(oldest_s)} holds every old version"


def _not_now(view: ThrottleView) -> Iterator[str]:
    if view.blocked_by is not None:
        yield str(view.blocked_by)
    if view.lag_share > CALM_SHARE:
        yield f"lag {view.lag_share:.0%} > {CALM_SHARE:.0%} of its budget"
    if view.rate_bytes_s is None:
        yield "the replay rate of a replica is not known yet"
    if not view.window_begins:
        yield "a window is half done"
