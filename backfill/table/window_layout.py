"""Which windows and stripes pay, decided again for each window: from its pages, snapshots, indexes and checkpoints.

Stripes pay where the old versions of one are pruned before the next comes to the page. No update is HOT when a column
that is set is indexed, and nothing is pruned while a snapshot older than the last stripe lives. The second is not
foreseen but noticed: the second stripe of a window should stay on its pages, and where it does not, the rest of the
window is taken at once. The next ones are wider; if that does not help, they are taken plainly, more each time.

A window is no wider than a part of the WAL between two checkpoints: a page that a checkpoint meets between two of its
stripes pays for its full image again. But it is so wide that its first stripe outlasts the transactions around it,
those of other lanes among them: a row that has to leave its page pays for an image in each index, which is more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from backfill.table.checkpoint import WINDOW_PAGES, Layout
from backfill.table.stripe_plan import INDEX_WAL_BYTES, PageProfile, StripePlan, best_plan, extra_cost
from backfill.table.window_state import StripeHistory
from backfill.values.units import format_duration, format_size

WINDOW_PAGES_MIN = 512
CHECKPOINT_SHARE = 0.25
"""Part of the WAL between two checkpoints that a window may write."""
SNAPSHOT_REACH = 2.0
"""A snapshot keeps what ran when it was taken from being pruned, so versions outlive two transactions in a row."""
REST_MAX_S = 0.15
"""The longest rest between two stripes."""
ROW_WAL_BYTES, MOVED_SHARE = 400.0, 0.28
"""WAL of a row in stripes without what its index entries cost, and the share of rows that have any: both measured."""
JUDGED_ROWS = 400
"""Rows of later stripes that say whether they stay on their pages."""
PAID_SHARE, WELL_SHARE = 0.25, 0.6
"""Of the HOT updates that were expected: from the first share on stripes pay at all, from the second they do well."""
WIDER, WIDER_MAX = 4, 64
"""After a window that did not do well, the next is wider by this factor, up to the widest there is."""
PLAIN_WINDOWS_MAX = 64
KEPT_SHARE = 0.03
"""Stripes that cost so little more than the best, as a share of a plain UPDATE, are kept: a change costs a scout."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTraits:
    """What of a table bears on its layout and stays as it is; `indexed` are columns that are set and in an index.

    `triggers` are its BEFORE UPDATE triggers, which may change an indexed column. `checkpoint_bytes` is the WAL after
    which the server begins a checkpoint, `checkpoint_s` the time.
    """

    indexes: int = 0
    indexed: tuple[str, ...] = ()
    checkpoint_bytes: float = float("inf")
    checkpoint_s: float = float("inf")
    triggers: tuple[str, ...] = ()


def choose_layout(
    traits: TableTraits,
    profile: PageProfile | None,
    history: StripeHistory,
    before: Layout,
    *,
    stripes: int | None = None,
    row_wal_bytes: float,
    wal_rate_bytes_s: float | None = None,
    outlast_rows: float = 0.0,
) -> Layout:
    """Return the layout of the next window; `stripes` are the job file's, None if it leaves them to us.

    `outlast_rows` is how many rows we update while another transaction lasts. If nothing matches here (`profile`
    is None then) there are no stripes; the layout before it is kept where little would change.
    """
    if profile is None:
        return Layout()
    if traits.indexed and stripes is None:
        return Layout(why=f"plain: {', '.join(traits.indexed)} is indexed, no update can be HOT")
    if history.plain_windows and stripes is None:
        return Layout(why=f"plain: {history.why}")
    entry_wal_bytes = _entry_wal_bytes(traits, row_wal_bytes, before)
    chosen = best_plan(profile, traits.indexes, stripes, entry_wal_bytes=entry_wal_bytes)
    pages, by = _window(traits, profile, row_wal_bytes, wal_rate_bytes_s)
    rested = min(WINDOW_PAGES, _stepped(SNAPSHOT_REACH * outlast_rows / chosen.sizes[0]))
    rested = max(rested, min(WINDOW_PAGES, pages * history.wider))
    if rested > pages:
        pages, by = rested, ", to outlast other transactions"
    if _serves(before, profile, traits, chosen, pages, entry_wal_bytes):
        return before
    if len(chosen.sizes) == 1:
        return Layout(why=_about(profile, chosen, stripes))
    return Layout(chosen.sizes, pages, f"{_about(profile, chosen, stripes)}; windows of {pages:,} pages{by}")


def rest_s(took_s: float, snapshots_s: float) -> float:
    """Return how long a page rests before its next stripe: until snapshots that see the last one as running are gone.

    The last stripes of a window are so quick that other transactions outlive them. If that would take longer
    than a moment, or than the last stripe took, wider windows have to help.
    """
    missing_s = SNAPSHOT_REACH * snapshots_s - took_s
    return missing_s if 0 < missing_s <= min(REST_MAX_S, took_s) else 0.0


