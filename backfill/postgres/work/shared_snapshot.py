"""One snapshot for several transactions: a session of its own holds it, and locks no table meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg.sql import SQL, Composed, Literal

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection, connect, translated, untimed, worker_name
from backfill.postgres.session.lock_release import IDLE_S
from backfill.postgres.session.sql_files import statement


@dataclass(frozen=True, slots=True)
class SharedSnapshot:
    """A snapshot by its name, and the pages that the table had then: no row that it sees is behind them."""

    holder: Connection
    name: str
    pages: int

    @property
    def adopt(self) -> Composed:
        """The statement that gives a transaction this snapshot; it must be the first one."""
        return SQL("SET TRANSACTION SNAPSHOT {}").format(Literal(self.name))

    async def keep(self) -> None:
        """Show the server that we live: it ends this transaction if it hears nothing for the time of a statement."""
        with translated(self.holder):
            await self.holder.execute("SELECT 1")


@asynccontextmanager
async def shared_snapshot(dsn: str, job: Job, table_oid: int) -> AsyncIterator[SharedSnapshot]:
    """Take a snapshot and hold it to the end of the block."""
    idle_s = job.statement_timeout_s + job.lock_timeout_s + IDLE_S
    async with await connect(dsn, application_name=worker_name(f"snapshot:{job.name}"), job=job) as holder:
        with translated(holder):
            async with holder.transaction(force_rollback=True), untimed(holder):
                await holder.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                parameters = {"table_oid": table_oid, "idle": f"{round(idle_s * 1000)}ms"}
                cursor = await holder.execute(statement("work/export_snapshot"), parameters)
                row = await cursor.fetchone()
                assert row is not None, "a select without FROM has one row"
                yield SharedSnapshot(holder, row[0], row[1])
