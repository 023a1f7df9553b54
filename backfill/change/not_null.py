"""From the catalog to the next statement of a column that becomes NOT NULL.

Up to PostgreSQL 17: a CHECK that is not valid yet, its validation, then SET NOT NULL, which skips its read of the table
because the CHECK says the same, with the CHECK dropped in the same transaction. From 18 on: a NOT NULL constraint that
is not valid yet, and its validation; `attnotnull` is true before that is done. Partitions are validated first, one by
one: the validation of the parent would lock all of them for as long as it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from backfill.values.identifier import TableName

NATIVE = 180000
"""The first version in which NOT NULL may be not valid yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNullability:
    """One table of the tree and how far its column is. `depth` counts from the job's table down.

    `constraint` is its NOT NULL constraint, from 18 on. `check` is the CHECK of the name that we give: whether it is
    valid, None if there is none. `implied` is whether any valid CHECK says that the column is not null.
    """

    table: TableName
    depth: int
    not_null: bool
    constraint: str | None
    constraint_valid: bool
    check: bool | None
    implied: bool


class NotNullStep(Enum):
    """What is to be done next."""

    ADD = "add"
    VALIDATE = "validate"
    SET = "set"
    DROP_CHECK = "drop check"


@dataclass(frozen=True, slots=True)
class NotNullAction:
    """A step, and the table and constraint that it is about."""

    step: NotNullStep
    table: TableName
    constraint: str


def next_action(tables: Sequence[TableNullability], name: str, *, version: int) -> NotNullAction | None:
    """Return what to do next; None if the column is NOT NULL, and proven. `name` is our constraint's."""
    root = min(tables, key=lambda table: table.depth)
    return _native(tables, root, name) if version >= NATIVE else _by_check(tables, root, name)


def _native(tables: Sequence[TableNullability], root: TableNullability, name: str) -> NotNullAction | None:
    if root.constraint is None:
        return NotNullAction(NotNullStep.ADD, root.table, name)
    left = [table for table in tables if table.constraint is not None and not table.constraint_valid]
    if root.constraint_valid or not left:
        return None
    deepest = max(left, key=lambda table: (table.depth, str(table.table)))
    return NotNullAction(NotNullStep.VALIDATE, deepest.table, deepest.constraint or name)


def _by_check(tables: Sequence[TableNullability], root: TableNullability, name: str) -> NotNullAction | None:
    if root.not_null:
        return NotNullAction(NotNullStep.DROP_CHECK, root.table, name) if root.check is not None else None
    if root.implied:
        return NotNullAction(NotNullStep.SET, root.table, name)
    if root.check is None:
        return NotNullAction(NotNullStep.ADD, root.table, name)
    left = [table for table in tables if table.check is False]
    deepest = max(left, key=lambda table: (table.depth, str(table.table)))
    return NotNullAction(NotNullStep.VALIDATE, deepest.table, name)
