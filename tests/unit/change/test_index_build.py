"""An index: from any state of the catalog the next statements lead to a valid one on every table, or to a refusal."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backfill.change.build_progress import BuildProgress
from backfill.change.index_build import IndexStep, TableIndex, next_action
from backfill.change.object_name import fit, index_name, index_name_of_leaf, not_null_name
from backfill.values.identifier import BYTES_MAX, TableName

ROOT = TableName("public", "users")


def index(name: str = "users", parent: str | None = None, depth: int = 0, **changed) -> TableIndex:
    values = {"partitioned": False, "exists": False, "same": False, "valid": False, "is_constraint": False}
    return TableIndex(
        table=TableName("public", name),
        parent=TableName("public", parent) if parent else None,
        depth=depth,
        name=f"{name}_handle_key",
        **{**values, "attached": False, **changed},
    )


def built(one: TableIndex, **changed) -> TableIndex:
    return replace(one, exists=True, same=True, valid=True, **changed)


def tree() -> list[TableIndex]:
    """A table with two partitions, one of which has a partition of its own."""
    return [
        index(partitioned=True),
        index("a", "users", 1),
        index("b", "users", 1, partitioned=True),
        index("b_1", "b", 2),
    ]


def play(tables: list[TableIndex], *, constraint: bool = False) -> list[str]:
    """Act as the server does, until nothing is left; return the steps."""
    steps: list[str] = []
    while (action := next_action(tables, constraint=constraint)) is not None:
        steps.append(f"{action.step.value} {action.table.table.name}")
        assert len(steps) < 30
        before = action.table
        match action.step:
            case IndexStep.BUILD:
                after = built(before)
            case IndexStep.DROP if before.leftovers:
                after = replace(before, leftovers=before.leftovers[1:])
            case IndexStep.DROP:
                after = replace(before, exists=False, same=False)
            case IndexStep.ADD_CONSTRAINT:
                after = replace(before, is_constraint=True)
            case IndexStep.CREATE_PARENT:
                after = replace(before, exists=True, same=True, is_constraint=constraint)
            case IndexStep.ATTACH:
                after = replace(before, attached=True)
            case _:
                return steps
        tables = [after if one == before else one for one in tables]
    return steps


def test_a_plain_table_gets_its_index_in_one_step():
    assert play([index()]) == ["build users"]


def test_a_constraint_follows_the_index():
    assert play([index()], constraint=True) == ["build users", "add constraint users"]


def test_partitions_come_first_and_parents_are_attached_from_the_bottom_up():
    assert play(tree()) == [
        *("build a", "build b_1", "create parent b", "attach b_1"),
        *("create parent users", "attach a", "attach b"),
    ]


def test_a_constraint_of_a_partitioned_table_is_one_on_each():
    assert play(tree(), constraint=True) == [
        *("build a", "add constraint a", "build b_1", "add constraint b_1", "create parent b", "attach b_1"),
        *("create parent users", "attach a", "attach b"),
    ]


def test_an_invalid_index_is_dropped_and_built_again():
    left = replace(index(), exists=True, same=True)
    assert play([left]) == ["drop users", "build users"]


def test_what_reindex_has_left_goes_first():
    assert play([built(index(), leftovers=("users_handle_key_ccnew", "users_handle_key_ccnew1"))]) == ["drop users"] * 2


def test_an_index_that_somebody_builds_now_is_waited_for_and_not_dropped():
    action = next_action([replace(index(), exists=True, same=True, builder=77)], constraint=False)
    assert action is not None
    assert (action.step, action.text) == (IndexStep.WAIT, "pid 77 builds it")


def test_a_valid_index_of_the_same_definition_is_taken_as_done():
    assert next_action([built(index())], constraint=False) is None


@pytest.mark.parametrize(
    "other",
    [
        replace(index(), taken_by="a table"),
        replace(index(), exists=True, valid=True, definition="CREATE INDEX users_handle_key ON public.users (id)"),
        replace(index(), exists=True, definition="CREATE INDEX users_handle_key ON public.users (id)"),
    ],
)
def test_a_name_that_is_taken_is_refused_and_never_dropped(other: TableIndex):
    action = next_action([other], constraint=False)
    assert action is not None
    assert action.step is IndexStep.REFUSE
    assert "the name 'users_handle_key' is taken by" in action.text


def test_a_partitioned_index_that_is_not_the_constraint_wanted_is_refused():
    tables = [built(one, attached=one.parent is not None) for one in tree()]
    action = next_action(tables, constraint=True)
    assert action is not None
    assert action.step is IndexStep.REFUSE


def test_a_partition_that_came_with_an_index_of_its_own_name_is_done():
    tables = [built(one, attached=one.parent is not None) for one in tree()]
    tables.append(index("c", "users", 1, attached=True))
    assert next_action(tables, constraint=False) is None


@given(st.permutations(tree()), st.sets(st.sampled_from(["a", "b_1"])), st.booleans())
def test_whatever_is_there_already_the_end_is_the_same(tables: list[TableIndex], done: set[str], constraint: bool):
    tables = [built(one) if one.table.name in done else one for one in tables]
    steps = play(tables, constraint=constraint)
    assert steps.count("attach a") == steps.count("attach b") == steps.count("attach b_1") == 1
    assert not {f"build {name}" for name in done} & set(steps)
    assert max(len(list(group)) for _, group in itertools.groupby(steps)) == 1


def test_names_are_those_that_postgresql_would_give():
    assert index_name(ROOT, ("a", "b"), unique=False) == "users_a_b_idx"
    assert index_name(ROOT, ("handle",), unique=True) == "users_handle_key"
    assert not_null_name(ROOT, "handle") == "users_handle_not_null"
    leaf = TableName("parts", "users_2024")
    assert index_name_of_leaf("users_handle_key", ROOT, leaf) == "users_2024_handle_key"
    assert index_name_of_leaf("handles", ROOT, leaf) == "users_2024_handles"
    assert index_name_of_leaf("handles", ROOT, ROOT) == "handles"


@given(st.text(min_size=1, max_size=200))
def test_a_name_that_is_too_long_is_cut_and_stays_its_own(text: str):
    text = text.encode(errors="replace").decode()
    assert len(fit(text).encode()) <= BYTES_MAX
    assert fit(text) == text or fit(text) != fit(text + "x")


@pytest.mark.parametrize(
    ("changed", "shown"),
    [
        ({}, "initializing"),
        ({"blocks_done": 1, "blocks_total": 4}, "initializing, 25.0% of 4 blocks"),
        ({"tuples_done": 500, "tuples_total": 1000}, "initializing, 50.0% of 1,000 tuples"),
        ({"lockers_done": 1, "lockers_total": 3, "blocks_total": 4}, "initializing, 2 of 3 transactions left"),
    ],
)
def test_progress_reads_as_the_server_shows_it(changed, shown):
    nothing = dict.fromkeys(
        ("blocks_done", "blocks_total", "tuples_done", "tuples_total", "lockers_done", "lockers_total"), 0
    )
    assert str(BuildProgress(phase="initializing", **{**nothing, **changed})) == shown
