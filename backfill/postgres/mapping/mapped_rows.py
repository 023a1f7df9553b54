"""What a row function gave for a stretch of rows, held until batches take it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from backfill.postgres.session.text_array import TextArray
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange
from backfill.table.stripe_plan import mask

Values = dict[str, list[Any]]
"""Parameters of a batch's UPDATE."""


@dataclass(frozen=True, slots=True, order=True)
class RowVersion:
    """A row that is to be mapped: its address and version, and about how many bytes the function is given of it."""

    tid: Tid
    xmin: str
    input_bytes: int


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A row as it was read: its address and version, and what the function is given."""

    tid: Tid
    xmin: str
    inputs: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class MappedRow:
    """A row as it was read, with the texts of its values. What the function was given is no longer kept."""

    tid: Tid
    xmin: str
    texts: tuple[str | None, ...]

    @property
    def text_bytes(self) -> int:
        """About how much it keeps in memory."""
        return sum(len(text) for text in self.texts if text is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedRows:
    """Rows of a stripe from `low` to `high` as they were read at a time, each with the texts of its values.

    They were wanted up to `end`, which is further if there was no memory for more.
    """

    stripe: tuple[int, int, int]
    low: Tid
    high: Tid
    end: Tid
    read_s: float
    rows: tuple[MappedRow, ...]

    def covers(self, checkpoint: Checkpoint, batch_range: BatchRange) -> bool:
        """Whether a batch finds all its rows here."""
        return self.stripe == stripe_of(checkpoint) and self.low <= checkpoint.next and batch_range.end <= self.high

    def is_rest(self, checkpoint: Checkpoint) -> bool:
        """Whether a place is among rows that memory was full of: they are filled before others are read."""
        return self.stripe == stripe_of(checkpoint) and self.low <= checkpoint.next < self.high < self.end

    def values(self, checkpoint: Checkpoint, batch_range: BatchRange, parameters: tuple[str, ...]) -> Values:
        """Return a batch's share, by parameter."""
        wanted = frozenset(batch_range.tids)
        rows = [
            row
            for row in self.rows
            if checkpoint.next <= row.tid < batch_range.end and (not wanted or row.tid in wanted)
        ]
        found: Values = {"tids": [str(row.tid) for row in rows], "xmins": [row.xmin for row in rows]}
        return found | {name: TextArray(row.texts[number] for row in rows) for number, name in enumerate(parameters)}

    def cut(self, checkpoint: Checkpoint, batch_range: BatchRange) -> BatchRange:
        """Return as much of a batch as finds its rows here."""
        if batch_range.end <= self.high:
            return batch_range
        rows = sum(checkpoint.next <= row.tid < self.high for row in self.rows)
        high = batch_range.high if batch_range.high is not None and batch_range.high < self.high else None
        tids = tuple(tid for tid in batch_range.tids if tid < self.high)
        return BatchRange(end=self.high, rows=rows, low=batch_range.low, high=high, tids=tids)


def slices_of(sizes: Sequence[int], bytes_max: int) -> Iterator[slice]:
    """Yield slices of rows of these sizes, in their order, none with more bytes than that unless it is one row."""
    start, total = 0, 0
    for place, size in enumerate(sizes):
        if place > start and total + size > bytes_max:
            yield slice(start, place)
            start, total = place, 0
        total += size
    if sizes:
        yield slice(start, len(sizes))


def stripe_of(checkpoint: Checkpoint) -> tuple[int, int, int]:
    """Return which rows of a range are a stripe's; the last one has all that are left."""
    return (
        checkpoint.pass_number,
        checkpoint.window_start,
        0 if checkpoint.last_stripe else mask(checkpoint.layout.sizes, checkpoint.stripe),
    )


def rows_within(bytes_max: int, versions: Sequence[RowVersion], rows: Sequence[MappedRow]) -> int | None:
    """Return how many rows such as these take so much memory, by inputs or by values; None if there were none."""
    if not rows:
        return None
    given = sum(version.input_bytes for version in versions) / len(versions)
    kept = sum(row.text_bytes for row in rows) / len(rows)
    return max(1, int(bytes_max / max(given, kept, 1)))


def line_of(inputs: Sequence[str], given: Sequence[Any], outputs: Sequence[str], texts: Sequence[str | None]) -> str:
    """Return what the function gets of a row and what it gives, for a person to read."""
    got = (f"{name} = {value!r:.80}" for name, value in zip(inputs, given, strict=True))
    gives = (
        f"{name} = " + ("NULL" if text is None else f"{text!r:.80}") for name, text in zip(outputs, texts, strict=True)
    )
    return f"{', '.join(got)} → {', '.join(gives)}"
