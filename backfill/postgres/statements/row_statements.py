"""Statements about one row or a few: their key, the values that `set` would give them, whether they still match."""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from backfill.postgres.statements.fragments import (
    NOTHING,
    address_of,
    cast_of,
    expression,
    joined_of,
    key_of,
    name_of,
    object_of,
    row_of,
    target_of,
    verbatim,
)
from backfill.postgres.statements.predicates import RowPredicates
from backfill.table.definition import Table

EQUAL = "OPERATOR(pg_catalog.=)"


def addresses_of(predicates: RowPredicates) -> Composed:
    """Return the condition of the rows at many addresses."""
    return SQL("{}.ctid OPERATOR(pg_catalog.=) ANY ({})").format(row_of(predicates.table), cast_of("tids", "tid[]"))


def lock_rows_of(table: Table) -> Composed:
    """Return what a read of rows ends with that locks them as an UPDATE does."""
    return SQL("\nFOR NO KEY UPDATE OF {}").format(row_of(table))


def compose_key(predicates: RowPredicates) -> Composed:
    """Return the read of a row's key. It has no expression of the job, so it is read under our settings."""
    table = predicates.table
    return SQL("SELECT {}\nFROM {}\nWHERE {}").format(
        key_of(table, row_of(table)), target_of(table), address_of(predicates.table)
    )


def compose_row_lock(predicates: RowPredicates) -> Composed:
    """Return the read of a row's key and of the transaction that has locked it, if any has."""
    table, row = predicates.table, row_of(predicates.table)
    return SQL("SELECT {}, {}.xmax::pg_catalog.text\nFROM {}\nWHERE {}").format(
        key_of(table, row), row, target_of(table), address_of(table)
    )


def compose_values(predicates: RowPredicates) -> Composed:
    """Return the read of what a row would be set to.

    Not as the column's type: what a cast to it would cut off is what the column refuses.
    """
    pairs = tuple((assignment.column, expression(assignment.expression)) for assignment in predicates.job.assignments)
    return SQL("SELECT pg_catalog.left({}, 500)\nFROM {}{}\nWHERE {} AND {}\nLIMIT 1").format(
        object_of(pairs),
        target_of(predicates.table),
        SQL(", {}").format(joined_of(predicates.job.using)) if predicates.job.using else NOTHING,
        address_of(predicates.table),
        predicates.matching(),
    )


def compose_find_rejected(predicates: RowPredicates) -> Composed:
    """Return the read of where a rejected row is now, while it is still to do: by its key if it has one."""
    table, row = predicates.table, row_of(predicates.table)
    which = address_of(predicates.table)
    if table.key:
        # A record of the table's own type reads every type's value as the key's JSON has it.
        kept = SQL("pg_catalog.jsonb_populate_record(NULL::{}, {}) AS kept").format(
            name_of(table.name.schema, table.name.name), cast_of("key", "jsonb")
        )
        operators = table.key_operators or (EQUAL,) * len(table.key)
        which = SQL("\nAND ").join(
            SQL("{row}.{column} {same} (SELECT kept.{column} FROM {kept})").format(
                row=row, column=name_of(column), same=verbatim(same), kept=kept
            )
            for column, same in zip(table.key, operators, strict=True)
        )
    return SQL("SELECT {}.ctid::pg_catalog.text\nFROM {}\nWHERE {} AND {}").format(
        row, target_of(table), which, predicates.partnered()
    )


def compose_still_matching(predicates: RowPredicates) -> Composed:
    """Return the read of which of many rows still match `where`."""
    row = row_of(predicates.table)
    return SQL("SELECT {}.ctid::pg_catalog.text\nFROM {}\nWHERE {} AND {}").format(
        row, target_of(predicates.table), addresses_of(predicates), predicates.left()
    )
