"""What a lane knows of the window at its position: whether its layout is decided, and whether rows are many there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Density(Enum):
    """How matching rows lie: few are found by address, many are counted page by page."""

    UNKNOWN = "unknown"  # nobody has looked yet
    SPARSE = "sparse"
    DENSE = "dense"


@dataclass(frozen=True, slots=True)
class WindowState:
    """`start` is the first page of the window whose layout was decided last; None while none was."""

    start: int | None = None
    density: Density = Density.UNKNOWN
