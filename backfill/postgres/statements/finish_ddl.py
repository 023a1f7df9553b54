"""The DDL of `backfill finish`, one function a form. It has no parameters, so `%` in a name stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.sql import SQL, Composed, Identifier

from backfill.values.identifier import TableName

NOTHING = SQL("").format()


def add_not_null(table: TableName, column: str, name: str) -> Composed:
    """Return the constraint that new rows keep from now on (18 and later); old ones are not read."""
    return SQL("ALTER TABLE {} ADD CONSTRAINT {} NOT NULL {} NOT VALID").format(
        _of(table), Identifier(name), Identifier(column)
    )


def add_check(table: TableName, column: str, name: str) -> Composed:
    """Return the same as a CHECK, for PostgreSQL 14 to 17."""
    return SQL("ALTER TABLE {} ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID").format(
        _of(table), Identifier(name), Identifier(column)
    )


def validate(table: TableName, name: str) -> Composed:
    """Return the read of the table that makes a constraint valid, beside reads and writes."""
    return SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(_of(table), Identifier(name))


def set_not_null(table: TableName, column: str) -> Composed:
    """Return the change of the column, which reads nothing where a valid CHECK says the same."""
    return SQL("ALTER TABLE {} ALTER COLUMN {} SET NOT NULL").format(_of(table), Identifier(column))


def drop_constraint(table: TableName, name: str) -> Composed:
    """Return the end of a constraint."""
    return SQL("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {}").format(_of(table), Identifier(name))


def create_index(table: TableName, columns: Iterable[str], name: str, *, unique: bool, where: str | None) -> Composed:
    """Return the build of an index beside reads and writes."""
    return SQL("CREATE {}INDEX CONCURRENTLY {} ON {} ({}){}").format(
        _unique(unique), Identifier(name), _of(table), _list(columns), _predicate(where)
    )


def create_parent_index(
    table: TableName, columns: Iterable[str], name: str, *, unique: bool, where: str | None
) -> Composed:
    """Return the index of a partitioned table alone, which is INVALID until its partitions' indexes are attached."""
    return SQL("CREATE {}INDEX {} ON ONLY {} ({}){}").format(
        _unique(unique), Identifier(name), _of(table), _list(columns), _predicate(where)
    )


def add_parent_constraint(table: TableName, columns: Iterable[str], name: str) -> Composed:
    """Return the unique constraint of a partitioned table alone, likewise."""
    return SQL("ALTER TABLE ONLY {} ADD CONSTRAINT {} UNIQUE ({})").format(_of(table), Identifier(name), _list(columns))


def add_constraint(table: TableName, name: str) -> Composed:
    """Return the constraint that a unique index of the same name becomes."""
    return SQL("ALTER TABLE {} ADD CONSTRAINT {} UNIQUE USING INDEX {}").format(
        _of(table), Identifier(name), Identifier(name)
    )


def attach(index: TableName, part: TableName) -> Composed:
    """Return the index of a partition as a part of the index above."""
    return SQL("ALTER INDEX {} ATTACH PARTITION {}").format(_of(index), _of(part))


def drop_index(index: TableName) -> Composed:
    """Return the end of an INVALID index beside reads and writes."""
    return SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(_of(index))


def _of(name: TableName) -> Identifier:
    return Identifier(name.schema, name.name)


def _list(columns: Iterable[str]) -> Composed:
    return SQL(", ").join(map(Identifier, columns))


def _unique(unique: bool) -> Composed:
    return SQL("UNIQUE ").format() if unique else NOTHING


def _predicate(where: str | None) -> Composed:
    # In lines of its own, so that a comment in it cannot swallow what follows.
    return NOTHING if where is None else SQL(" WHERE (\n{}\n)").format(SQL(where))
