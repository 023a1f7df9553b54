"""Which differences between one UPDATE and batches are found, and how texts of a plan are read for them."""

from __future__ import annotations

import pytest

from backfill.table.plain_update import UpdateEffects, columns_read, find_differences, reads_as_a_whole


def names(*tables: UpdateEffects, defaulted: tuple[str, ...] = ()) -> list[str]:
    return [one.name for one in find_differences(tables, defaulted)]


def test_a_plain_table_has_no_difference():
    assert names(UpdateEffects(table="public.users", deferrable_triggers=("balance",))) == []


@pytest.mark.parametrize(
    ("effects", "name"),
    [
        (UpdateEffects(table="t", rules=("r",)), "rules"),
        (UpdateEffects(table="t", statement_triggers=("s",)), "statement-triggers"),
        (UpdateEffects(table="t", transition_triggers=("s",)), "statement-triggers"),
        (UpdateEffects(table="t", several_row_constraints=("c",)), "several-rows"),
        (UpdateEffects(table="t", moving_triggers=("m",)), "moving-trigger"),
        (UpdateEffects(table="t", holds_rows=False, statement_triggers=("s",)), "parent-triggers"),
    ],
)
def test_each_effect_is_a_difference(effects: UpdateEffects, name: str):
    assert names(effects) == [name]


def test_a_statement_trigger_of_a_parent_cannot_be_accepted():
    root, leaf = UpdateEffects(table="t", statement_triggers=("s",)), UpdateEffects(table="t_1", is_root=False)
    [difference] = find_differences((root, leaf), ())
    assert "accept" not in difference.text


def test_what_may_be_accepted_says_how():
    [difference] = find_differences((UpdateEffects(table="t", statement_triggers=("s",)),), ())
    assert difference.text.endswith("; if that is what you want, write accept: [statement-triggers]")


def test_what_stands_between_the_table_and_its_leaves_is_named_by_no_update():
    between = UpdateEffects(table="t_a", is_root=False, holds_rows=False, statement_triggers=("s",), rules=("r",))
    assert names(UpdateEffects(table="t", holds_rows=False), between) == []


def test_a_default_counts_only_if_the_job_sets_it():
    root = UpdateEffects(table="t", defaults={"a": "1"})
    leaf = UpdateEffects(table="t_1", is_root=False, defaults={"a": "2"})
    assert names(root, leaf) == []
    assert names(root, leaf, defaulted=("a",)) == ["default"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("(users.*)::text", True),
        ("to_jsonb(users.*)", True),
        ("'users.*'", False),
        ("my_users.*", False),
        ("other.users.*", False),
        ("users.id * 2", False),
    ],
)
def test_a_row_as_a_whole_is_found_outside_texts(text: str, whole: bool):
    assert reads_as_a_whole([text], "users") is whole


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("(o.handle IS NULL)", ("handle",)),
        ('(o."Mixed Case" = 1)', ("Mixed Case",)),
        ("max(o.handle_2)", ()),
        ("'o.handle'", ()),
        ("(users.handle = o.id)", ()),
        ("max((o.*)::text)", ("handle", "Mixed Case")),
        ("(oo.handle = 'it''s o.handle')", ()),
    ],
)
def test_columns_of_other_rows_are_found_by_their_alias(text: str, read: tuple[str, ...]):
    assert columns_read([text], "o", ("handle", "Mixed Case")) == read
