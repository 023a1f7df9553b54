"""Each expression, condition, trigger, type and setting of the made cases by itself, on tables of each shape."""

from __future__ import annotations

import pytest

from tests.differential.case import Case
from tests.differential.generation.count import CASES, CASES_MANY
from tests.differential.playing import Playground
from tests.differential.sweep import swept

SWEPT = dict(swept())
PLAYED = SWEPT if CASES >= CASES_MANY else {}
"""Some 500 cases: `make differential` plays them."""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("case", PLAYED.values(), ids=PLAYED)
def test_the_job_leaves_what_the_plain_update_leaves(ground: Playground, case: Case):
    found = ground.difference_made(case)
    assert found is None, f"{found}\n{case}"


def test_the_cases_are_different_ones():
    assert len({str(case) for case in SWEPT.values()}) == len(SWEPT) > 400
