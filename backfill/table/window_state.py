"""What a lane knows of the window at its position, and of how stripes fared in those before it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeHistory:
    """How stripes fared: windows in a row that they did not pay in, and how many to take plainly before another try.

    `wider` is how many times as wide windows are as they would be otherwise.
    """

    failures: int = 0
    plain_windows: int = 0
    why: str = ""
    wider: int = 1
