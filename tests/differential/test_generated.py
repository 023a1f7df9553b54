"""Whatever hypothesis makes up: the job leaves what the plain UPDATE leaves, or is refused before it touches anything.

CASES and SEED of the environment say how many, and which: `make differential` plays 2,000.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import Phase, given, note, seed

from tests.differential.case import Case
from tests.differential.comparison import Kind, compare
from tests.differential.generation.cases import cases
from tests.differential.generation.count import CASES, SEED, SHARDS, many
from tests.differential.playing import Playground

DIFFERS = {kind: type(f"Differs{kind.name.title()}", (AssertionError,), {}) for kind in Kind}
"""An error a kind: hypothesis keeps to the one that it is making smaller."""


@pytest.mark.timeout(300 + 3 * CASES)
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_job_leaves_what_the_plain_update_leaves(ground: Playground, shard: int):
    count, ends = max(1, CASES // SHARDS), Counter[int | None]()

    @seed(SEED * SHARDS + shard)
    @many(count, Phase.generate, Phase.shrink)
    @given(cases())
    def same(case: Case) -> None:
        played = ground.play_made(case)
        ends[played.job_end.exit_code] += 1
        if (found := compare(case, played)) is not None:
            note(str(case))
            raise DIFFERS[found.kind](str(found))

    same()
    assert ends[0] + ends[3] >= count // 3, f"too many of the jobs are refused to prove anything: {ends}"
