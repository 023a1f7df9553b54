"""How much of a table one piece of the proof reads: as long as nobody minds that its lock is held.

Pieces share one snapshot, so their counts add up to those of one read of the whole table. Between two of them the lock
is free, and a session that waited for it continues.
"""

from __future__ import annotations

from dataclasses import dataclass

PAGES_FIRST = 8
TARGET_S = 0.5
"""What a piece is meant to take."""
TIMEOUT_SHARE = 0.5
"""Of statement_timeout that a piece is meant to take at most, whatever it costs before its first page."""
STEP = 2.0
"""The next piece has at most twice the pages of the last one, and at least half of them."""


@dataclass(frozen=True, slots=True)
class PieceTime:
    """What a piece of `pages` pages took."""

    pages: int
    took_s: float


def next_pages(before: PieceTime | None, last: PieceTime, statement_timeout_s: float) -> int:
    """Return the pages of the next piece: those of `TARGET_S`, or of twice the cost that a piece has without any.

    Such a cost is a hashed sub-select of `where`, which each piece builds again. Two pieces of different sizes show it.
    """
    page_s, fixed_s = last.took_s / last.pages, 0.0
    if before is not None and before.pages != last.pages:
        page_s = max(0.0, (last.took_s - before.took_s) / (last.pages - before.pages))
        fixed_s = max(0.0, last.took_s - page_s * last.pages)
    allowed_s = min(max(TARGET_S, 2 * fixed_s), TIMEOUT_SHARE * statement_timeout_s)
    wished = (allowed_s - fixed_s) / page_s if page_s else float("inf")
    return max(1, int(min(max(wished, last.pages / STEP), last.pages * STEP)))


def fewer_pages(pages: int) -> int | None:
    """Return the pages of a piece after the server ended one; None if a single page takes too long."""
    return pages // 4 or 1 if pages > 1 else None
