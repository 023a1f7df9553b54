"""What a row function gave for a stretch of rows, held until batches take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backfill.postgres.session.text_array import TextArray
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

    def covers(self, checkpoint: Checkpoint, batch_range: BatchRange) -> bool:
        """Whether a batch finds all its rows here."""
        return self.stripe == stripe_of(checkpoint) and self.low <= checkpoint.next and batch_range.end <= self.high

    def values(self, checkpoint: Checkpoint, batch_range: BatchRange, parameters: tuple[str, ...]) -> Values:
        """Return a batch's share, by parameter."""
        wanted = frozenset(batch_range.tids)
        rows = [
            (row, texts)
            for row, texts in self.rows
            if checkpoint.next <= row.tid < batch_range.end and (not wanted or row.tid in wanted)
        ]
        found: Values = {"tids": [str(row.tid) for row, _ in rows], "xmins": [row.xmin for row, _ in rows]}
        return found | {name: TextArray(texts[number] for _, texts in rows) for number, name in enumerate(parameters)}


def stripe_of(checkpoint: Checkpoint) -> tuple[int, int, int]:
    """Return which rows of a range are a stripe's; the last one has all that are left."""
    return (
        checkpoint.pass_number,
        checkpoint.window_start,
        0 if checkpoint.last_stripe else mask(checkpoint.layout.sizes, checkpoint.stripe),
    )
