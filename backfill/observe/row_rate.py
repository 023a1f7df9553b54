"""Rows a second as a fading average: rows of `RATE_SPAN_S` ago count a third."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

RATE_SPAN_S = 10.0


@dataclass(frozen=True, slots=True)
class RowRate:
    """Rows a second over the last seconds; the average also fades while nothing happens."""

    since_s: float
    at_s: float
    rows_s: float = 0.0

    def add(self, rows: int, now_s: float) -> RowRate:
        """Return the rate with more rows."""
        return replace(self, at_s=now_s, rows_s=self._faded(now_s) + rows / RATE_SPAN_S)

    def read(self, now_s: float) -> float:
        """Return the rate now; at first it is divided by the part of the span that has passed."""
        passed = 1 - exp(-(now_s - self.since_s) / RATE_SPAN_S)
        return self._faded(now_s) / passed if passed > 0 else 0.0

    def _faded(self, now_s: float) -> float:
        return self.rows_s * exp(-(now_s - self.at_s) / RATE_SPAN_S)
