"""Our throttle against the laws of others, in turn on one cluster: `python -m bench.throttle --svg throttle.svg`.

A primary and a standby behind a link of 4 MB/s; in the last scenario also one that is behind none. Each contender
works for a fixed time on a fresh table without full-page images due, then the link is opened until all is replayed.
Lag is that of the slow standby by an LSN clock of the benchmark's own (`bench.watch`).

use      what the link carried of what it could have, after the first 3 s; `from 0`: the slow start is in it
over     seconds in which the lag was above the budget (ours is told it as `max_lag`)
backlog  the most that was written and not replayed
rows/s   rows that the standby has at the end, per second of the span

Rivals play as documented and tuned (`bench.contenders`); the last table has the better variant of each: fewer seconds
over budget, then more use. The bars come last; exit 1 when one is missed.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from backfill.sandbox import Sandbox
from bench.cluster import BenchCluster
from bench.contenders import OURS, Contender, nobody, ours, rivals
from bench.measure import measure
from bench.picture import picture
from bench.scenarios import SCENARIOS, Scenario
from bench.table import HEAD, Run, better, merged
from bench.targets import beaten, promised
from bench.verdict import Verdict

QUICK_SCENARIOS = ("steady", "step", "checkpoint")
QUICK_RIVALS = ("on/off (gh-ost), tuned", "LHM, tuned")
BETWEEN_S = 4.0
"""A first guess of what a run takes beside its span."""

TOLD = 48
"""Characters of progress before a line of the table."""


def contenders(scenario: Scenario, *, quick: bool, against: str) -> list[Contender]:
    """Return who plays: `quick` leaves two rivals, `against` those with these letters in their names."""
    chosen = [one for one in rivals(scenario.budget_s) if against.lower() in str(one).lower()]
    if quick:
        chosen = [one for one in chosen if str(one) in QUICK_RIVALS]
    return [*([nobody()] if scenario.with_application else []), ours(scenario.budget_s), *chosen]


def play(stage: BenchCluster, plan: Sequence[tuple[Scenario, Contender]]) -> Iterator[Run]:
    """Play them in turn; print each as it ends, with the minutes that are left."""
    began_s, spans_s = time.monotonic(), sum(scenario.span_s for scenario, _ in plan)
    played_s = 0.0
    for number, (scenario, contender) in enumerate(plan, 1):
        trace = stage.play(scenario, contender)
        run = Run(scenario, contender, trace, measure(trace, scenario))
        played_s += scenario.span_s
        between_s = (time.monotonic() - began_s - played_s) / number
        left_s = spans_s - played_s + between_s * (len(plan) - number)
        told = f"{number:>3}/{len(plan)} {left_s / 60:5.1f} min left, load {os.getloadavg()[0]:.1f}  {scenario.name}"
        print(f"{told:{TOLD}}{run}", flush=True)
        yield run


def judge(runs: Sequence[Run]) -> Iterator[Verdict]:
    """Yield the bars of one scenario, given its better runs."""
    mine = next(run for run in runs if run.contender.name == OURS)
    yield from promised(mine.scenario, mine.figures)
    for run in runs:
        if run.contender.is_rival:
            yield beaten(str(run.contender), run.figures, mine.figures)


def report(played: Sequence[Sequence[Run]]) -> bool:
    """Print the tables and the bars; return whether every bar is kept."""
    for runs in played:
        print(f"\n{runs[0].scenario.title}\n{HEAD}")
        print(*better(runs), sep="\n")
    verdicts = [(runs[0].scenario, verdict) for runs in played for verdict in judge(better(runs))]
    print()
    for scenario, verdict in verdicts:
        print(f"{verdict.mark:8}{scenario.name:12}{verdict.text}")
    return all(verdict.kept for _, verdict in verdicts)


def main() -> None:
    """Play, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400_000, help="of the table, which is made anew for each run")
    parser.add_argument("--quick", action="store_true", help="three scenarios, two rivals: under 5 minutes")
    parser.add_argument("--only", choices=[one.name for one in SCENARIOS], action="append", help="this scenario")
    parser.add_argument("--against", default="", help="rivals with these letters in their names")
    parser.add_argument("--svg", type=Path, help="draw the lag of each scenario into this file")
    options = parser.parse_args()
    names = options.only or (QUICK_SCENARIOS if options.quick else [one.name for one in SCENARIOS])
    scenarios = [one for one in SCENARIOS if one.name in names]
    plan = [
        (scenario, contender)
        for scenario in scenarios
        for contender in contenders(scenario, quick=options.quick, against=options.against) * scenario.rounds
    ]
    with Sandbox() as sandbox:
        stage = BenchCluster(sandbox, options.rows)
        [(version,)] = stage.primary.query("SHOW server_version")
        minutes = sum(scenario.span_s + BETWEEN_S for scenario, _ in plan) / 60
        print(
            f"PostgreSQL {version}, {options.rows:,} rows, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, "
            f"{len(plan)} runs, about {minutes:.0f} minutes\n{'':{TOLD}}{HEAD}"
        )
        runs = list(play(stage, plan))
    played = [merged([run for run in runs if run.scenario is scenario]) for scenario in scenarios]
    if options.svg:
        options.svg.write_text(picture(played), encoding="utf-8")
    if not report(played):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
