"""The comparison notices: each fault that is put back is found by a fixed case; by all of its cases, and by made ones,
if many are played.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import Phase, find

from tests.differential.corpus import CORPUS
from tests.differential.faults import FAULTS, Fault
from tests.differential.generation.cases import cases
from tests.differential.generation.count import CASES, CASES_MANY, SEED, many
from tests.differential.playing import Playground

WITHIN = 500
"""Made cases of which one has to show a fault."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_that_is_put_back_is_found(ground: Playground, fault: Fault):
    cases = fault.cases if CASES >= CASES_MANY else fault.cases[:1]
    with fault.applied():
        unfound = [name for name in cases if ground.difference(CORPUS[name]) is None]
    assert unfound == []


@pytest.mark.skipif(CASES < CASES_MANY, reason="make differential plays them")
@pytest.mark.timeout(3 * WITHIN)
@pytest.mark.parametrize("fault", [one for one in FAULTS if one.made], ids=lambda fault: fault.name)
def test_made_cases_find_it_too(ground: Playground, fault: Fault):
    with fault.applied():
        find(
            cases(often=True),
            lambda case: ground.difference_made(case) is not None,
            settings=many(WITHIN, Phase.generate),
            random=random.Random(SEED),
        )
