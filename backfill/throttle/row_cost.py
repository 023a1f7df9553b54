"""What a batch will cost: WAL bytes and seconds a row, learned per batch; they rise immediately and fall slowly.

The first stripe of a window pays the full-page images of its pages, the later ones do not: two estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

WAL_BYTES_PRIOR = 1024.0
WEIGHT_DOWN = 0.3
"""Weight of a cheaper batch; a dearer one counts fully, as after a checkpoint."""


@dataclass(frozen=True, slots=True)
class RowCost:
    """Estimates per row: WAL of first stripes and of later ones, and time (None before the first batch)."""

    first_wal_bytes: float = WAL_BYTES_PRIOR
    later_wal_bytes: float = WAL_BYTES_PRIOR
    row_s: float | None = None

    def wal_bytes(self, stripe: int) -> float:
        """Return the WAL bytes that one row of this stripe is expected to cost."""
        return self.first_wal_bytes if stripe == 0 else self.later_wal_bytes


def after_batch(cost: RowCost, *, stripe: int, rows: int, wal_bytes: int, took_s: float) -> RowCost:
    """Return the estimates after a batch of `rows` rows; unchanged if there were none."""
    if rows <= 0:
        return cost
    wal = _follow(cost.wal_bytes(stripe), wal_bytes / rows)
    row_s = took_s / rows if cost.row_s is None else cost.row_s + WEIGHT_DOWN * (took_s / rows - cost.row_s)
    if stripe == 0:
        return replace(cost, first_wal_bytes=wal, row_s=row_s)
    return replace(cost, later_wal_bytes=wal, row_s=row_s)


def at_least(cost: RowCost, other: RowCost) -> RowCost:
    """Return the estimates with the higher WAL of two: for rows whose images are no longer compressed."""
    return replace(
        cost,
        first_wal_bytes=max(cost.first_wal_bytes, other.first_wal_bytes),
        later_wal_bytes=max(cost.later_wal_bytes, other.later_wal_bytes),
    )


def _follow(estimate: float, seen: float) -> float:
    return seen if seen > estimate else estimate + WEIGHT_DOWN * (seen - estimate)
