"""The picture of `bench.throttle`: lag over time, a panel for each scenario: ours, the best and the worst rival."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bench.chart import Panel, draw
from bench.contenders import OURS
from bench.measure import lag_points
from bench.scenarios import Scenario
from bench.table import Run, badness

CEILING = 4.0
"""A panel ends at this many budgets; lines that leave it: the legend has each worst lag."""


def picture(played: Sequence[Sequence[Run]]) -> str:
    """Return the figure of all scenarios that were played, each given by its runs."""
    return draw([_panel(runs) for runs in played], columns=2)


def _panel(runs: Sequence[Run]) -> Panel:
    scenario = runs[0].scenario
    rivals = sorted((run for run in runs if run.contender.is_rival), key=badness)
    drawn = [run for run in runs if run.contender.name == OURS] + rivals[:1] + rivals[1:][-1:]
    return Panel(
        title=scenario.title,
        unit="s",
        lines={_legend(run): lag_points(run.trace, scenario) for run in drawn},
        span_s=scenario.span_s,
        limit=("budget", scenario.budget_s),
        marks=[(act.at_s, act.word) for act in scenario.acts],
        ceiling=max(CEILING * scenario.budget_s, 1.5 * _frozen_s(scenario)),
    )


def _legend(run: Run) -> str:
    return f"{run.contender}: {run.figures.lag_max_s:.1f} s, use {run.figures.use:.2f}"


def _frozen_s(scenario: Scenario) -> float:
    """Return how long the link is frozen: so much lag has everybody."""
    rates = scenario.rates()
    return max((after_s - at_s for (at_s, rate), (after_s, _) in pairwise(rates) if rate == 0), default=0.0)
