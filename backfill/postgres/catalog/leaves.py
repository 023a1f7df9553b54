"""The leaves of a job's table as the catalog lists them, or the sentence that says why one of them cannot be filled.

A table without partitions and children is its own only leaf. The server checks the rights on the table that a
statement names, and ours name the leaves: a role needs them on each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from backfill.jobfile.load import JobFile
from backfill.postgres.catalog.publications import check_publications
from backfill.postgres.catalog.table import missing, why_not
from backfill.postgres.catalog.update_effects import check_effects
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.table.definition import TableIdentity
from backfill.values.errors import JobError, LeafDropped
from backfill.values.identifier import TableName, quote


@dataclass(frozen=True, slots=True)
class CatalogLeaf:
    """One leaf. `differs` is whether it has rules, columns that the job's table has not, or sets one of them itself."""

    name: TableName
    identity: TableIdentity
    pages: int
    rows_estimated: int
    differs: bool


async def read_leaves(connection: Connection, job_file: JobFile, role: str) -> tuple[CatalogLeaf, ...]:
    """Return the tables that hold the job's rows; raise JobError where one of them cannot be filled."""
    job = job_file.job
    parameters = {
        "schema": job.table.schema,
        "name": job.table.name,
        "columns": [assignment.column for assignment in job.assignments],
    }
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("catalog/read_leaves"), parameters)
            rows = await cursor.fetchall()
    if not rows:
        raise JobError(f"{job_file.at('table')}: {await missing(connection, job.table, 'rp')}")
    for row in rows:
        _check(job_file, row, role)
    await check_publications(connection, job_file, [row["oid"] for row in rows])
    await check_effects(connection, job_file)
    return tuple(_listed(row) for row in rows if row["kind"] != "p")


async def check_leaf(connection: Connection, root: TableName, leaf: TableName) -> None:
    """Raise LeafGone where a table is no leaf any more."""
    with translated(connection):
        cursor = await connection.execute(statement("catalog/read_is_leaf"), {"root": str(root), "leaf": str(leaf)})
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"
    exists, is_leaf = row
    if not is_leaf:
        what = f"was detached from '{root}'" if exists else "was dropped or renamed"
        raise LeafDropped(f"table '{leaf}' {what}")


def _listed(row: dict[str, Any]) -> CatalogLeaf:
    return CatalogLeaf(
        name=TableName(row["schema"], row["name"]),
        identity=TableIdentity(row["oid"], row["filenode"], row["system_identifier"]),
        pages=row["pages"],
        rows_estimated=row["rows_estimated"],
        differs=row["differs"] and not row["is_root"],
    )


def _check(job_file: JobFile, row: dict[str, Any], role: str) -> None:
    root, name = job_file.job.table, TableName(row["schema"], row["name"])
    if row["partitioned_by"]:
        [column, *_] = row["partitioned_by"]
        raise JobError(
            f"{job_file.at('set', column, 'column')}: column '{column}' is in the partition key of '{name}': rows would"
            " move between partitions while these are gone through; name one partition, or another column"
        )
    if row["is_root"] or row["kind"] == "p":  # catalog.read_table has more to say of one, and no batch names the other
        return
    why = why_not(name, row, role, [assignment.column for assignment in job_file.job.assignments])
    if why is None and row["not_updatable"]:
        columns = ", ".join(map(quote, row["not_updatable"]))
        why = f"may not be updated by role {role!r}; run: GRANT UPDATE ({columns}) ON {name} TO {quote(role)};"
    if why:
        raise JobError(f"{job_file.at('table')}: leaf '{name}' of table '{root}' {why}")
