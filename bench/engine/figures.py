"""What a run came to, and what several come to beside those of others: pure arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.engine.contenders import KEYSET, PLAIN
from bench.medians import medians


@dataclass(frozen=True, slots=True)
class Figures:
    """One run. None is what it does not have: indexes, enough batches, a process of its own."""

    took_s: float
    wal_bytes_row: float
    hot_ratio: float
    table_growth: float
    index_growth: float | None
    decile_ratio: float | None
    batch_p99_s: float
    rows_transaction: int
    cpu_s_100k: float | None
    peak_bytes: int | None


Rounds = Mapping[str, Sequence[Figures]]
"""The runs of a scenario by contender, one a round, in the same order of rounds."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: medians of the figures, and of what each was to another's of the same round."""

    name: str
    figures: Figures
    speed_to_plain: float | None
    wal_to_plain: float | None
    wal_to_keyset: float | None


def lines(rounds: Rounds) -> list[Line]:
    """Return a line for each contender, in their order."""
    return [
        Line(
            name=name,
            figures=medians(runs),
            speed_to_plain=ratio(rounds, PLAIN, name, took_s),
            wal_to_plain=ratio(rounds, name, PLAIN, wal_bytes_row),
            wal_to_keyset=ratio(rounds, name, KEYSET, wal_bytes_row),
        )
        for name, runs in rounds.items()
    ]


def ratio(rounds: Rounds, name: str, other: str, figure: Callable[[Figures], float]) -> float | None:
    """Return the median over rounds of one contender's figure to another's; None when one of them did not play."""
    if name not in rounds or other not in rounds:
        return None
    pairs = zip(rounds[name], rounds[other], strict=True)
    return median(figure(mine) / figure(theirs) for mine, theirs in pairs)


def took_s(figures: Figures) -> float:
    """Return the seconds; the other way round as a ratio it is speed."""
    return figures.took_s


def wal_bytes_row(figures: Figures) -> float:
    """Return the WAL a row."""
    return figures.wal_bytes_row
