"""Each fixed case, once a fault or a relative of one: the job leaves what the plain UPDATE leaves, or is refused first."""

from __future__ import annotations

import pytest

from tests.differential.corpus import CORPUS
from tests.differential.playing import Playground


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CORPUS)
def test_the_job_leaves_what_the_plain_update_leaves(ground: Playground, name: str):
    case = CORPUS[name]
    if ground.version < case.server_min:
        pytest.skip(f"this case is of PostgreSQL {case.server_min // 10000} and later")
    found = ground.difference(case)
    assert found is None, f"{found}\n{case}"
