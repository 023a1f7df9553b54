"""NOT NULL: from any state of the catalog the next statements lead to the same end, and none is issued for what is done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backfill.change.not_null import NATIVE, NotNullStep, TableNullability, next_action
from backfill.values.identifier import TableName

NAME = "users_handle_not_null"
ROOT = TableName("public", "users")
BEFORE, SINCE = 170000, NATIVE


def state(name: TableName = ROOT, depth: int = 0, **changed) -> TableNullability:
    values = {
        "not_null": False,
        "constraint": None,
        "constraint_valid": False,
        "check": None,
        "implied": False,
    }
    return TableNullability(table=name, depth=depth, **{**values, **changed})


def tree() -> list[TableNullability]:
    """A table with two partitions, one of which has a partition of its own."""
    return [state(), *(state(TableName("public", name), depth) for name, depth in (("a", 1), ("b", 1), ("b_1", 2)))]


def play(tables: list[TableNullability], version: int) -> list[str]:
    """Act as the server does, until nothing is left; return the steps."""
    steps: list[str] = []
    while (action := next_action(tables, NAME, version=version)) is not None:
        steps.append(f"{action.step.value} {action.table.name}")
        assert len(steps) < 20
        match action.step:
            case NotNullStep.ADD if version >= NATIVE:
                tables = [one if one.constraint else replace(one, constraint=NAME, not_null=True) for one in tables]
            case NotNullStep.ADD:
                tables = [replace(one, check=False) for one in tables]
            case NotNullStep.VALIDATE:
                tables = [
                    replace(
                        one,
                        check=one.check and None if version >= NATIVE else True,
                        implied=True,
                        constraint_valid=True,
                    )
                    if one.table == action.table
                    else one
                    for one in tables
                ]
            case NotNullStep.SET:
                tables = [replace(one, not_null=True, check=None, implied=False) for one in tables]
            case NotNullStep.DROP_CHECK:
                tables = [replace(one, check=None, implied=False) for one in tables]
    return steps


@pytest.mark.parametrize(
    ("version", "steps"),
    [
        (BEFORE, ["add users", "validate b_1", "validate b", "validate a", "validate users", "set users"]),
        (SINCE, ["add users", "validate b_1", "validate b", "validate a", "validate users"]),
    ],
)
def test_partitions_are_validated_first_from_the_bottom_up(version: int, steps: list[str]):
    assert play(tree(), version) == steps


@pytest.mark.parametrize("version", [BEFORE, SINCE])
def test_a_column_that_is_not_null_needs_nothing(version: int):
    done = state(not_null=True, constraint=NAME, constraint_valid=True)
    assert next_action([done], NAME, version=version) is None


def test_since_18_a_column_that_says_not_null_is_not_yet_proven():
    claimed = state(not_null=True, constraint="anything", constraint_valid=False)
    action = next_action([claimed], NAME, version=SINCE)
    assert action is not None
    assert (action.step, action.constraint) == (NotNullStep.VALIDATE, "anything")


def test_a_constraint_that_an_earlier_attempt_left_is_validated_and_not_added_again():
    assert play([state(check=False)], BEFORE) == ["validate users", "set users"]
    assert play([state(not_null=True, constraint=NAME)], SINCE) == ["validate users"]


def test_a_valid_check_of_somebody_else_saves_ours():
    assert play([state(implied=True)], BEFORE) == ["set users"]


def test_a_check_of_ours_beside_a_column_that_is_not_null_goes():
    assert play([state(not_null=True, check=False)], BEFORE) == ["drop check users"]
