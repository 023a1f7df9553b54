"""The count of a chunk of pages: all its rows, and those of them to do."""

from __future__ import annotations

from psycopg.sql import SQL, Composed

from backfill.postgres.statements.fragments import range_of, target_of
from backfill.postgres.statements.predicates import RowPredicates


def compose_row_sample(predicates: RowPredicates) -> Composed:
    """Return the statement. Two reads, so that `where` is asked as a batch asks it."""
    return SQL(
        "SELECT (SELECT pg_catalog.count(*) FROM {target}\nWHERE {range}) AS rows,\n"
        "(SELECT pg_catalog.count(*) FROM {target}\nWHERE {range} AND {found}) AS due"
    ).format(
        target=target_of(predicates.table),
        range=range_of(predicates.table),
        found=predicates.partnered(),
    )
