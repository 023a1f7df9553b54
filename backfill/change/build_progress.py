"""How far CREATE INDEX CONCURRENTLY is, in the words of pg_stat_progress_create_index."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """One reading of the view."""

    phase: str
    blocks_done: int
    blocks_total: int
    tuples_done: int
    tuples_total: int
    lockers_done: int
    lockers_total: int

    def __str__(self) -> str:
        if self.lockers_total:
            left = self.lockers_total - self.lockers_done
            return f"{self.phase}, {left:,} of {self.lockers_total:,} transactions left"
        if self.blocks_total:
            return f"{self.phase}, {self.blocks_done / self.blocks_total:.1%} of {self.blocks_total:,} blocks"
        if self.tuples_total:
            return f"{self.phase}, {self.tuples_done / self.tuples_total:.1%} of {self.tuples_total:,} tuples"
        return self.phase
