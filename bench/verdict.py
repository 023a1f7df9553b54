"""A promise that a benchmark checks, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise with the figure that keeps or misses it."""

    kept: bool
    text: str

    @property
    def mark(self) -> str:
        """How it is printed."""
        return "ok" if self.kept else "MISSED"


def at_most(what: str, value: float, limit: float, unit: str = "") -> Verdict:
    """Say whether a figure stays at or below its limit, in thousandths."""
    return Verdict(round(value, 3) <= limit, f"{what} {value:.3f}{unit} <= {limit:.3f}{unit}")


def at_least(what: str, value: float, limit: float) -> Verdict:
    """Say whether a figure reaches its limit, in thousandths."""
    return Verdict(round(value, 3) >= limit, f"{what} {value:.3f} >= {limit:.3f}")
