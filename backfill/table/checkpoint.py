"""A place in a table, and how it moves: passes over windows of pages, each window in stripes.

    pass 1: window 1: stripe 0, 1 … k-1 · window 2: stripe 0 … k-1 · … end page
    pass 2: the same pages again for rows that moved · … until a proof finds nothing left

The end page is fixed when a pass starts, else the pass would chase the versions that it appends itself.
A stripe is a set of line pointers of every page (`table.stripe_plan`); the last takes all that is left, so a window is
complete after it. Between two stripes of a page lies the rest of its window: long enough for the old versions to
become prunable. Lanes share the pages of a pass by segments in turn, so that each has a place of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from backfill.table.window_state import StripeHistory

WINDOW_PAGES = 8192
"""Pages of a window where nothing speaks for fewer: a stripe of it outlasts short transactions and other lanes'."""
COUNT_MAX = 2**60
"""No worker counts that far; a bigint overflows at eight times as much."""
SEGMENT_PAGES = WINDOW_PAGES
"""Pages of a lane's segment: a window, so that there is little to wait for when the other lanes are done."""


class Tid(NamedTuple):
    """A row address as PostgreSQL's tid: page and line pointer (from 1; 0 is before the first)."""

    page: int
    offset: int = 0

    def __str__(self) -> str:
        return f"({self.page},{self.offset})"

    @classmethod
    def parse(cls, text: str) -> Tid:
        """Return the address that PostgreSQL writes so."""
        page, offset = text.strip("()").split(",")
        return cls(int(page), int(offset))


