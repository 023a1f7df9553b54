"""Positions in the WAL as plain byte counts, and the LSN clock that turns bytes behind into seconds behind.

`replay_lag` is NULL when idle, late when busy, and stays the same while a replica is frozen. So we remember when the
primary passed which position: a replica's lag is how long ago the primary passed its replay position. No heartbeat
table, no clock of another machine, and the lag grows while a replica is frozen.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

SAMPLES_MAX = 4096
SPACING_S = 0.02
"""Samples closer together than this add nothing and would only push old ones out."""


@dataclass(frozen=True, slots=True)
class LsnClock:
    """Where the primary's insert position was and when: `at_s` and `lsn` in parallel, both ascending."""

    at_s: tuple[float, ...] = ()
    lsn: tuple[int, ...] = ()

    def tick(self, now_s: float, insert_lsn: int) -> LsnClock:
        """Return the clock with one more sample.

        While nothing is written, two samples hold when the position was reached and until when it stood: an idle
        hour counts as lag neither of what came before it nor of what comes after. When full, every other old
        sample goes: far back, coarse is enough.
        """
        at, lsn = self.at_s, self.lsn
        if lsn and insert_lsn <= lsn[-1]:
            still = len(lsn) > 1 and lsn[-2] == lsn[-1]
            return LsnClock((*at[:-1], now_s), lsn) if still else LsnClock((*at, now_s), (*lsn, lsn[-1]))
        if len(at) > 1 and now_s - at[-2] < SPACING_S and lsn[-2] < lsn[-1]:
            return LsnClock((*at[:-1], now_s), (*lsn[:-1], insert_lsn))
        if len(at) >= SAMPLES_MAX:
            half = len(at) // 2
            at, lsn = at[:half:2] + at[half:], lsn[:half:2] + lsn[half:]
        return LsnClock((*at, now_s), (*lsn, insert_lsn))

    def position(self, at_s: float) -> int | None:
        """Return where the primary was at a moment, interpolated; at its first sample for any before it."""
        if not self.lsn:
            return None
        after = bisect_right(self.at_s, at_s)
        if after == 0 or after == len(self.at_s):
            return self.lsn[max(after - 1, 0)]
        (low_s, high_s), (low, high) = self.at_s[after - 1 : after + 1], self.lsn[after - 1 : after + 1]
        return low + int((high - low) * (at_s - low_s) / (high_s - low_s))

    def lag_s(self, now_s: float, replay_lsn: int) -> float:
        """Return how long ago the primary passed `replay_lsn`, interpolated between samples.

        0 for a replica that has everything. Behind the first sample the true age is unknown: at least the age of the
        clock, which is returned. The bytes show the rest.
        """
        if not self.lsn or replay_lsn >= self.lsn[-1]:
            return 0.0
        return max(0.0, now_s - self._at_s(bisect_right(self.lsn, replay_lsn), replay_lsn))

    def age_s(self, now_s: float, lsn: int) -> float:
        """Return how long ago the primary reached `lsn`: the time that a replica took which has now replayed it."""
        if not self.lsn or lsn > self.lsn[-1]:
            return 0.0
        return max(0.0, now_s - self._at_s(bisect_left(self.lsn, lsn), lsn))

    def _at_s(self, after: int, lsn: int) -> float:
        if after == 0:
            return self.at_s[0]
        low, high = self.lsn[after - 1], self.lsn[after]
        share = (lsn - low) / (high - low)
        return self.at_s[after - 1] + share * (self.at_s[after] - self.at_s[after - 1])
