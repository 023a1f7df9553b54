"""What the batches of one run came to, kept in constant memory however many there are."""

from __future__ import annotations

from math import log

TENTHS = 10
BATCHES_MIN = 20
"""With fewer batches a tenth is one or two of them, and nothing follows from it."""
STEP = 1.02
"""Times are counted in steps of 2 %."""


class Tally:
    """Batches as they end; `rows` is how many all of them will be."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._done = self._batches = 0
        self._began_s = self._ended_s = 0.0
        self._tenths = [(0, 0.0)] * TENTHS
        self._times: dict[int, int] = {}
        self._longest_s = 0.0

    def begin(self, at_s: float) -> None:
        """Start the clock."""
        self._began_s = self._ended_s = at_s

    def batch(self, at_s: float, rows: int, took_s: float) -> None:
        """Count a batch that is committed; its transaction took `took_s`. One without rows is no batch."""
        if not rows:
            return
        tenth = min(TENTHS - 1, int(TENTHS * (self._done + rows / 2) / self._rows))
        rows_before, spent_s = self._tenths[tenth]
        self._tenths[tenth] = rows_before + rows, spent_s + at_s - self._ended_s
        step = round(log(max(took_s, 1e-6), STEP))
        self._times[step] = self._times.get(step, 0) + 1
        self._longest_s = max(self._longest_s, took_s)
        self._ended_s = at_s
        self._done += rows
        self._batches += 1

    def end(self, at_s: float) -> None:
        """Stop the clock."""
        self._ended_s = at_s

    @property
    def took_s(self) -> float:
        """All of it, also what lay between batches, before them and behind."""
        return self._ended_s - self._began_s

    @property
    def decile_ratio(self) -> float | None:
        """Time a row of the last tenth of the rows, what lies between batches included, against the first tenth's."""
        (first, first_s), (last, last_s) = self._tenths[0], self._tenths[-1]
        if self._batches < BATCHES_MIN or not first or not last:
            return None
        return (last_s / last) / (first_s / first)

    @property
    def batch_p99_s(self) -> float:
        """Time of a transaction that one in a hundred exceeds, to 1 %."""
        left = self._batches / 100
        for step, count in sorted(self._times.items(), reverse=True):
            left -= count
            if left < 0:
                return min(STEP**step, self._longest_s)
        return self._longest_s