@dataclass(frozen=True, slots=True)
class Layout:
    """How windows are worked through: the shares of their stripes, their width in pages, and why so."""

    sizes: tuple[int, ...] = (1,)
    window_pages: int = WINDOW_PAGES
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The checkpoint of a lane: everything before `next` in this stripe of this window of this pass is done.

    `unconverged_xids` are the lane's last transactions that left rows matching. `rows_ahead` is an estimate, None if
        nobody made one; of several leaves lane 0 has those of leaves to come in it.
    `history` is how stripes fared in the windows before.

        `window_end` and `end_page` are exclusive. `rows_converged_pass` counts the updates of this pass that made
        `where` false. `epoch` and `sequence` fence: a batch commits only if both are still the same.
    """

    end_page: int
    layout: Layout = Layout()
    leaf: str = ""
    lane: int = 0
    lanes: int = 1
    pass_number: int = 1
    window_start: int = 0
    window_end: int = 0
    stripe: int = 0
    next: Tid = Tid(0)
    rows_pass: int = 0
    rows_converged_pass: int = 0
    rows_total: int = 0
    rows_unconverged: int = 0
    unconverged_xids: tuple[int, ...] = ()
    wal_bytes: int = 0
    rows_ahead: int | None = None
    history: StripeHistory = StripeHistory()
    epoch: int = 0
    sequence: int = 0

    @property
    def stripes(self) -> int:
        """Stripes of this window."""
        return len(self.layout.sizes)

    @property
    def last_stripe(self) -> bool:
        """Whether this stripe takes all rows that are left, whatever their line pointer."""
        return self.stripe == self.stripes - 1

    @property
    def pass_done(self) -> bool:
        """Whether the pass has reached its end page."""
        return self.window_start >= self.end_page

    @property
    def window_limit(self) -> Tid:
        """The first address behind the window."""
        return Tid(self.window_end)

    @property
    def window_untouched(self) -> bool:
        """Whether nothing of the window is done: it may get another layout."""
        return self.stripe == 0 and self.stripe_untouched and not self.pass_done

    @property
    def stripe_untouched(self) -> bool:
        """Whether nothing of the window's stripe is done."""
        return self.next == Tid(self.window_start)

    @property
    def possible(self) -> bool:
        """Whether a worker can have left it so: what somebody has edited may be no place at all."""
        layout, lanes = self.layout, 0 <= self.lane < self.lanes
        sizes = sum(layout.sizes) > 0 and min(layout.sizes) >= 0 and layout.window_pages > 0
        inside = self.pass_done or (
            0 <= self.window_start < self.window_end <= self.end_page
            and 0 <= self.stripe < self.stripes
            and Tid(self.window_start) <= self.next <= self.window_limit
        )
        return lanes and sizes and inside and self.pass_number > 0

    @property
    def countable(self) -> bool:
        """Whether its fence and its counts leave room for more: somebody may have edited them, too."""
        counts = (self.rows_pass, self.rows_converged_pass, self.rows_total, self.rows_unconverged, self.wal_bytes)
        return all(0 <= count < COUNT_MAX for count in (self.epoch, self.sequence, *counts))

    @property
    def segment_pages(self) -> int:
        """Pages of a segment: a lane has every so-manieth of them to itself."""
        return max(1, min(SEGMENT_PAGES, -(-self.end_page // self.lanes))) if self.lanes > 1 else max(1, self.end_page)

    @property
    def pages_done(self) -> float:
        """Pages of this lane's segments that are done in this pass, parts of them by stripes."""
        if not self.possible:
            return 0.0
        before = _own_pages(self, min(self.window_start, self.end_page))
        if self.pass_done:
            return before
        pages = self.window_end - self.window_start
        within = (self.next.page - self.window_start) / pages
        sizes = self.layout.sizes
        return before + pages * (sum(sizes[: self.stripe]) + sizes[self.stripe] * within) / sum(sizes)


def begin(end_page: int, layout: Layout, *, leaf: str = "", lane: int = 0, lanes: int = 1) -> Checkpoint:
    """Return a lane's first pass over pages 0 to `end_page`."""
    return _open_window(Checkpoint(end_page=end_page, layout=layout, leaf=leaf, lane=lane, lanes=lanes), 0)


def begin_pass(checkpoint: Checkpoint, end_page: int) -> Checkpoint:
    """Return the next pass, without stripes: what it looks for is scattered, and a page is seldom met twice."""
    fresh = replace(
        checkpoint,
        pass_number=checkpoint.pass_number + 1,
        end_page=end_page,
        layout=Layout(),
        rows_pass=0,
        rows_converged_pass=0,
    )
    return _open_window(fresh, 0)


def restart(checkpoint: Checkpoint, end_page: int, layout: Layout) -> Checkpoint:
    """Return the scan from page 0, for a table whose addresses changed; counts of rows stay."""
    fresh = replace(begin_pass(replace(checkpoint, pass_number=0), end_page), layout=layout)
    return _open_window(fresh, 0)


def begin_lanes(pages: int, lanes: int, before: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
    """Return checkpoints at the start of the table, with the fence of those before and what their lanes have done."""
    none = Checkpoint(end_page=pages, leaf=before[0].leaf, sequence=before[0].sequence)
    kept = [before[lane] if lane < len(before) else none for lane in range(lanes)]
    for gone in before[lanes:]:
        kept[0] = replace(
            kept[0],
            rows_total=kept[0].rows_total + gone.rows_total,
            rows_unconverged=kept[0].rows_unconverged + gone.rows_unconverged,
            unconverged_xids=(*kept[0].unconverged_xids, *gone.unconverged_xids),
            wal_bytes=kept[0].wal_bytes + gone.wal_bytes,
        )
    epoch = max(checkpoint.epoch for checkpoint in kept)
    placed = (replace(checkpoint, lane=lane, lanes=lanes, epoch=epoch) for lane, checkpoint in enumerate(kept))
    return tuple(restart(checkpoint, pages, Layout()) for checkpoint in placed)


def advance(checkpoint: Checkpoint, reached: Tid) -> Checkpoint:
    """Return the place after everything below `reached` in this stripe is done."""
    if reached < checkpoint.window_limit:
        return replace(checkpoint, next=max(checkpoint.next, reached))
    if not checkpoint.last_stripe:
        return replace(checkpoint, stripe=checkpoint.stripe + 1, next=Tid(checkpoint.window_start))
    opened = _open_window(checkpoint, max(checkpoint.window_end, reached.page))
    return replace(opened, next=max(opened.next, reached)) if reached < opened.window_limit else opened


def begin_window(checkpoint: Checkpoint) -> Checkpoint:
    """Return the place with a window that begins there, if it is the start of a page and there are no stripes."""
    return (
        _open_window(checkpoint, checkpoint.next.page)
        if checkpoint.stripes == 1 and checkpoint.next.offset == 0
        else checkpoint
    )


def lay_out(checkpoint: Checkpoint, layout: Layout) -> Checkpoint:
    """Return the place with its window, of which nothing is done yet, in another layout."""
    return _open_window(replace(checkpoint, layout=layout), checkpoint.window_start)


def skip_to_last_stripe(checkpoint: Checkpoint, why: str) -> Checkpoint:
    """Return the place at the start of a stripe that takes all that is left of the window: it is the last one now."""
    sizes, stripe = checkpoint.layout.sizes, checkpoint.stripe
    layout = replace(checkpoint.layout, sizes=(*sizes[:stripe], sum(sizes[stripe:])), why=why)
    return replace(checkpoint, layout=layout, next=Tid(checkpoint.window_start))


def progress_ratio(checkpoints: tuple[Checkpoint, ...]) -> float:
    """Return the share of a pass that its lanes have done together, from 0 to 1."""
    end_page = max((checkpoint.end_page for checkpoint in checkpoints), default=0)
    return min(1.0, sum(checkpoint.pages_done for checkpoint in checkpoints) / end_page) if end_page else 1.0


def _open_window(checkpoint: Checkpoint, start: int) -> Checkpoint:
    """Open the first window of the lane's own at `start` or behind it; none is left where that is the end page."""
    segment = checkpoint.segment_pages
    number = start // segment
    mine = number + (checkpoint.lane - number) % checkpoint.lanes
    start = max(start, mine * segment) if mine != number else start
    start = min(start, checkpoint.end_page)
    end = min(start + checkpoint.layout.window_pages, (start // segment + 1) * segment, checkpoint.end_page)
    return replace(checkpoint, window_start=start, window_end=end, stripe=0, next=Tid(start))


def _own_pages(checkpoint: Checkpoint, before: int) -> int:
    """Return how many pages of the lane's segments lie before a page."""
    segment = checkpoint.segment_pages
    turn = segment * checkpoint.lanes
    whole, rest = divmod(before, turn)
    return whole * segment + min(max(rest - checkpoint.lane * segment, 0), segment)
