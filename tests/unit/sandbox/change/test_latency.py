"""Calm and working spells are compared in pairs, so that a machine that gets slower for all changes nothing."""

from __future__ import annotations

import pytest

from backfill.sandbox.change.latency import Sample, Spell, compare, percentile


def spell(began_s: float, *, calm: bool) -> Spell:
    return Spell(began_s, began_s + 1, calm)


def samples(began_s: float, took_s: float, count: int = 200) -> list[Sample]:
    """Return statements that took this long, one in fifty of them ten times as long."""
    return [(began_s + number / count, took_s * (10 if number % 50 == 0 else 1)) for number in range(count)]


def test_the_ratio_is_the_median_of_pairs_and_not_that_of_the_whole():
    """The machine is ten times slower from the fifth second on: for the calm spells, too."""
    spells, seen = [], []
    for second in range(10):
        calm = second % 2 == 0
        spells.append(spell(second, calm=calm))
        seen += samples(second, (0.001 if calm else 0.0015) * (1 if second < 5 else 10))
    found = compare(seen, spells)
    assert found is not None
    assert found.ratio == pytest.approx(1.5)
    assert found.pairs == 9
    assert found.calm_p50_s == pytest.approx(0.001)
    assert found.calm_p99_s == pytest.approx(0.01)


def test_a_spell_with_few_statements_and_two_of_a_kind_are_no_pair():
    spells = [spell(0, calm=True), spell(1, calm=False), spell(2, calm=False)]
    assert compare(samples(0, 0.001) + samples(1, 0.001, 50), spells) is None
    assert compare([*samples(0, 0.001, 50), *samples(1, 0.001), *samples(2, 0.001)], spells) is None


def test_statements_outside_of_all_spells_do_not_count():
    found = compare(
        samples(0, 0.001) + samples(1, 0.5) + samples(2, 0.002), [spell(0, calm=True), spell(2, calm=False)]
    )
    assert found is not None
    assert found.ratio == pytest.approx(2.0)
    assert found.pairs == 1


def test_a_percentile_is_one_of_the_values():
    assert percentile([1, 2, 3, 4], 0.5) == 3
    assert percentile([1], 0.99) == 1
    assert percentile([1, 2], 1.0) == 2
