"""What a row function gave for a stretch of rows, held until batches take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.table.stripe_plan import mask

Values = dict[str, list[Any]]
"""Parameters of a batch's UPDATE."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row as it was read: its address and version, and what the function is given."""

    tid: Tid
    xmin: str
    inputs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class MappedRows:
    """Rows of a stripe from `low` to `high` as they were read at a time, each with the texts of its values."""

    stripe: tuple[int, int, int]
    low: Tid
    high: Tid
    read_s: float
    rows: tuple[tuple[SourceRow, tuple[str | None, ...]], ...]

    def covers(self, scan: Checkpoint, cut: BatchRange) -> bool:
        """Whether a batch finds all its rows here."""
        return self.stripe == stripe_of(scan) and self.low <= scan.next and cut.end <= self.high

    def values(self, scan: Checkpoint, cut: BatchRange, parameters: tuple[str, ...]) -> Values:
        """Return a batch's share, by parameter."""
        wanted = frozenset(cut.tids)
        rows = [
            (row, texts)
            for row, texts in self.rows
            if scan.next <= row.tid < cut.end and (not wanted or row.tid in wanted)
        ]
        found: Values = {"tids": [str(row.tid) for row, _ in rows], "xmins": [row.xmin for row, _ in rows]}
        return found | {name: [texts[number] for _, texts in rows] for number, name in enumerate(parameters)}


def stripe_of(scan: Checkpoint) -> tuple[int, int, int]:
    """Return which rows of a range are a stripe's; the last one has all that are left."""
    return scan.pass_number, scan.window_start, 0 if scan.last_stripe else mask(scan.layout.sizes, scan.stripe)
