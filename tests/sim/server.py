"""What a link and a replay have in common: served one after the other; and the record of what was written when."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

START_LSN = 1 << 30
INFINITE = float("inf")

Span = tuple[float, float]
Steps = tuple[tuple[float, float], ...]


def within(spans: tuple[Span, ...], at_s: float) -> bool:
    """Whether a moment is in one of these spans, which follow each other."""
    index = bisect_right(spans, (at_s, INFINITE)) - 1
    return index >= 0 and at_s < spans[index][1]


def value_at(steps: Steps, at_s: float) -> float:
    """Return the value of a function that is given by its steps (from when, value)."""
    return next(value for since_s, value in reversed(steps) if since_s <= at_s)


@dataclass
class Written:
    """What the primary wrote and flushed when. Positions ascend; between two of them the rate is even."""

    at_s: list[float] = field(default_factory=lambda: [0.0])
    lsn: list[float] = field(default_factory=lambda: [float(START_LSN)])
    flushes: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, START_LSN)])

    def write(self, from_s: float, to_s: float, lsn: float) -> None:
        """Record that the position moved evenly to `lsn`."""
        at, positions = self.at_s, self.lsn
        if at[-1] < from_s - 1e-9:
            at.append(from_s)
            positions.append(positions[-1])
        at.append(to_s)
        positions.append(lsn)

    def passed_s(self, lsn: float, *, after: bool) -> float:
        """Return when the byte before `lsn` was written, or the one after it (infinite: not yet)."""
        positions = self.lsn
        index = bisect_right(positions, lsn) if after else bisect_left(positions, lsn)
        if index == len(positions):
            return INFINITE
        if index == 0:
            return self.at_s[0]
        low, low_s = positions[index - 1], self.at_s[index - 1]
        return low_s + (lsn - low) / (positions[index] - low) * (self.at_s[index] - low_s)

    def forget(self, before_s: float) -> int:
        """Drop what is older than this; return how many flushes went."""
        old = max(0, bisect_left(self.at_s, before_s) - 1)
        del self.at_s[:old], self.lsn[:old]
        gone = bisect_left(self.flushes, (before_s, 0))
        del self.flushes[:gone]
        return gone


class Server:
    """Serves one after the other at a rate that follows the clock: (from when, bytes/s) in steps."""

    def __init__(self, steps: Steps, stopped: tuple[Span, ...]) -> None:
        edges = sorted({0.0, *(at_s for at_s, _ in steps), *(edge for span in stopped for edge in span)})
        self.since_s = [*edges, INFINITE]
        self.rates = [0.0 if within(stopped, at_s) else value_at(steps, at_s) for at_s in edges]
        self.free_s = 0.0
        self._at = 0

    def rate(self, at_s: float) -> float:
        return self.rates[bisect_right(self.since_s, at_s) - 1]

    def serve(self, begin_s: float, size: float) -> float:
        """Return when the last of so many bytes is through."""
        while self.since_s[self._at + 1] <= begin_s:
            self._at += 1
        while True:
            rate, until_s = self.rates[self._at], self.since_s[self._at + 1]
            end_s = begin_s + size / rate if rate > 0 else INFINITE
            if end_s <= until_s:
                self.free_s = end_s
                return end_s
            size -= rate * (until_s - begin_s)
            begin_s = until_s
            self._at += 1

    def part(self, begin_s: float, size: float) -> tuple[float, float, float]:
        """Serve what goes through before the rate changes; return begin, end and how much it was."""
        while self.since_s[self._at + 1] <= begin_s or self.rates[self._at] == 0:
            self._at += 1
            begin_s = max(begin_s, self.since_s[self._at])
        rate, until_s = self.rates[self._at], self.since_s[self._at + 1]
        done = min(size, rate * (until_s - begin_s))
        self.free_s = begin_s + size / rate if done == size else until_s
        return begin_s, self.free_s, done

    def restart(self, at_s: float) -> None:
        self.free_s, self._at = at_s, bisect_right(self.since_s, at_s) - 1
