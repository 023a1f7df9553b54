"""An UPDATE of no row, for what the server checks before it looks at rows."""

from __future__ import annotations

from collections.abc import Iterable

from psycopg.sql import SQL, Composed, Identifier

from backfill.values.identifier import TableName


def explain_no_update(table: TableName, columns: Iterable[str]) -> Composed:
    """Return an EXPLAIN of an UPDATE of these columns that finds no row; DEFAULT is what every column takes."""
    assigned = SQL(", ").join(SQL("{} = DEFAULT").format(Identifier(column)) for column in columns)
    return SQL("EXPLAIN UPDATE ONLY {} SET {} WHERE false").format(Identifier(table.schema, table.name), assigned)
