"""A job that was refused before it changed a row: nothing of it is left."""

from __future__ import annotations

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.migrations import lock_step


async def withdraw_job(connection: Connection, job: str, *, with_schema: bool) -> None:
    """Delete what was written of a job that changed no row; `with_schema`: the state schema too if nobody else uses it.

    The lock of migrations keeps others from beginning to use the schema meanwhile.
    """
    with translated(connection):
        async with connection.transaction():
            await connection.execute(lock_step().encode())
            await connection.execute(statement("state/delete_job"), {"job": job})
            if not with_schema:
                return
            cursor = await connection.execute(statement("state/read_state_users"), {})
            if await cursor.fetchone() == (False,):
                await connection.execute("DROP SCHEMA backfill CASCADE")
