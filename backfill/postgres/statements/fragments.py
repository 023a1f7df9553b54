"""The pieces that statements are made of: names, a job's expressions, the tables as a statement reads them.

A job's expressions are SQL by contract and stand between line breaks inside parentheses, so that a comment in them
cannot swallow ours. Everything else is an identifier or a parameter. `%` is doubled in all of it, because all our
statements have parameters.

A statement with an expression of the job runs under the role's own search_path. So every function, operator and type
of ours is named with its schema: a look-alike in a schema of that path must not stand in for it.
"""

from __future__ import annotations

from typing import Protocol

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal, Placeholder

from backfill.table.definition import Table
from backfill.values.identifier import TableName

NOTHING = SQL("").format()
PAIRS_MAX = 50


class JoinedTable(Protocol):
    """A table that is read for each row, and what expressions call it."""

    @property
    def table(self) -> TableName:
        """Its name."""

    @property
    def alias(self) -> str | None:
        """Another name for it in the expressions."""


def expression(text: str) -> Composed:
    """Return a job's expression in parentheses of its own lines."""
    return SQL("(\n{}\n)").format(verbatim(text))


def verbatim(text: str) -> SQL:
    """Return text that is SQL already."""
    return SQL(text.replace("%", "%%"))


def name_of(*parts: str) -> Identifier:
    """Return a quoted identifier."""
    return Identifier(*(part.replace("%", "%%") for part in parts))


def alone_of(table: Table) -> Composed:
    """Return the table alone, without tables that inherit from it."""
    return SQL("ONLY {}").format(name_of(table.name.schema, table.name.name))


def target_of(table: Table) -> Composed:
    """Return the table alone, under the name that expressions call it."""
    alias = SQL(" AS {}").format(name_of(table.alias)) if table.alias else NOTHING
    return SQL("{}{}").format(alone_of(table), alias)


def row_of(table: Table) -> Identifier:
    """Return what expressions call a row of the table."""
    return name_of(table.alias or table.name.name)


def joined_of(joined: JoinedTable) -> Composed:
    """Return the joined table, under the name that expressions call it, with whatever inherits from it."""
    alias = SQL(" AS {}").format(name_of(joined.alias)) if joined.alias else NOTHING
    return SQL("{}{}").format(name_of(joined.table.schema, joined.table.name), alias)


def cast_of(parameter: str, kind: str) -> Composed:
    """Return a parameter, read as one of the server's own types."""
    return SQL("{}::pg_catalog.{}").format(Placeholder(parameter), verbatim(kind))


def address_of(table: Table) -> Composed:
    """Return the condition of the row at one address."""
    return SQL("{}.ctid OPERATOR(pg_catalog.=) {}").format(row_of(table), cast_of("tid", "tid"))


def range_of(table: Table) -> Composed:
    """Return the condition of a range of row addresses: a Tid Range Scan since PostgreSQL 14, in generic plans too."""
    return SQL("{row}.ctid OPERATOR(pg_catalog.>=) {low} AND {row}.ctid OPERATOR(pg_catalog.<) {high}").format(
        row=row_of(table), low=cast_of("low", "tid"), high=cast_of("high", "tid")
    )


def residue_of(table: Table) -> Composed:
    """Return a row's line pointer modulo 64: the last byte of its address as PostgreSQL sends it."""
    return SQL("pg_catalog.get_byte(pg_catalog.tidsend({}.ctid), 5) OPERATOR(pg_catalog.&) 63").format(row_of(table))


def key_of(table: Table, row: Identifier) -> Composed:
    """Return a row's primary key as text, or its address where the table has none."""
    if not table.key:
        return SQL("{}.ctid::pg_catalog.text").format(row)
    return columns_of(table.key, row)


def columns_of(columns: tuple[str, ...], row: Identifier) -> Composed:
    """Return columns of a row as a JSON object's text."""
    return object_of(tuple((column, SQL("{}.{}").format(row, name_of(column))) for column in columns))


def object_of(pairs: tuple[tuple[str, Composable], ...]) -> Composed:
    """Return names and values as a JSON object's text, however many: a function takes 100 arguments."""
    parts = (pairs[start : start + PAIRS_MAX] for start in range(0, len(pairs), PAIRS_MAX))
    objects = (
        SQL("pg_catalog.jsonb_build_object({})").format(
            SQL(", ").join(SQL("{}, {}").format(Literal(name.replace("%", "%%")), value) for name, value in part)
        )
        for part in parts
    )
    return SQL("({})::pg_catalog.text").format(SQL(" OPERATOR(pg_catalog.||) ").join(objects))
