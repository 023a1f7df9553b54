"""Jobs whose state is removed: one that was refused before it changed a row, and one that a person forgets."""

from __future__ import annotations

from backfill.postgres.session.connection import Connection, connect, translated
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.locks import job_holder
from backfill.postgres.state.migrations import lock_step
from backfill.postgres.state.request import keep_on_disk, unknown_job
from backfill.postgres.state.required_rights import TO_FORGET, requires
from backfill.postgres.state.schema import has_state
from backfill.values.errors import LockHeld


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


async def forget_job(dsn: str, job: str) -> None:
    """Remove all that is kept of a job; rows that are filled stay filled.

    Raises LockHeld while a worker has its lock, JobError for an unknown job, Halted if a right is missing.
    """
    async with await connect(dsn, application_name="backfill:forget") as connection:
        with requires(connection, *TO_FORGET):
            known = await has_state(connection)
            async with connection.transaction():
                await keep_on_disk(connection)
                holder = await job_holder(connection, job)
                if holder is not None:
                    raise LockHeld(f"job {job!r} is locked by {holder}; cancel it first: backfill cancel {job}")
                deleted = 0
                if known:
                    deleted = (await connection.execute(statement("state/delete_job"), {"job": job})).rowcount
                if not deleted:
                    raise await unknown_job(connection, job, known=known)
