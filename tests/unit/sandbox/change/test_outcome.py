"""A change is good only if no version saw an error, no row is wrong on either server, and no update is missing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from backfill.sandbox.change.application import Observations
from backfill.sandbox.change.latency import LatencyComparison
from backfill.sandbox.change.outcome import ChangeOutcome, Comparison

OLD = Observations([(1.0, 0.1)] * 3, [], Counter(updates=7, inserts=5, deletes=2, deleted_revisions=1))
NEW = Observations([(1.0, 0.1)] * 4, [], Counter(updates=3, inserts=1))
LATENCY = LatencyComparison(
    calm_p50_s=0.001, calm_p99_s=0.004, change_p50_s=0.0012, change_p99_s=0.005, ratio=1.25, pairs=6
)
GOOD = ChangeOutcome(
    title="a column is renamed",
    elapsed_s=20,
    rows=100,
    versions={"old": OLD, "new": NEW},
    latency={"old": LATENCY, "new": None},
    compared=(Comparison("primary", 104, 0, 9), Comparison("replica-a", 104, 0, 9)),
)


def test_a_good_change_says_what_was_compared():
    assert GOOD.good
    console = Console(width=200)
    with console.capture() as captured:
        console.print(GOOD.shown())
    assert [line.rstrip() for line in captured.get().splitlines()] == [
        " a column is renamed  done in 20s",
        "   old version  0 errors of 3 statements",
        (
            "                p50 1.0ms calm, 1.2ms during the change; p99 4.0ms calm, 5.0ms during the change;"
            " 1.25 times in spells beside each other (median of 6)"
        ),
        "   new version  0 errors of 4 statements",
        "                too few statements to compare",
        "   wrong        0 of 104 rows on primary, all compared",
        "   wrong        0 of 104 rows on replica-a, all compared",
        "   updates      10 by both versions, none lost",
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"versions": {"old": OLD, "new": replace(NEW, errors=["deadlock detected"])}},
        {"compared": (Comparison("primary", 104, 1, 9), GOOD.compared[1])},
        {"compared": (GOOD.compared[0], Comparison("replica-a", 103, 0, 9))},
        {"compared": (GOOD.compared[0], Comparison("replica-a", 104, 0, 8))},
    ],
    ids=["an error", "a wrong row", "a row is missing", "an update is missing"],
)
def test_one_fault_is_enough(changed: dict[str, Any]):
    assert not replace(GOOD, **changed).good
