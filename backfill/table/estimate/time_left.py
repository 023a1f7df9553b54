"""The time that a job still takes to fill its rows: a figure, a range while the pace changes, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass

from backfill.values.units import format_duration

STALE_S = 120.0
"""An estimate as old as this, with no batch since, says nothing any more."""


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until the last row is filled, from `low_s` to `high_s`; one figure if both are the same.

    The read that verifies the table comes after it, and is not in it.
    """

    low_s: float
    high_s: float

    def __str__(self) -> str:
        low, high = format_duration(round(self.low_s)), format_duration(round(self.high_s))
        return low if low == high else f"{low} to {high}"


def time_left_now(estimate: TimeLeft | None, age_s: float, *, standing: bool) -> TimeLeft | None:
    """Return the estimate that the last batch brought, `age_s` ago, if it still says something.

    `standing` is a job that does not work: it is paused, verifies, stops or has ended.
    """
    return None if standing or age_s >= STALE_S else estimate
