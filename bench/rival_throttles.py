"""The laws by which others pace a backfill, as they wrote them: seconds in, a step out.

`bench.rivals` has the loop that obeys them, `bench.contenders` the numbers that they are given.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """Sleep so many seconds, then run a batch of so many rows; 0 rows: look again."""

    rows: int
    sleep_s: float = 0.0


class RivalThrottle(Protocol):
    """Paces one run; it may remember."""

    def step(self, took_s: float, lag_s: float) -> Step:
        """Return what comes after a batch of `took_s` (0 before the first), or a look, at this worst `replay_lag`."""


@dataclass(frozen=True, slots=True)
class FixedSleep:
    """A sleep between batches: what every guide to backfills advises."""

    rows: int
    sleep_s: float

    def step(self, took_s: float, lag_s: float) -> Step:
        """Return the same, whatever was seen."""
        del took_s, lag_s
        return Step(self.rows, self.sleep_s)


@dataclass(frozen=True, slots=True)
class OnOff:
    """Full speed while `lag <= threshold`, else nothing: gh-ost (go/logic/throttler.go), pt-osc, pt-archiver, freno."""

    rows: int
    threshold_s: float
    poll_s: float = 0.1

    def step(self, took_s: float, lag_s: float) -> Step:
        """Return a batch at once, or another look a little later."""
        del took_s
        return Step(0, self.poll_s) if lag_s > self.threshold_s else Step(self.rows)


@dataclass(slots=True)
class DoublingSleep:
    """LHM (lib/lhm/throttler/slave_lag.rb): one sleep before each batch, `sleep · 2` above, `sleep / 2` below.

    From 0.1 s to 102.4 s; then the batch runs, whatever the lag is.
    """

    rows: int
    threshold_s: float
    sleep_s: float = 0.1

    def step(self, took_s: float, lag_s: float) -> Step:
        """Return the batch after the new sleep."""
        del took_s
        wished_s = self.sleep_s * 2 if lag_s > self.threshold_s else self.sleep_s / 2
        self.sleep_s = min(max(wished_s, 0.1), 102.4)
        return Step(self.rows, self.sleep_s)


@dataclass(frozen=True, slots=True)
class SoftHard:
    """laravel-backfill (src/Runner/Throttle.php): full speed below `soft`, nothing from `hard` on, less in between.

    p = (lag - soft) / (hard - soft); sleep = 50 ms · (2 + 8p); half a batch, 50 rows at least.
    """

    rows: int
    soft_s: float
    hard_s: float
    poll_s: float = 1.0

    def step(self, took_s: float, lag_s: float) -> Step:
        """Return by the band in which the lag is."""
        del took_s
        if lag_s >= self.hard_s:
            return Step(0, self.poll_s)
        if lag_s < self.soft_s:
            return Step(self.rows)
        position = (lag_s - self.soft_s) / (self.hard_s - self.soft_s)
        return Step(max(50, self.rows // 2), 0.05 * (2 + 8 * position))


@dataclass(slots=True)
class Efficiency:
    """GitLab (lib/gitlab/database/background_migration/batch_optimizer.rb): a batch grows until it fills its interval.

    efficiency of a job = its seconds / interval;  E = sum(e_i · 0.6^i) / sum(0.6^i), newest first, over 20 jobs
    unless 0.90 <= E <= 0.95:  rows = rows · min(0.95 / E, 1.2), at least as many as at first, at most 2,000,000

    A job goes in sub-batches, its pauses after them in its seconds. The original changes nothing for 20 jobs of two
    minutes; this one begins with the first, in favour of the law.
    """

    rows: int
    interval_s: float
    sub_batch_rows: int
    pause_s: float
    rows_min: int = field(init=False)
    left: int = field(init=False)
    spent_s: float = 0.0
    efficiencies: deque[float] = field(default_factory=lambda: deque(maxlen=20))

    def __post_init__(self) -> None:
        self.rows_min = self.left = self.rows

    def step(self, took_s: float, lag_s: float) -> Step:
        """Return the next sub-batch of the job, or the first one of the next job when the interval is over."""
        del lag_s  # it never looks at replicas
        if took_s == 0:
            return self._sub_batch(0.0)
        self.spent_s += took_s + self.pause_s
        if self.left > 0:
            return self._sub_batch(self.pause_s)
        self.efficiencies.appendleft(self.spent_s / self.interval_s)
        rest_s = max(0.0, self.interval_s - self.spent_s)
        self.rows = grown(self.rows, smoothed(self.efficiencies), self.rows_min)
        self.left, self.spent_s = self.rows, 0.0
        return self._sub_batch(self.pause_s + rest_s)

    def _sub_batch(self, sleep_s: float) -> Step:
        rows = min(self.sub_batch_rows, self.left)
        self.left -= rows
        return Step(rows, sleep_s)


def smoothed(efficiencies: deque[float]) -> float:
    """Return E, the exponential average of efficiencies, newest first, in two digits."""
    weighted = [(0.6**age, one) for age, one in enumerate(efficiencies)]
    return round(sum(weight * one for weight, one in weighted) / sum(weight for weight, _ in weighted), 2)


def grown(rows: int, efficiency: float, rows_min: int) -> int:
    """Return the rows of the next job."""
    if 0.90 <= efficiency <= 0.95:
        return rows
    return min(max(int(rows * min(0.95 / max(efficiency, 0.01), 1.2)), rows_min), 2_000_000)
