"""The rows ahead of the lanes by the stripe that will take them: first stripes are dear, last ones cheap.

The first stripe of a window pays for the images of its pages and moves rows away; the last ones find room on them.
Class 0 is a window without stripes, class k+1 the stripe k of a window that has some.
"""

from __future__ import annotations

from collections.abc import Iterable

from backfill.table.checkpoint import Checkpoint

CLASSES = 13
"""Stripes beyond the twelfth count as the twelfth."""
StripeRows = tuple[float, ...]
NO_ROWS: StripeRows = (0.0,) * CLASSES


def stripe_class(checkpoint: Checkpoint) -> int:
    """Return the class of the rows that a lane takes next."""
    return _class(checkpoint.stripe, checkpoint.stripes)


def rows_by_stripe(checkpoints: Iterable[Checkpoint], rows_here: float, rows_after: float) -> StripeRows:
    """Return rows by class: those that the lanes have ahead of them on their leaf, and those of leaves to come."""
    lanes = tuple(checkpoints)
    pages, later = [0.0] * CLASSES, [0.0] * CLASSES
    for lane in lanes:
        _add_window(pages, lane)
        _add_all_stripes(pages, lane, _pages_behind_window(lane))
        _add_all_stripes(later, lane, 1.0)
    here = _scaled(pages if sum(pages) > 0 else later, rows_here)
    return tuple(map(sum, zip(here, _scaled(later, rows_after), strict=True)))


def _class(stripe: int, stripes: int) -> int:
    return 0 if stripes == 1 else min(stripe + 1, CLASSES - 1)


def _add_window(pages: list[float], lane: Checkpoint) -> None:
    """Add what is left of the lane's window, as parts of its pages."""
    if lane.pass_done:
        return
    sizes, width = lane.layout.sizes, lane.window_end - lane.window_start
    unread = max(0.0, (lane.window_end - lane.next.page) / max(1, width))
    for stripe in range(lane.stripe, lane.stripes):
        share = unread if stripe == lane.stripe else 1.0
        pages[_class(stripe, lane.stripes)] += width * share * sizes[stripe] / sum(sizes)


def _add_all_stripes(pages: list[float], lane: Checkpoint, count: float) -> None:
    sizes = lane.layout.sizes
    for stripe, size in enumerate(sizes):
        pages[_class(stripe, lane.stripes)] += count * size / sum(sizes)


def _pages_behind_window(lane: Checkpoint) -> float:
    if lane.pass_done:
        return 0.0
    return max(0.0, (lane.end_page - lane.window_end) / lane.lanes)


def _scaled(shares: list[float], rows: float) -> StripeRows:
    total = sum(shares)
    return tuple(rows * share / total for share in shares) if total > 0 else NO_ROWS
