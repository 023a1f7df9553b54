"""The tables of `bench.throttle`: a line for each run, and the better variant of each rival."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.contenders import Contender
from bench.measure import Figures
from bench.medians import medians
from bench.scenarios import MB, Scenario
from bench.trace import Trace

HEAD = (
    f"{'':30}{'use':>6}{'from 0':>8}{'lag median':>12}{'p99':>9}{'max':>9}{'over':>8}{'backlog':>10}{'rows/s':>9}  more"
)


@dataclass(frozen=True, slots=True)
class Run:
    """One contender in one scenario: what was seen, and what it came to."""

    scenario: Scenario
    contender: Contender
    trace: Trace
    figures: Figures

    def __str__(self) -> str:
        figures = self.figures
        return (
            f"{self.contender!s:30}{figures.use:>6.2f}{figures.use_from_start:>8.2f}{figures.lag_median_s:>10.2f} s"
            f"{figures.lag_p99_s:>7.2f} s{figures.lag_max_s:>7.2f} s{figures.over_s:>6.1f} s"
            f"{figures.backlog_bytes / MB:>7.1f} MB{figures.rows_s:>9,.0f}  {'; '.join(self._more())}"
        )

    def _more(self) -> Iterator[str]:
        figures = self.figures
        if figures.back_s is not None:
            yield "never back" if figures.back_s == float("inf") else f"back {figures.back_s:.1f} s after possible"
        if figures.added_bytes is not None:
            yield f"{figures.added_bytes / MB:+.1f} MB while frozen"
        if figures.window_bytes is not None:
            yield f"window {figures.window_bytes / MB:.1f} MB"
        if figures.latency_p99_s is not None:
            yield f"application's p99 {figures.latency_p99_s * 1000:.1f} ms"
        if self.trace.exhausted_s is not None:
            yield f"all rows done at {self.trace.exhausted_s:.0f} s"


def badness(run: Run) -> tuple[float, float]:
    """Return what is worse when it is more: seconds over budget in tenths, then use that was missed."""
    return round(run.figures.over_s, 1), -run.figures.use


def merged(runs: Sequence[Run]) -> list[Run]:
    """Return one run for each contender of a scenario: the medians of its rounds, the trace of the first one."""
    rounds: dict[Contender, list[Run]] = {}
    for run in runs:
        rounds.setdefault(run.contender, []).append(run)
    return [replace(played[0], figures=medians([run.figures for run in played])) for played in rounds.values()]


def better(runs: Sequence[Run]) -> list[Run]:
    """Return of each name its better variant, in the order in which the names first played."""
    names = dict.fromkeys(run.contender.name for run in runs)
    return [min((run for run in runs if run.contender.name == name), key=badness) for name in names]
