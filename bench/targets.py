"""What we promise of our own figures, and that every rival pays for its use with lag, or for its lag with use."""

from __future__ import annotations

from collections.abc import Iterator

from bench.measure import Figures
from bench.scenarios import MB, Scenario
from bench.verdict import Verdict, at_least, at_most


def promised(scenario: Scenario, ours: Figures) -> Iterator[Verdict]:
    """Yield what is promised of our figures in a scenario."""
    match scenario.name:
        case "steady":
            yield at_least("use", ours.use, 0.97)
            yield at_most("worst lag", ours.lag_max_s, scenario.budget_s, " s")
        case "steady-10s":
            yield at_least("use", ours.use, 0.97)
            yield at_most("median lag", ours.lag_median_s, 0.5, " s")
            yield at_most("p99 of lag", ours.lag_p99_s, 1.0, " s")
        case "step":
            yield at_least("use", ours.use, 0.95)
            if ours.back_s is not None:
                yield at_most("back within the budget, after what is possible", ours.back_s, 3.0, " s")
        case "freeze":
            if ours.added_bytes is not None and ours.window_bytes is not None:
                yield at_most(
                    "backlog added while frozen", ours.added_bytes / MB, round(ours.window_bytes / MB, 3), " MB"
                )
        case "checkpoint":
            yield at_most("share of time over budget", ours.over_s / scenario.span_s, 0.01)
        case "two":
            yield at_least("use of the slow link", ours.use, 0.95)
            yield at_most("worst lag", ours.lag_max_s, scenario.budget_s, " s")
        case _:
            pass


def beaten(rival: str, theirs: Figures, ours: Figures) -> Verdict:
    """Say on what a rival is worse: on lag (its p99, or its time over budget), on use, or on nothing."""
    on_lag = theirs.lag_p99_s > ours.lag_p99_s or theirs.over_s > ours.over_s
    on_use = theirs.use < ours.use
    words = [word for word, worse in (("lag", on_lag), ("use", on_use)) if worse]
    return Verdict(bool(words), f"{rival} is worse on {' and '.join(words) or 'nothing'}")
