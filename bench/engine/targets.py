"""What is promised of the engine, checked on the medians of a scenario's rounds where its contenders played."""

from __future__ import annotations

from collections.abc import Iterator

from backfill.jobfile.limits import BatchLimits
from bench.engine.contenders import COMPRESSED, COMPRESSED_LANES, CONTENDERS, KEYSET, ONE_LANE, PAGES, PLAIN, TWO_LANES
from bench.engine.figures import Rounds, ratio, took_s, wal_bytes_row
from bench.engine.scenario import BASE, MB, UUID_MANY, Beside, Scenario
from bench.medians import medians
from bench.verdict import Verdict, at_least, at_most

OURS = tuple(one.name for one in CONTENDERS if one.is_ours)
SPEED = {ONE_LANE: 1.4, TWO_LANES: 2.2}
WAL = {ONE_LANE: 0.65, TWO_LANES: 0.65}
WAL_COMPRESSED = {COMPRESSED: 0.5, COMPRESSED_LANES: 0.5}
WAL_TO_KEYSET = {ONE_LANE: 0.27, TWO_LANES: 0.27, COMPRESSED: 0.1, COMPRESSED_LANES: 0.1}
WORKER_MB, WORKER_CPU_S_100K = 100, 0.05
"""CPU seconds for 100,000 rows are the share of a core at 100,000 rows a second."""


def promised(scenario: Scenario, rounds: Rounds) -> Iterator[Verdict]:
    """Yield what is promised of our contenders in a scenario."""
    if scenario.name == BASE:
        for name, least in SPEED.items():
            yield from _least(f"{name}: speed to plain UPDATE", ratio(rounds, PLAIN, name, took_s), least)
        yield from _wal(rounds, WAL | WAL_COMPRESSED, PLAIN)
        yield from _shape(rounds)
        yield from _worker(rounds)
    elif scenario.name == UUID_MANY:
        yield from _wal(rounds, WAL_TO_KEYSET, KEYSET)
    elif scenario.beside is Beside.APPLICATION:
        yield from _wal(rounds, WAL, PLAIN)
    elif scenario.with_target_index or scenario.beside in {Beside.SNAPSHOT, Beside.STANDBY}:
        yield from _most(f"{ONE_LANE}: time to plain page ranges", ratio(rounds, ONE_LANE, PAGES, took_s), 1.1)
        yield from _most(f"{ONE_LANE}: WAL to plain page ranges", _hundredths(rounds), 1.0)
    for name in OURS:
        if name in rounds:
            rows = max(one.rows_transaction for one in rounds[name])
            limit = BatchLimits().max_rows
            yield Verdict(rows <= limit, f"{name}: most rows in a transaction {rows:,} <= {limit:,}")


def _wal(rounds: Rounds, bars: dict[str, float], other: str) -> Iterator[Verdict]:
    for name, most in bars.items():
        yield from _most(f"{name}: WAL a row to {other}", ratio(rounds, name, other, wal_bytes_row), most)


def _shape(rounds: Rounds) -> Iterator[Verdict]:
    for name in (ONE_LANE, TWO_LANES):
        if name in rounds:
            yield from _most(f"{name}: last to first decile", medians(rounds[name]).decile_ratio, 1.1)
            yield from _most(f"{name}: table growth", medians(rounds[name]).table_growth, 1.4)


def _worker(rounds: Rounds) -> Iterator[Verdict]:
    for name in OURS:
        if name not in rounds:
            continue
        figures = medians(rounds[name])
        yield from _most(f"{name}: CPU for 100,000 rows", figures.cpu_s_100k, WORKER_CPU_S_100K, " s")
        if figures.peak_bytes is not None:
            yield at_most(f"{name}: memory", figures.peak_bytes / MB, WORKER_MB, " MB")


def _hundredths(rounds: Rounds) -> float | None:
    """Return the WAL against plain page ranges, as exact as it repeats."""
    found = ratio(rounds, ONE_LANE, PAGES, wal_bytes_row)
    return None if found is None else round(found, 2)


def _most(what: str, value: float | None, limit: float, unit: str = "") -> Iterator[Verdict]:
    if value is not None:
        yield at_most(what, value, limit, unit)


def _least(what: str, value: float | None, limit: float) -> Iterator[Verdict]:
    if value is not None:
        yield at_least(what, value, limit)
