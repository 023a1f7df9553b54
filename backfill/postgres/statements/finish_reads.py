"""What `finish` reads of the rows before it changes anything: NULLs by page ranges, and keys that occur twice."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.sql import SQL, Composed

from backfill.postgres.statements.fragments import expression, name_of, object_of
from backfill.values.identifier import TableName

DUPLICATES_SHOWN = 5


def count_nulls(table: TableName, columns: Sequence[str], key: Sequence[str]) -> Composed:
    """Return the NULLs of each column in a range of pages, and the key of one of them, in the order of the columns."""
    parts = [
        SQL(
            "pg_catalog.count(*) FILTER (WHERE {column} IS NOT DISTINCT FROM NULL),\n"
            "pg_catalog.min({key}) FILTER (WHERE {column} IS NOT DISTINCT FROM NULL)"
        ).format(column=name_of(column), key=_key_of(key))
        for column in columns
    ]
    return SQL("SELECT {}\nFROM ONLY {}\nWHERE ctid >= %(low)s::tid AND ctid < %(high)s::tid").format(
        SQL(",\n").join(parts), name_of(table.schema, table.name)
    )


def find_duplicates(table: TableName, columns: Sequence[str], where: str | None) -> Composed:
    """Return a few keys that several rows have, and how many; NULLs are never equal."""
    conditions = [SQL("{} IS NOT NULL").format(name_of(column)) for column in columns]
    conditions += [expression(where)] if where is not None else []
    grouped = SQL(", ").join(map(name_of, columns))
    return SQL(
        "SELECT {}, pg_catalog.count(*)\nFROM {}\nWHERE {}\nGROUP BY {}\n"
        "HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1\nLIMIT {}"
    ).format(
        object_of(tuple((column, name_of(column)) for column in columns)),
        name_of(table.schema, table.name),
        SQL(" AND ").join(conditions),
        grouped,
        SQL(str(DUPLICATES_SHOWN + 1)),
    )


def _key_of(key: Sequence[str]) -> Composed:
    if not key:
        return SQL("ctid::text").format()
    return object_of(tuple((column, name_of(column)) for column in key))
