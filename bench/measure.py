"""What one run came to, from its trace: pure arithmetic over samples. Seconds count from the beginning of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles

from bench.scenarios import Kind, Scenario
from bench.trace import SLOW, Trace
from bench.watch import Sample, lags

WARM_UP_S = 3.0
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of the table. Use and lag are those of the slow link and the standby behind it.

    `back_s` and `added_bytes` are None where the scenario has no step, or no freeze.
    """

    use: float
    use_from_start: float
    lag_median_s: float
    lag_p99_s: float
    lag_max_s: float
    over_s: float
    backlog_bytes: float
    rows_s: float
    back_s: float | None
    added_bytes: float | None
    window_bytes: float | None
    latency_p99_s: float | None


def measure(trace: Trace, scenario: Scenario) -> Figures:
    """Return the figures of a run."""
    span_s = scenario.span_s
    lag = lag_points(trace, scenario)
    values = [lag_s for _, lag_s in lag]
    samples = _between(trace.samples, 0.0, span_s)
    frozen_s = _frozen_s(scenario)
    return Figures(
        use=_use(trace.samples, scenario, WARM_UP_S),
        use_from_start=_use(trace.samples, scenario, 0.0),
        lag_median_s=median(values),
        lag_p99_s=percentile_99(values),
        lag_max_s=max(values),
        over_s=over_s(lag, scenario.budget_s),
        backlog_bytes=max(map(backlog_bytes, samples)),
        rows_s=_rows_replayed(trace.rows, lag[-1]) / span_s,
        back_s=_back_s(trace, scenario, lag),
        added_bytes=None if frozen_s is None else _added_bytes(trace.samples, scenario, frozen_s),
        window_bytes=None if frozen_s is None else _last_before(trace.windows, frozen_s),
        latency_p99_s=percentile_99(trace.latencies_s) if trace.latencies_s else None,
    )


def lag_points(trace: Trace, scenario: Scenario) -> list[Point]:
    """Return (second, lag in seconds) within the span of the scenario."""
    return [point for point in lags(trace.samples, SLOW) if 0 <= point[0] <= scenario.span_s]


def percentile_99(values: Sequence[float]) -> float:
    """Return the value that one in a hundred exceeds."""
    return quantiles(values, n=100, method="inclusive")[-1]


def over_s(lag: Sequence[Point], budget_s: float) -> float:
    """Return for how long the lag was above the budget: the sum of the steps that end above it."""
    return sum(after[0] - before[0] for before, after in pairwise(lag) if after[1] > budget_s)


def backlog_bytes(sample: Sample) -> int:
    """Return what was written and not replayed."""
    return sample.insert_lsn - sample.replay_lsn.get(SLOW, sample.insert_lsn)


def back_s(lag: Sequence[Point], budget_s: float, stepped_s: float, backlog: float, rate_bytes_s: float) -> float:
    """Return how long after the physically possible moment the lag was over the budget for the last time.

    possible moment = moment of the step + bytes on their way at the step / new rate

    What was on its way has to come through at the new rate, whatever a law does. 0 when the lag was back sooner or
    never over; infinite when it was still over at the end.
    """
    over = [at_s for at_s, lag_s in lag if at_s >= stepped_s and lag_s > budget_s]
    if over and over[-1] == lag[-1][0]:
        return float("inf")
    return max(0.0, max(over, default=0.0) - (stepped_s + backlog / rate_bytes_s))


def _back_s(trace: Trace, scenario: Scenario, lag: Sequence[Point]) -> float | None:
    steps = [act for act in scenario.acts if act.kind is Kind.RATE]
    if not steps or _frozen_s(scenario) is not None:
        return None
    step = steps[0]
    backlog = backlog_bytes(_between(trace.samples, 0.0, step.at_s)[-1])
    return back_s(lag, scenario.budget_s, step.at_s, backlog, step.rate_bytes_s)


def _added_bytes(samples: Sequence[Sample], scenario: Scenario, frozen_s: float) -> int:
    """Return by how much the backlog grew while the standby was frozen."""
    thawed_s = next(at_s for at_s, _ in scenario.rates() if at_s > frozen_s)
    while_frozen = _between(samples, frozen_s, thawed_s)
    return backlog_bytes(while_frozen[-1]) - backlog_bytes(while_frozen[0])


def _use(samples: Sequence[Sample], scenario: Scenario, from_s: float) -> float:
    """Return what the link carried of what it could have carried, from a second to the end of the span."""
    inside = _between(samples, from_s, scenario.span_s)
    first, last = inside[0], inside[-1]
    return (last.carried_bytes - first.carried_bytes) / scenario.capacity_bytes(first.at_s, last.at_s)


def _rows_replayed(rows: Sequence[tuple[float, int]], last: Point) -> int:
    """Return the rows that the standby has at the end: those that were committed before its lag begins."""
    at_s, lag_s = last
    return sum(count for committed_s, count in rows if committed_s <= at_s - lag_s)


def _between(samples: Sequence[Sample], begin_s: float, end_s: float) -> list[Sample]:
    return [one for one in samples if begin_s <= one.at_s <= end_s]


def _last_before(points: Sequence[Point], at_s: float) -> float | None:
    return next((value for told_s, value in reversed(points) if told_s <= at_s), None)


def _frozen_s(scenario: Scenario) -> float | None:
    return next((at_s for at_s, rate in scenario.rates() if rate == 0), None)