def worth_it(pages: int, rows: int, rows_hot: int, expected_share: float) -> bool | None:
    """Return whether a window's stripes behind the first stay on their pages; None if too little was seen.

    A narrow window says nothing: its stripes follow each other before any other transaction has ended.
    """
    return _stayed(pages, rows, rows_hot, expected_share * PAID_SHARE)


def outlast_rows(row_s: float | None, snapshots_s: float, lane_rows: int) -> float:
    """Return the rows that a lane updates while short snapshots of other sessions last, or another lane's batch."""
    return max(0.0 if row_s is None else snapshots_s / max(row_s, 1e-9), lane_rows)


def hot_as_expected(pages: int, rows: int, rows_hot: int, expected_share: float) -> bool | None:
    """Return whether they do as well as they should; None if too little was seen."""
    return _stayed(pages, rows, rows_hot, expected_share * WELL_SHARE)


def learn(history: StripeHistory, pages: int, *, paid: bool, why: str = "", never: bool = False) -> StripeHistory:
    """Return the luck after stripes of a window of `pages` pages did not do well, or did not even pay.

    `never`: no update stayed on its page, and a trigger may be why; then wider windows do not help.
    """
    if never:
        return StripeHistory(failures=history.failures + 1, plain_windows=PLAIN_WINDOWS_MAX, why=why)
    if pages < WINDOW_PAGES and history.wider < WIDER_MAX:
        return StripeHistory(why=why, wider=history.wider * WIDER)
    if paid:
        return history
    failures = history.failures + 1
    return StripeHistory(
        failures=failures, plain_windows=min(PLAIN_WINDOWS_MAX, 2 ** (failures - 1)), why=why, wider=history.wider
    )


def after_plain_window(history: StripeHistory) -> StripeHistory:
    """Return the luck after a window that was taken plainly."""
    return replace(history, plain_windows=max(0, history.plain_windows - 1))


def explain_low_hot(rows: int, rows_hot: int, oldest_snapshot_s: float | None, holder: str | None) -> str:
    """Return why stripes do not pay, with the snapshot that may be the cause."""
    seen = f"{rows_hot / rows:.0%} of a second stripe was HOT"
    if oldest_snapshot_s is None:
        return seen
    held_by = f" ({holder})" if holder else ""
    return f"{seen}; the oldest snapshot is {format_duration(oldest_snapshot_s)} old{held_by}"


def _stayed(pages: int, rows: int, rows_hot: int, share: float) -> bool | None:
    if rows < JUDGED_ROWS or pages < WINDOW_PAGES_MIN:
        return None
    return rows_hot >= rows * share


def _entry_wal_bytes(traits: TableTraits, row_wal_bytes: float, before: Layout) -> int:
    """Return what an index entry seems to cost: what a row of the last window wrote beyond what it would by itself."""
    if len(before.sizes) == 1 or not traits.indexes:
        return INDEX_WAL_BYTES
    seen = (row_wal_bytes - ROW_WAL_BYTES) / (MOVED_SHARE * traits.indexes)
    # In steps of the usual cost, so that a small change does not change the layout.
    return max(1, int(seen / INDEX_WAL_BYTES)) * INDEX_WAL_BYTES


def _window(
    traits: TableTraits, profile: PageProfile, row_wal_bytes: float, wal_rate_bytes_s: float | None
) -> tuple[int, str]:
    timed = float("inf") if not wal_rate_bytes_s else traits.checkpoint_s * wal_rate_bytes_s
    between = min(traits.checkpoint_bytes, timed)
    pages = between * CHECKPOINT_SHARE / max(1.0, profile.due * row_wal_bytes)
    if pages >= WINDOW_PAGES:
        return WINDOW_PAGES, ""
    return _stepped(pages), f", as {format_size(between)} of WAL are written between two checkpoints"


def _stepped(pages: float) -> int:
    """Return a width in steps: an estimate that wavers is not a reason for another layout."""
    return max(WINDOW_PAGES_MIN, int(pages // WINDOW_PAGES_MIN) * WINDOW_PAGES_MIN)


def _serves(
    before: Layout, profile: PageProfile, traits: TableTraits, chosen: StripePlan, pages: int, entry_wal_bytes: int
) -> bool:
    if len(before.sizes) == 1 or len(chosen.sizes) == 1 or before.window_pages != pages:
        return False
    return extra_cost(profile, before.sizes, traits.indexes, entry_wal_bytes) <= KEPT_SHARE


def _about(profile: PageProfile, chosen: StripePlan, stripes: int | None) -> str:
    page = (
        f"a page has {profile.due:.0f} matching rows, {profile.row_bytes:.0f} bytes each,"
        f" {profile.updated_bytes:.0f} once updated"
    )
    asked = ", as the job file says" if stripes is not None else ""
    if len(chosen.sizes) == 1:
        return f"1 stripe{asked}: {page}"
    sizes = "+".join(map(str, chosen.sizes))
    return f"{len(chosen.sizes)} stripes{asked}: {page}; rows per stripe {sizes}; {chosen.hot_share:.0%} HOT expected"
