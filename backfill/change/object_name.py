"""Names of what `finish` makes: the same in each run, so that what an earlier one left is found by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from backfill.values.identifier import BYTES_MAX, TableName

DIGEST = 8


def fit(name: str) -> str:
    """Return the name, its end replaced by a digest of the whole where it is longer than PostgreSQL keeps."""
    if len(name.encode()) <= BYTES_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:DIGEST]
    return name.encode()[: BYTES_MAX - DIGEST - 1].decode(errors="ignore") + f"_{digest}"


def not_null_name(table: TableName, column: str) -> str:
    """Return the name of a column's NOT NULL constraint, as PostgreSQL 18 would call it."""
    return fit(f"{table.name}_{column}_not_null")


def check_name(column: str) -> str:
    """Return the name of the CHECK that is there for a while, before 18; nobody else's has it."""
    return fit(f"backfill_{column}_not_null")


def index_name(table: TableName, columns: Iterable[str], *, unique: bool) -> str:
    """Return the name of an index that has none in the job file, as PostgreSQL would call it."""
    return fit("_".join((table.name, *columns, "key" if unique else "idx")))


def index_name_of_leaf(name: str, table: TableName, leaf: TableName) -> str:
    """Return the name of a partition's part of an index: `users_handle_key` becomes `users_2024_handle_key`."""
    return name if leaf == table else fit(f"{leaf.name}_{name.removeprefix(f'{table.name}_')}")
