"""The DDL of `backfill finish` as `plan` prints it: each statement under a line that says what it is for."""

from __future__ import annotations

from collections.abc import Iterator

from psycopg.sql import Composed

from backfill.change.not_null import NATIVE
from backfill.change.object_name import check_name, index_name, index_name_of_leaf, not_null_name
from backfill.jobfile.finish import Finish, FinishIndex
from backfill.postgres.statements import finish_ddl
from backfill.values.identifier import TableName

Titled = tuple[str, Composed]


def titled_finish(finish: Finish | None, table: TableName, version: int, leaf: TableName) -> Iterator[Titled]:
    """Yield the statements in their order; `leaf` stands for all partitions, and is the table itself without any."""
    for column in finish.not_null if finish else ():
        yield from _not_null(table, column, version, leaf)
    for index in finish.indexes if finish else ():
        yield from _index(index, table, leaf)


def _not_null(table: TableName, column: str, version: int, leaf: TableName) -> Iterator[Titled]:
    native = version >= NATIVE
    name = not_null_name(table, column) if native else check_name(column)
    add = finish_ddl.add_not_null if native else finish_ddl.add_check
    yield f"finish: new rows may not have a NULL in {column} (a lock for a moment)", add(table, column, name)
    yield "finish: read the rows that are there, beside reads and writes", finish_ddl.validate(leaf, name)
    if leaf != table:
        yield "finish: the same of the partitioned table, when all partitions are", finish_ddl.validate(table, name)
    if not native:
        title = "finish: {} is NOT NULL; reads nothing (a lock for a moment, one transaction with the next)"
        yield title.format(column), finish_ddl.set_not_null(table, column)
        yield "finish: the CHECK is not needed any longer", finish_ddl.drop_constraint(table, name)


def _index(index: FinishIndex, table: TableName, leaf: TableName) -> Iterator[Titled]:
    name = index.name or index_name(table, index.columns, unique=index.unique)
    part = index_name_of_leaf(name, table, leaf)
    build = finish_ddl.create_index(leaf, index.columns, part, unique=index.unique, where=index.where)
    yield "finish: build the index beside reads and writes", build
    if index.constraint:
        yield "finish: it becomes a constraint (a lock for a moment)", finish_ddl.add_constraint(leaf, part)
    if leaf == table:
        return
    if index.constraint:
        above = finish_ddl.add_parent_constraint(table, index.columns, name)
    else:
        above = finish_ddl.create_parent_index(table, index.columns, name, unique=index.unique, where=index.where)
    yield "finish: the index of the partitioned table, of no partition yet (a lock for a moment)", above
    attach = finish_ddl.attach(TableName(table.schema, name), TableName(leaf.schema, part))
    yield "finish: the index of a partition becomes a part of it", attach
