"""Publications that would make the server refuse every UPDATE of a table: no replica identity, or one too narrow.

The rules differ by version, so the server itself is asked, by an EXPLAIN of an UPDATE of no row, for each table that a
publication sends updates of.
"""

from __future__ import annotations

from collections.abc import Iterable

import psycopg
from psycopg.rows import dict_row

from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.publication_check import explain_no_update
from backfill.values.errors import JobError
from backfill.values.identifier import TableName

NO_IDENTITY = "55000"


async def check_publications(connection: Connection, job_file: JobFile, oids: Iterable[int]) -> None:
    """Raise JobError at the first of these tables that cannot be updated as it is published."""
    job = job_file.job
    with translated(connection):
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(statement("catalog/read_published"), {"oids": list(oids)})
            rows = await cursor.fetchall()
    columns = [assignment.column for assignment in job.assignments]
    for row in rows:
        table = TableName(row["schema"], row["name"])
        if refusal := await _refusal(connection, table, columns):
            raise JobError(
                f"{job_file.at('table')}: table '{table}' cannot be updated while it is published by"
                f" {row['publications']}: {refusal}"
            )


async def _refusal(connection: Connection, table: TableName, columns: list[str]) -> str | None:
    """Return what the server says against an UPDATE of a published table, with the way out; None if it takes one."""
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute("SET LOCAL transaction_read_only = off")  # EXPLAIN of an UPDATE asks for it
            await connection.execute(explain_no_update(table, columns))
    except psycopg.errors.ObjectNotInPrerequisiteState as error:  # no replica identity
        return f"{error.diag.message_primary}; add a primary key, or run: ALTER TABLE {table} REPLICA IDENTITY FULL;"
    except psycopg.errors.InvalidColumnReference as error:  # a filter or a column list does not fit it
        said = error.diag.message_detail or error.diag.message_primary
        return f"{said} Change the publication, or the replica identity of the table."
    except psycopg.Error:  # no matter of publications: the checks of expressions will say so
        return None
    return None
