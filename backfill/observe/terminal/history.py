"""Readings over time, in cells of equal time: what a sparkline is drawn from.

A cell keeps the worst reading of its time, so that no peak is averaged away. When the cells are full, pairs are joined
and each covers twice the time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

CELLS = 120
CELL_S = 0.5
CELL_MAX_S = 8.0
CARRY_S = 3.0
"""A reading is valid this long; after that, the cell counts as not read."""


class Mark(Enum):
    """A reading that is not a number."""

    UNKNOWN = 1
    MISSING = 2


Level = float | Mark


@dataclass(frozen=True, slots=True)
class Cell:
    """The worst level of each track in one cell of time."""

    index: int
    levels: Mapping[str, Level]


@dataclass(frozen=True, slots=True)
class History:
    """At most `CELLS` cells, ascending; cells without a reading are absent."""

    cell_s: float = CELL_S
    cells: tuple[Cell, ...] = ()

    def add(self, now_s: float, levels: Mapping[str, Level]) -> History:
        """Return the history with one more reading."""
        index = math.floor(now_s / self.cell_s)
        history = replace(self, cells=(*self.cells[:-1], *_join((*self.cells[-1:], Cell(index, levels)))))
        if history.cells[-1].index - history.cells[0].index < CELLS:
            return history
        if self.cell_s < CELL_MAX_S:
            halved = (Cell(cell.index // 2, cell.levels) for cell in history.cells)
            return History(self.cell_s * 2, _join(tuple(halved)))
        return replace(
            history,
            cells=tuple(cell for cell in history.cells if cell.index > history.cells[-1].index - CELLS),
        )

    def track(self, name: str, now_s: float, count: int) -> tuple[Level | None, ...]:
        """Return the last `count` cells of one track up to now; None if nothing was read."""
        last = math.floor(now_s / self.cell_s)
        reach = max(1, math.ceil(CARRY_S / self.cell_s))
        read = {cell.index: cell.levels.get(name) for cell in self.cells}
        held: Level | None = None
        held_index = last - count - reach
        levels: list[Level | None] = []
        for index in range(last - count - reach + 1, last + 1):
            if index in read:
                held, held_index = read[index], index
            levels.append(held if index - held_index <= reach else None)
        return tuple(levels[-count:])


def worse(one: Level, other: Level) -> Level:
    """Return the worse of two readings: missing before unknown before any number."""
    return max(one, other, key=_rank)


def _rank(level: Level) -> tuple[int, float]:
    return (level.value, 0.0) if isinstance(level, Mark) else (0, level)


def _join(cells: tuple[Cell, ...]) -> tuple[Cell, ...]:
    """Merge neighbours that share an index."""
    joined: list[Cell] = []
    for cell in cells:
        if joined and joined[-1].index >= cell.index:
            before = joined.pop()
            merged = {name: worse(before.levels.get(name, level), level) for name, level in cell.levels.items()}
            joined.append(Cell(before.index, {**before.levels, **merged}))
        else:
            joined.append(cell)
    return tuple(joined)
