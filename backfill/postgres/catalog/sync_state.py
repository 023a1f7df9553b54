"""The trigger of `sync: trigger` on one table, as a proof needs to know it."""

from __future__ import annotations

from psycopg.rows import class_row

from backfill.change.sync_trigger import SyncState, function_name
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement


async def read_sync_state(connection: Connection, job: str, table_oid: int) -> SyncState | None:
    """Return how the job's trigger on a table stands; None if there is none."""
    parameters = {"job": job, "function": function_name(job), "table_oid": table_oid}
    with translated(connection):
        async with connection.cursor(row_factory=class_row(SyncState)) as cursor:
            await cursor.execute(statement("catalog/read_sync_state"), parameters)
            return await cursor.fetchone()
