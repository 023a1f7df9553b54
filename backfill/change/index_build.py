"""From the catalog to the next statement of an index: dropped if an earlier attempt left it INVALID, built, attached.

On a partitioned table each leaf gets its index concurrently, then each partitioned table gets its own, which is
ONLY its own and INVALID until the indexes of all its partitions are attached: from the bottom up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from backfill.values.identifier import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class TableIndex:
    """One table of the tree and what there is under the name that its index has, or is to have.

    `exists` is whether an index of that name is on that table; `taken_by` says what else has the name. `same` is
    whether its definition is the one that is wanted. `attached` is whether it, or another index, is part of
    the index above. `leftovers` are INVALID indexes that REINDEX CONCURRENTLY has left. `builder` is the process that
    builds it now.
    """

    table: TableName
    parent: TableName | None
    depth: int
    partitioned: bool
    name: str
    exists: bool
    same: bool
    valid: bool
    is_constraint: bool
    attached: bool
    definition: str | None = None
    taken_by: str | None = None
    leftovers: tuple[str, ...] = ()
    builder: int | None = None


class IndexStep(Enum):
    """What is to be done next."""

    REFUSE = "refuse"
    WAIT = "wait"
    DROP = "drop"
    BUILD = "build"
    CREATE_PARENT = "create parent"
    ADD_CONSTRAINT = "add constraint"
    ATTACH = "attach"


@dataclass(frozen=True, slots=True)
class IndexAction:
    """A step, the table that it is about, and the name of the index, or why it is refused."""

    step: IndexStep
    table: TableIndex
    text: str


def next_action(tables: Sequence[TableIndex], *, constraint: bool) -> IndexAction | None:
    """Return what to do next; None if the index is there and valid on every table."""
    for table in tables:
        if refused := refusal(table):
            return IndexAction(IndexStep.REFUSE, table, refused)
    leaves = [table for table in tables if not table.partitioned and not table.attached]
    for table in leaves:
        if action := _of_leaf(table, constraint=constraint):
            return action
    above = sorted((table for table in tables if table.partitioned), key=lambda table: -table.depth)
    for table in above:
        if not table.exists:
            return IndexAction(IndexStep.CREATE_PARENT, table, table.name)
        if constraint and not table.is_constraint:
            why = f"the name '{table.name}' is taken by an index that is not a constraint: {table.definition}"
            return IndexAction(IndexStep.REFUSE, table, why)
        for child in tables:
            if child.parent == table.table and not child.attached:
                return IndexAction(IndexStep.ATTACH, child, table.name)
    return None


def refusal(table: TableIndex) -> str | None:
    """Return why the name cannot be used on this table; None if it can."""
    if table.taken_by is not None:
        return f"the name '{table.name}' is taken by {table.taken_by}"
    if table.exists and not table.same and not table.attached:
        return f"the name '{table.name}' is taken by another index: {table.definition}"
    return None


def _of_leaf(table: TableIndex, *, constraint: bool) -> IndexAction | None:
    if table.leftovers:
        return IndexAction(IndexStep.DROP, table, table.leftovers[0])
    if table.builder is not None:
        return IndexAction(IndexStep.WAIT, table, f"pid {table.builder} builds it")
    if table.exists and not table.valid:
        return IndexAction(IndexStep.DROP, table, table.name)
    if not table.exists:
        return IndexAction(IndexStep.BUILD, table, table.name)
    if constraint and not table.is_constraint:
        return IndexAction(IndexStep.ADD_CONSTRAINT, table, table.name)
    return None
