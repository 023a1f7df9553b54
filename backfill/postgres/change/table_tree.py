"""A table with its partitions and children, as DDL meets them: owners, columns, keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from backfill.postgres.session.connection import Connection, dict_rows
from backfill.postgres.session.sql_files import statement
from backfill.values.identifier import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTable:
    """One table; `may_alter` is whether our role has the rights of its owner."""

    oid: int
    name: TableName
    kind: str
    depth: int
    owner: str
    owner_is_superuser: bool
    may_alter: bool
    may_create: bool
    role: str
    pages: int
    columns: tuple[str, ...]
    composite_columns: tuple[str, ...]
    key: tuple[str, ...]
    partitioned_by: tuple[str, ...]


async def read_tree(connection: Connection, table: TableName) -> tuple[TreeTable, ...]:
    """Return the table and all below it, the table first; nothing if it does not exist."""
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("change/read_tree"), {"schema": table.schema, "name": table.name})
        return tuple(_table(row) for row in await cursor.fetchall())


def _table(row: dict[str, Any]) -> TreeTable:
    lists = ("columns", "composite_columns", "key", "partitioned_by")
    values = {name: value for name, value in row.items() if name not in ("schema", *lists)}
    values |= {name: tuple(row[name]) for name in lists}
    return TreeTable(**(values | {"name": TableName(row["schema"], row["name"])}))
