"""Whether a BEFORE trigger changes a column that an index has: then no update can be HOT, whatever the job sets."""

from __future__ import annotations

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.compose import Statements
from backfill.table.checkpoint import Tid
from backfill.table.definition import Table
from backfill.values.errors import StatementRefused


async def indexes_touched(connection: Connection, job: Job, table: Table, statements: Statements) -> tuple[str, ...]:
    """Return the indexed columns that an UPDATE of one row changed besides those that are set; it is rolled back.

    None if the table has no such trigger, if no row is to do, or if the role may not read these columns.
    """
    if statements.indexed_before is None or statements.indexed_after is None:
        return ()
    found = {"low": str(Tid(0)), "high": str(Tid(table.pages))}
    try:
        with translated(connection):
            async with connection.transaction(force_rollback=True):
                await connection.execute("SET LOCAL transaction_read_only = off")
                cursor = await execute_as_role(connection, statements.indexed_before, found)
                before = await cursor.fetchone()
                if before is None:
                    return ()
                cursor = await execute_as_role(connection, statements.indexed_after, {"tid": before[0]})
                after = await cursor.fetchone()
    except StatementRefused:
        return ()
    if after is None:
        return ()
    assigned = {assignment.column for assignment in job.assignments}
    columns = zip(table.columns_indexed, before[1:], after, strict=True)
    return tuple(column.name for column, old, new in columns if old != new and column.name not in assigned)
