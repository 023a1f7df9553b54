"""The time left in simulated runs: near the truth while the pace is steady, and a range around it while it changes.

A run is a table of pages, gone through by real checkpoints in real stripes; only the clock and what a row costs are
made. The truth is known when the run is over: how long it did take from each batch on.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, sqrt
from statistics import median
from typing import Any

import pytest

from backfill.engine.lane_group import LaneGroup
from backfill.table.checkpoint import Layout, Tid, advance, begin
from backfill.table.estimate.row_map import RowMap
from backfill.table.estimate.time_left import TimeLeft
from backfill.table.leaves import LeafPlace
from tests.fake_database import Clock

RUNS = 5
BATCH_ROWS = 8000
ERROR_MAX = 0.25
SAMPLED = 1.04
"""How far off the estimate of the rows is that the run begins with."""
POINTS = tuple(tenths / 10 for tenths in range(2, 10))
SIZES = (6, 11, 13, 10, 7, 5, 4, 3, 2)
"""The stripes of a page of 61 rows: the first pays for the page's image and moves its rows away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What was said when, and how much was done by then."""

    at_s: float
    share: float
    said: TimeLeft | None


@dataclass(slots=True, kw_only=True)
class SimulatedRun:
    """A run over `pages`, each with `rows_a_page` matching rows, off by `noise`; `pace` stretches time as it passes."""

    seed: int
    pages: int
    rows_a_page: float
    sizes: tuple[int, ...] = (1,)
    window_pages: int = 8192
    first_s: float = 2e-4
    later_s: float = 2e-4
    read_s: float = 1e-5
    pace: Callable[[float, random.Random], float] = lambda _now_s, _chance: 1.0
    pauses: tuple[tuple[float, float], ...] = ()
    estimates: list[Estimate] = field(default_factory=list)
    end_s: float = 0.0

    def play(self) -> SimulatedRun:
        """Run to the end."""
        chance, clock = random.Random(self.seed), Clock()
        group = LaneGroup(clock.runtime(lambda event: None))
        edges = tuple(range(0, self.pages + 1, max(1, self.pages // 50)))
        before = [0.0]
        for low, high in pairwise(edges):
            before.append(before[-1] + (high - low) * self.rows_a_page * chance.uniform(0.7, 1.3))
        truth = RowMap(edges, tuple(before))
        guessed = RowMap(edges, tuple(rows * SAMPLED for rows in before))
        checkpoint = begin(edges[-1], Layout(self.sizes, self.window_pages))
        group.start_leaf(LeafPlace(pages=edges[-1], known=guessed, rows_after=0.0), (checkpoint,))
        began_s, paused_s, pauses, done = clock.now_s, 0.0, list(self.pauses), 0.0
        while not checkpoint.pass_done:
            if pauses and clock.now_s - began_s >= pauses[0][0]:
                paused_s += pauses[0][1]
                clock.now_s += pauses.pop(0)[1]
            share = self.sizes[checkpoint.stripe] / sum(self.sizes)
            span = max(1, int(chance.uniform(0.5, 1.5) * BATCH_ROWS / self.rows_a_page / share))
            end = min(checkpoint.next.page + span, checkpoint.window_end)
            rows = truth.rows(checkpoint.next.page, end) * share
            cost_s = self.first_s if checkpoint.stripe == 0 else self.later_s / (1 + 0.1 * checkpoint.stripe)
            took_s = rows * cost_s + (end - checkpoint.next.page) * self.read_s
            clock.now_s += took_s * chance.uniform(0.7, 1.3) * self.pace(clock.now_s - began_s, chance)
            last, done = checkpoint, done + rows
            checkpoint = replace(advance(checkpoint, Tid(end)), rows_total=round(done))
            group.update(checkpoint)
            said = group.time_left_after(last, paused_s)
            self.estimates.append(Estimate(at_s=clock.now_s - began_s, share=done / truth.total, said=said))
        self.end_s = clock.now_s - began_s
        return self

    def error(self, share: float) -> float:
        """Return by how much the estimate was off when that share was done; it must have said something."""
        estimate = next(one for one in self.estimates if one.share >= share)
        left_s = self.end_s - estimate.at_s
        said = estimate.said
        return inf if said is None else abs(sqrt(said.low_s * said.high_s) - left_s) / left_s

    def inside(self, since_s: float) -> float:
        """Return how many of the estimates hold the truth in their range, of those from a time up to the last tenth."""
        judged = [one for one in self.estimates if one.at_s >= since_s and 0.2 <= one.share <= 0.95]
        return sum(holds(one.said, self.end_s - one.at_s) for one in judged) / len(judged)


def holds(said: TimeLeft | None, truth_s: float) -> bool:
    """Whether the truth is in the range; a figure may be off by a quarter."""
    if said is None:
        return False
    margin = 1 + ERROR_MAX if said.low_s == said.high_s else 1.0
    return said.low_s / margin <= truth_s <= said.high_s * margin


STEADY: dict[str, dict[str, Any]] = {
    "plain": {"pages": 60_000, "rows_a_page": 60.0},
    "striped in many windows": {
        "pages": 40_000, "rows_a_page": 60.0, "sizes": SIZES, "first_s": 1e-3, "later_s": 2e-4
    },
    "striped in one window": {
        "pages": 8_000, "rows_a_page": 60.0, "sizes": SIZES, "first_s": 1e-3, "later_s": 2e-4
    },
    "sparse": {"pages": 200_000, "rows_a_page": 0.2, "read_s": 1e-3},
}  # fmt: skip


@pytest.mark.parametrize("kind", STEADY)
def test_from_a_fifth_on_the_time_left_is_off_by_less_than_a_quarter(kind: str):
    runs = [SimulatedRun(seed=seed, **STEADY[kind]).play() for seed in range(RUNS)]
    errors = {share: median(run.error(share) for run in runs) for share in POINTS}
    assert max(errors.values()) < ERROR_MAX, errors


def halved(at_s: float) -> Callable[[float, random.Random], float]:
    return lambda now_s, _chance: 1.0 if now_s < at_s else 2.0


def throttled(now_s: float, _chance: random.Random) -> float:
    """Now and then a replica falls behind, for 20 s to two minutes, and most batches wait."""
    return 8.0 if random.Random(int(now_s / 20) // 2 * 7919).random() < 0.4 else 1.0


CHANGING: dict[str, tuple[dict[str, Any], float]] = {
    "paused": ({"pauses": ((200.0, 900.0),)}, 200.0),
    "halved": ({"pace": halved(300.0)}, 480.0),
    "throttled": ({"pace": throttled}, 0.0),
}
"""What happens to a run, and from when on it can be known."""


@pytest.mark.parametrize("kind", CHANGING)
def test_the_truth_is_in_the_range_while_the_pace_changes(kind: str):
    changed, since_s = CHANGING[kind]
    runs = [SimulatedRun(seed=seed, **STEADY["plain"], **changed).play() for seed in range(RUNS)]
    inside = [run.inside(since_s) for run in runs]
    assert median(inside) > 0.97, inside
    assert min(inside) > 0.9, inside


def test_a_changing_pace_is_a_range_and_a_steady_one_a_figure():
    def ranges(run: SimulatedRun, since_s: float) -> float:
        said = [one.said for one in run.play().estimates if one.at_s >= since_s and 0.2 <= one.share <= 0.95]
        return sum(left is not None and left.low_s < left.high_s for left in said) / len(said)

    assert ranges(SimulatedRun(seed=1, **STEADY["plain"]), 0.0) < 0.05
    assert ranges(SimulatedRun(seed=1, **STEADY["plain"], pace=halved(300.0)), 330.0) > 0.9


def test_nothing_is_said_before_a_hundredth_is_done():
    said = SimulatedRun(seed=1, **STEADY["plain"]).play().estimates
    assert all(one.said is None for one in said if one.share < 0.009)
    assert any(one.said is not None for one in said if one.share < 0.03)
