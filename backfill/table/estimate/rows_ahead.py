"""The matching rows that a leaf's lanes have ahead of them, pass by pass; and the share of all rows that is done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from backfill.table.checkpoint import Checkpoint
from backfill.table.estimate.row_map import RowMap, even_map, rows_ahead


@dataclass(frozen=True, slots=True)
class PassRows:
    """Where a leaf's matching rows were when its lanes were at `origins`; `after` are those of leaves to come."""

    known: RowMap
    origins: tuple[Checkpoint, ...]
    after: float = 0.0

    def at(self, checkpoint: Checkpoint) -> Checkpoint:
        """Return a position with the rows ahead of it; lane 0 has those of the leaves to come."""
        origin = next((known for known in self.origins if known.lane == checkpoint.lane), checkpoint)
        rows = rows_ahead(self.known, origin, checkpoint) + (self.after if checkpoint.lane == 0 else 0.0)
        return replace(checkpoint, rows_ahead=round(rows))

    def next_pass(self, checkpoints: tuple[Checkpoint, ...], rows: int) -> PassRows:
        """Return the same for another pass, whose `rows` may be anywhere."""
        end_page = max((checkpoint.end_page for checkpoint in checkpoints), default=0)
        return PassRows(even_map(rows, end_page), checkpoints, self.after)


def share_done(rows_done: int, checkpoints: Iterable[Checkpoint]) -> float | None:
    """Return the share of all rows that is done; None if what is ahead of a lane is not known."""
    ahead = 0
    for checkpoint in checkpoints:
        if checkpoint.rows_ahead is None:
            return None
        ahead += max(0, checkpoint.rows_ahead)
    return rows_done / (rows_done + ahead) if ahead > 0 else 1.0
