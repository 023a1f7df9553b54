"""The engine against others on identical tables, in turn: `python -m bench.engine --svg engine.svg`.

A primary, with a standby in one scenario; fsync on, autovacuum off, a checkpoint before each run, so that every run
pays its full-page images. Each run works on a copy of the same table. Our time runs from the worker's first event to
its last, passes and the final read of the whole table included. Bars come last; exit 1 when one is missed, but for
`--quick`, whose table is too small for them.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from backfill.sandbox import Sandbox
from bench.engine.contenders import CONTENDERS, Contender
from bench.engine.figures import Figures, Rounds
from bench.engine.measuring import SETTINGS, stage
from bench.engine.picture import picture
from bench.engine.report import LEGEND, summary, table
from bench.engine.scenario import SCENARIOS, Scenario
from bench.engine.targets import promised

QUICK_ROWS = 20_000


def play(
    scenarios: Sequence[Scenario], contenders: Sequence[Contender], rows: int, runs: int
) -> Iterator[tuple[Scenario, Rounds]]:
    """Play each scenario's rounds, contenders in turn; yield a scenario when its last round is over."""
    began_s, played, total = time.monotonic(), 0, len(scenarios) * runs * len(contenders)
    with Sandbox() as sandbox:
        primary = sandbox.primary(settings=SETTINGS)
        [(version,)] = primary.query("SHOW server_version")
        load = os.getloadavg()[0]
        print(f"PostgreSQL {version}, {rows:,} rows, {runs} rounds, {os.cpu_count()} cores, load {load:.1f}")
        for scenario in scenarios:
            playing = [one for one in contenders if one.plays(scenario)]
            rounds: dict[str, list[Figures]] = {one.name: [] for one in playing}
            with stage(sandbox, primary, scenario, rows) as staged:
                for number in range(1, runs + 1):
                    for contender in playing:
                        figures = staged.play(contender)
                        rounds[contender.name].append(figures)
                        played += 1
                        left_s = (time.monotonic() - began_s) / played * (total - played)
                        told = f"{left_s / 60:6.1f} min left, load {os.getloadavg()[0]:4.1f}"
                        print(
                            f"{told}  {scenario.name:15}{number:>3}  {contender.name:18}{_brief(figures)}", flush=True
                        )
            played += (len(contenders) - len(playing)) * runs
            yield scenario, rounds


def _brief(figures: Figures) -> str:
    return f"{figures.took_s:8.2f} s{figures.wal_bytes_row:9,.0f} B/row"


def report(scenarios: Sequence[Scenario], contenders: Sequence[Contender], results: Mapping[str, Rounds]) -> bool:
    """Print the summary and the bars; return whether every bar is kept."""
    print(f"\n{summary(contenders, results, scenarios)}\n\n{LEGEND}\n")
    kept = True
    for scenario in scenarios:
        for verdict in promised(scenario, results[scenario.name]):
            print(f"{verdict.mark:8}{scenario.name:16}{verdict.text}")
            kept = kept and verdict.kept
    return kept


def main() -> None:
    """Play, report, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=300_000, help="of the table")
    parser.add_argument("--runs", type=int, default=5, help="rounds; the figures are their medians")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, one round")
    parser.add_argument("--scenario", nargs="+", choices=[one.name for one in SCENARIOS], metavar="NAME", help="these")
    parser.add_argument(
        "--contender", nargs="+", choices=[one.name for one in CONTENDERS], metavar="NAME", help="these"
    )
    parser.add_argument("--svg", type=Path, help="draw the summary into this file")
    options = parser.parse_args()
    rows, runs = (QUICK_ROWS, 1) if options.quick else (options.rows, options.runs)
    scenarios = [one for one in SCENARIOS if not options.scenario or one.name in options.scenario]
    contenders = [one for one in CONTENDERS if not options.contender or one.name in options.contender]
    results: dict[str, Rounds] = {}
    for scenario, rounds in play(scenarios, contenders, rows, runs):
        results[scenario.name] = rounds
        print(f"\n{scenario.title}; {scenario.rows(rows):,} rows\n{table(contenders, rounds)}\n", flush=True)
    if options.svg:
        options.svg.write_text(picture(contenders, results, scenarios), encoding="utf-8")
    if not report(scenarios, contenders, results) and not options.quick:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
