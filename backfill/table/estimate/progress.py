"""An honest ETA: the pace of the last hours and of their later parts, carried on.

Rows cost by their stripe, and what each stripe costs is learned on the way: so the pace of a first stripe is not
carried on to last ones. The parts of history agree while the pace is steady: that is a figure. While it changes they
do not: that is a range. If that is wild, nothing was done lately, or less than a hundredth is done, the time is
unknown. Time in which a person has paused the job is no history.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import exp, sqrt
from operator import mul

from backfill.table.estimate.pace_curve import HISTORY_S, PaceCurve
from backfill.table.estimate.stripe_rows import CLASSES, NO_ROWS, StripeRows
from backfill.table.estimate.time_left import TimeLeft

SAMPLES_MAX = 128
SPACING_S = 1.0
SPACING_SHARE = 1 / 12
"""Samples are no closer to each other than this part of their age, once there are too many."""
SHARE_MIN = 0.01
"""Less done than this is mostly a slow start."""
SPAN_MIN_S = 2.0
"""With less history than this there is no ETA, rather than a wild one."""
ALIKE = 1.35
"""Bounds that differ by no more than this factor are one figure."""
MARGIN = 1.1
"""A range is wider than its bounds by this factor, at each end."""
WILD = 10.0
"""A range wider than this factor is not an estimate."""
FADE_S = 3600.0
"""What a stripe cost this long ago counts a third."""
UNSEEN_FIRST, UNSEEN_LATER = 0.1, 0.7
"""What a row of an unseen stripe costs at least, as a share of one of the stripe before: the first, or a later one."""


@dataclass(frozen=True, slots=True)
class PaceSample:
    """When, without pauses, how many rows of each stripe class had been done."""

    at_s: float
    done: StripeRows


@dataclass(frozen=True, slots=True)
class PaceHistory:
    """What was done until when, ascending, dense in the last minute and sparse before; `ahead` is what was left.

    `spent_s` and `rows` are the time and the rows of each stripe class, old ones fading.
    """

    samples: tuple[PaceSample, ...] = ()
    ahead: float = 0.0
    spent_s: StripeRows = NO_ROWS
    rows: StripeRows = NO_ROWS

    def after(self, at_s: float, ahead: float, stripe_class: int) -> PaceHistory:
        """Return the history after a step of that stripe class: so many rows are `ahead` now.

        If there are more than before, as in a new pass, the step has done nothing.
        """
        if not self.samples:
            return PaceHistory((PaceSample(at_s, NO_ROWS),), ahead)
        last = self.samples[-1]
        elapsed_s, gained = max(0.0, at_s - last.at_s), max(0.0, self.ahead - ahead)
        faded = exp(-elapsed_s / FADE_S)
        sample = PaceSample(max(at_s, last.at_s), _plus(last.done, stripe_class, gained))
        return PaceHistory(
            _kept(self.samples, sample),
            ahead,
            _plus(_times(self.spent_s, faded), stripe_class, elapsed_s),
            _plus(_times(self.rows, faded), stripe_class, gained),
        )

    def time_left(self, ahead: StripeRows, share_done: float) -> TimeLeft | None:
        """Return how long the rows ahead will take; None while that is unknown."""
        if share_done < SHARE_MIN or not self.samples or self.samples[-1].at_s - self.samples[0].at_s < SPAN_MIN_S:
            return None
        found: list[float] = []
        met = [number for number, rows in enumerate(self.samples[-1].done) if rows]
        for seconds_a_row in {self._costs(ahead, cheap=True), self._costs(ahead, cheap=False)}:
            curve = PaceCurve.of(
                (sample.at_s, sum(sample.done[number] * seconds_a_row[number] for number in met))
                for sample in self.samples
            )
            bounds_s = curve.bounds_s(sum(map(mul, ahead, seconds_a_row)))
            if bounds_s is None:
                return None
            found.extend(bounds_s)
        return _agreed(min(found), max(found))

    def _costs(self, ahead: StripeRows, *, cheap: bool) -> StripeRows:
        """Return the seconds of a row of each class that was met or is ahead; `cheap`: unseen ones cost little."""
        seen = [spent / rows if rows > 0 else None for spent, rows in zip(self.spent_s, self.rows, strict=True)]
        known = [cost for cost in seen if cost is not None]
        mean = sum(self.spent_s) / sum(self.rows) if known else 1.0
        costs = [mean if seen[0] is None else seen[0]]
        before, least = mean, 1.0
        for stripe_class in range(1, CLASSES):
            cost = seen[stripe_class]
            if cost is not None:
                before, least = cost, UNSEEN_FIRST if stripe_class == 1 else UNSEEN_LATER
            unseen_cheap = cheap and cost is None and ahead[stripe_class] > 0
            costs.append(before * least if unseen_cheap else before)
        return tuple(costs)


def _agreed(low_s: float, high_s: float) -> TimeLeft | None:
    if high_s <= low_s * ALIKE:
        middle_s = sqrt(low_s * high_s)
        return TimeLeft(middle_s, middle_s)
    return None if high_s > low_s * WILD else TimeLeft(low_s / MARGIN, high_s * MARGIN)


def _kept(samples: tuple[PaceSample, ...], sample: PaceSample) -> tuple[PaceSample, ...]:
    """Return the samples with one more: they are `SPACING_S` apart at least, and old ones are thinned out."""
    if len(samples) > 1 and sample.at_s - samples[-2].at_s < SPACING_S:
        return (*samples[:-1], sample)
    if len(samples) < SAMPLES_MAX:
        return (*samples, sample)
    kept: list[PaceSample] = []
    for former, later in pairwise((*samples, sample)):
        age_s = sample.at_s - former.at_s
        reached = sample.at_s - later.at_s >= HISTORY_S  # the one behind it reaches far enough
        if not reached and (not kept or former.at_s - kept[-1].at_s >= age_s * SPACING_SHARE):
            kept.append(former)
    return (*kept, sample)


def _plus(rows: StripeRows, stripe_class: int, count: float) -> StripeRows:
    return (*rows[:stripe_class], rows[stripe_class] + count, *rows[stripe_class + 1 :])


def _times(rows: StripeRows, factor: float) -> StripeRows:
    return tuple(count * factor for count in rows)
