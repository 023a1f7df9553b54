"""Rows a second, as an average that fades: what happened `RATE_SPAN_S` ago counts a third."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

RATE_SPAN_S = 10.0


@dataclass(frozen=True, slots=True)
class RowRate:
    """Rows a second over the last seconds: an average that fades, also while nothing happens."""

    since_s: float
    at_s: float
    rows_s: float = 0.0

    def add(self, rows: int, now_s: float) -> RowRate:
        """Return the rate with these rows in it."""
        return replace(self, at_s=now_s, rows_s=self._faded(now_s) + rows / RATE_SPAN_S)

    def read(self, now_s: float) -> float:
        """Return the rate now; a young rate is divided by the part of the span that it has seen."""
        seen = 1 - exp(-(now_s - self.since_s) / RATE_SPAN_S)
        return self._faded(now_s) / seen if seen > 0 else 0.0

    def _faded(self, now_s: float) -> float:
        return self.rows_s * exp(-(now_s - self.at_s) / RATE_SPAN_S)
