"""How long statements took while nothing else happened, and while a change was made: in spells that alternate.

Both are measured within the same seconds, so a machine that gets slower for other reasons makes both slower.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

STATEMENTS_MIN = 100
"""A spell with fewer statements has no 99th percentile."""

Sample = tuple[float, float]
"""When a statement ended, and how long it took, both in seconds."""


@dataclass(frozen=True, slots=True)
class Spell:
    """A time that was calm, or in which the change was at work."""

    began_s: float
    ended_s: float
    calm: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyComparison:
    """Percentiles of all calm spells and of all others, and p99 of a working spell over that of the calm one beside it.

    `ratio` is the median of these `pairs`.
    """

    calm_p50_s: float
    calm_p99_s: float
    change_p50_s: float
    change_p99_s: float
    ratio: float
    pairs: int


def percentile(sorted_s: Sequence[float], share: float) -> float:
    """Return the value that this share of all values does not exceed."""
    return sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * share))]


def compare(samples: Sequence[Sample], spells: Sequence[Spell]) -> LatencyComparison | None:
    """Return the comparison; None if there is no pair of a calm spell and one that follows it."""
    ordered = sorted(samples)
    ends_s = [ended_s for ended_s, _ in ordered]
    measured: list[tuple[Spell, list[float]]] = []
    for spell in spells:
        inside = ordered[bisect_left(ends_s, spell.began_s) : bisect_left(ends_s, spell.ended_s)]
        if len(inside) >= STATEMENTS_MIN:
            measured.append((spell, sorted(took_s for _, took_s in inside)))
    ratios = [_ratio(before, after) for before, after in pairwise(measured) if before[0].calm is not after[0].calm]
    if not ratios:
        return None
    calm_s = sorted(took_s for spell, took in measured if spell.calm for took_s in took)
    change_s = sorted(took_s for spell, took in measured if not spell.calm for took_s in took)
    return LatencyComparison(
        calm_p50_s=percentile(calm_s, 0.5),
        calm_p99_s=percentile(calm_s, 0.99),
        change_p50_s=percentile(change_s, 0.5),
        change_p99_s=percentile(change_s, 0.99),
        ratio=median(ratios),
        pairs=len(ratios),
    )


def _ratio(*pair: tuple[Spell, list[float]]) -> float:
    """Return p99 of the spell in which we worked over that of the calm one."""
    calm_s, change_s = (took_s for _, took_s in sorted(pair, key=lambda spell: not spell[0].calm))
    return percentile(change_s, 0.99) / percentile(calm_s, 0.99)
