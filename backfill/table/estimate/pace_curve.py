"""What was done by when as a curve, and how long the rest takes if it goes on like the last minutes or hours.

The last hours are carried on, and how far off that may be follows from how much the pace wavers from one piece of them
to the next: less over long hours, and less for a long rest, in which it evens out. Their later parts are carried on as
well: if the pace has changed for good, they know it first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from statistics import pstdev

HISTORY_S = 7200.0
PARTS = (1.0, 0.5, 0.25, 0.125)
"""Of history, those that are carried on."""
PART_MIN_S = 120.0
"""A shorter part says nothing by itself, except of a history that is short."""
PIECE_S, PIECES_MIN, PIECES_MAX = 60.0, 8, 60
SIGMAS = 2.0
ALIKE_PIECES = 2.0
"""A piece is like the one before it, as a throttle that waits goes on waiting: so few of them count as even fewer."""
DOUBT_MAX = 0.75


@dataclass(frozen=True, slots=True)
class PaceCurve:
    """Times, ascending, and what was done until each."""

    at_s: tuple[float, ...]
    done: tuple[float, ...]

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> PaceCurve:
        """Return the curve through points of time and amount."""
        at_s, done = zip(*points, strict=True)
        return cls(at_s, done)

    def bounds_s(self, ahead: float) -> tuple[float, float] | None:
        """Return the least and the most time that the rest takes; None if nothing was done in one of the spans."""
        reach_s = min(self.at_s[-1] - self.at_s[0], HISTORY_S)
        piece_s, waver = self._waver(reach_s)
        found: list[float] = []
        for span_s in _spans_s(reach_s):
            pace = (self.done[-1] - self._done_at(self.at_s[-1] - span_s)) / span_s
            if pace <= 0:
                return None
            left_s = ahead / pace
            if found:
                found.append(left_s)
                continue
            evened = ALIKE_PIECES * (piece_s / span_s + min(1.0, piece_s / max(left_s, 1e-9)))
            doubt = min(DOUBT_MAX, SIGMAS * waver / pace * sqrt(evened))
            found += [left_s / (1 + doubt), left_s / (1 - doubt)]
        return min(found), max(found)

    def _waver(self, reach_s: float) -> tuple[float, float]:
        """Return the length of a piece of history, and the standard deviation of the pace between pieces."""
        pieces = max(PIECES_MIN, min(PIECES_MAX, int(reach_s / PIECE_S)))
        piece_s = reach_s / pieces
        edges = [self._done_at(self.at_s[-1] - number * piece_s) for number in range(pieces + 1)]
        return piece_s, pstdev((later - earlier) / piece_s for later, earlier in pairwise(edges))

    def _done_at(self, at_s: float) -> float:
        place = bisect_right(self.at_s, at_s)
        if place == 0:
            return self.done[0]
        if place == len(self.at_s):
            return self.done[-1]
        low_s, high_s = self.at_s[place - 1], self.at_s[place]
        low, high = self.done[place - 1], self.done[place]
        return low + (high - low) * (at_s - low_s) / (high_s - low_s)


def _spans_s(reach_s: float) -> list[float]:
    """Return the parts of history that are long enough, all of it first."""
    least_s = min(PART_MIN_S, reach_s / 2)
    return [reach_s * part for part in PARTS if reach_s * part >= least_s]
