"""A place in a table, and how it moves: passes over windows of pages, each window in stripes.

    pass 1: window 1: stripe 0, 1 … k-1 · window 2: stripe 0 … k-1 · … end page
    pass 2: the same pages again for rows that moved · … until a pass finds nothing

The end page is fixed when a pass starts, else the pass would chase the versions that it appends itself.
A stripe is `hashtid(ctid) & (k-1)`; the last one takes all that is left, so a window is complete after it.
Between two stripes of a page lies the rest of its window: long enough for the old versions to become prunable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

WINDOW_PAGES = 4096
"""Pages of a window: stripes lose no HOT updates under other snapshots, and a checkpoint seldom falls inside."""


class Tid(NamedTuple):
    """A row address as PostgreSQL's tid: page and line pointer (from 1; 0 is before the first)."""

    page: int
    offset: int = 0

    def __str__(self) -> str:
        return f"({self.page},{self.offset})"


@dataclass(frozen=True, slots=True)
class Scan:
    """The checkpoint: everything before `next` in this stripe of this window of this pass is done.

    `window_end` and `end_page` are exclusive. `rows_converged_pass` counts the updates of this pass that made
    `where` false. `epoch` and `sequence` fence: a batch commits only where both are still the same.
    """

    end_page: int
    stripes: int
    pass_number: int = 1
    window_start: int = 0
    window_end: int = 0
    stripe: int = 0
    next: Tid = Tid(0)
    rows_pass: int = 0
    rows_converged_pass: int = 0
    rows_total: int = 0
    rows_unconverged: int = 0
    wal_bytes: int = 0
    epoch: int = 0
    sequence: int = 0

    @property
    def last_stripe(self) -> bool:
        """Whether this stripe takes all rows that are left, whatever their hash."""
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
    def progress_ratio(self) -> float:
        """Share of this pass's work that is done, from 0 to 1."""
        if self.end_page <= 0 or self.pass_done:
            return 1.0
        pages = self.window_end - self.window_start
        within = (self.next.page - self.window_start) / pages
        return (self.window_start + pages * (self.stripe + within) / self.stripes) / self.end_page


def begin(end_page: int, stripes: int) -> Scan:
    """Return the first pass over pages 0 to `end_page`."""
    return _open_window(Scan(end_page=end_page, stripes=stripes), 0)


def begin_pass(scan: Scan, end_page: int) -> Scan:
    """Return the next pass, without stripes: what it looks for is scattered, and a page is seldom met twice."""
    fresh = replace(
        scan,
        pass_number=scan.pass_number + 1,
        end_page=end_page,
        stripes=1,
        rows_pass=0,
        rows_converged_pass=0,
    )
    return _open_window(fresh, 0)


def restart(scan: Scan, end_page: int, stripes: int) -> Scan:
    """Return the scan from page 0, for a table whose addresses changed; counts of rows stay."""
    return replace(begin_pass(replace(scan, pass_number=0), end_page), stripes=stripes)


def advance(scan: Scan, reached: Tid) -> Scan:
    """Return the place after everything below `reached` in this stripe is done."""
    if reached < scan.window_limit:
        return replace(scan, next=max(scan.next, reached))
    if not scan.last_stripe:
        return replace(scan, stripe=scan.stripe + 1, next=Tid(scan.window_start))
    return _open_window(scan, scan.window_end)


def _open_window(scan: Scan, start: int) -> Scan:
    end = min(start + WINDOW_PAGES, scan.end_page)
    return replace(scan, window_start=start, window_end=end, stripe=0, next=Tid(start))
