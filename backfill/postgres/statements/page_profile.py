"""The look at a window's first pages: how rows fill them, how many are to do, and what an UPDATE adds to one."""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from backfill.postgres.statements.fragments import expression, name_of, range_of, row_of, target_of, verbatim
from backfill.postgres.statements.predicates import RowPredicates


def compose_profile(predicates: RowPredicates, *, stable: bool) -> Composed:
    """Return the statement; it evaluates `set` only if that is `stable` and asks for the row alone.

    A value above 2 kB lies in TOAST, and its row has a pointer of 18 bytes.
    """
    table, due = predicates.table, predicates.partnered()
    size = (
        "CASE WHEN pg_catalog.pg_column_size({one}) OPERATOR(pg_catalog.>) 2000 THEN 18"
        " ELSE coalesce(pg_catalog.pg_column_size({one}), 0) END"
    )
    stored = (SQL(size).format(one=_column(predicates, column.name)) for column in table.columns)
    return SQL(
        "SELECT pg_catalog.count(*) AS rows, pg_catalog.count(*) FILTER (WHERE {due}) AS due,\n"
        "pg_catalog.avg(24 OPERATOR(pg_catalog.+) {stored}) AS row_bytes,\n{grown} AS grown_bytes\n"
        "FROM {target}\nWHERE {range}"
    ).format(
        due=due,
        stored=SQL(" OPERATOR(pg_catalog.+) ").join(stored),
        grown=_grown(predicates, due) if stable and predicates.job.using is None else SQL("NULL::numeric"),
        target=target_of(table),
        range=range_of(table),
    )


def _grown(predicates: RowPredicates, due: Composed) -> Composed:
    """Return by how much rows to do grow; in a row of its own a value is as short as in a table's."""
    types = {column.name: column.type for column in predicates.table.columns}
    size = (
        "least(pg_catalog.pg_column_size(ROW({}::{})), 2000)"
        " OPERATOR(pg_catalog.-) least(pg_catalog.pg_column_size(ROW({})), 2000)"
    )
    pairs = (
        SQL(size).format(
            expression(assignment.expression),
            verbatim(types[assignment.column]),
            _column(predicates, assignment.column),
        )
        for assignment in predicates.job.assignments
    )
    # In parentheses of their own: all operators that are named with their schema bind alike, from the left.
    return SQL("pg_catalog.avg({}) FILTER (WHERE {})").format(
        SQL(" OPERATOR(pg_catalog.+) ").join(SQL("({})").format(pair) for pair in pairs), due
    )


def _column(predicates: RowPredicates, name: str) -> Composed:
    return SQL("{}.{}").format(row_of(predicates.table), name_of(name))
