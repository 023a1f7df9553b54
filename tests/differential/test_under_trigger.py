"""Rows that are written under the trigger of `sync: trigger` become what the plain UPDATE would have made of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import Phase, assume, given, note, seed

from backfill.values.exit_codes import ExitCode
from tests.differential.case import Case
from tests.differential.generation.cases import cases
from tests.differential.generation.count import CASES, SEED, many
from tests.differential.playing import Playground

COUNT = max(10, CASES // 20)
OTHERS = ("CREATE TRIGGER", "CREATE RULE", "CREATE POLICY", "CREATE PUBLICATION", "REVOKE", "OWNER TO")
"""What the plain UPDATE meets and the rows that are written again do not."""
PATH_TEXT = "current_setting(''search_path'')"
"""A function that asks for it is given the schemas of the role's path by their names, and not its `"$user"`."""
KEYS = (("sync", "trigger"), ("accept", ["trigger-constraints"]))


@pytest.mark.timeout(300 + 3 * COUNT)
def test_a_row_becomes_what_the_plain_update_makes_of_it(ground: Playground):
    ends = Counter[int | None]()

    @seed(SEED)
    @many(COUNT, Phase.generate, Phase.shrink)
    @given(cases())
    def same(case: Case) -> None:
        assume(not case.module and not any(word in one for one in case.setup for word in (*OTHERS, PATH_TEXT)))
        end, plain, written = ground.play_under_trigger(replace(case, keys=KEYS))
        ends[end.exit_code] += 1
        assert end.exit_code in (ExitCode.DONE, ExitCode.FAILED, ExitCode.INVALID), end
        if end.exit_code == ExitCode.DONE:
            note(str(case))
            assert {name: rows for name, rows in written.rows.items() if name in plain.tree} == {
                name: rows for name, rows in plain.rows.items() if name in plain.tree
            }

    same()
    assert ends[ExitCode.DONE] >= COUNT // 3, f"too many of the jobs are refused to prove anything: {ends}"
