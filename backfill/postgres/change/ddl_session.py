"""The session of `finish`: its connection, a second one to look with, and the two ways in which it executes DDL."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from psycopg.sql import Composed

from backfill.change.lock_mode import LockMode
from backfill.events.ddl import DdlProgress
from backfill.postgres.change.finish_state import save_step
from backfill.postgres.change.polite_lock import Report, Sleep, take_politely
from backfill.postgres.change.unhurried import Unhurried
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.connection import Connection, translated
from backfill.values.errors import DatabaseError, StatementRefused
from backfill.values.identifier import TableName

CANCEL_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DdlSession:
    """What an operation needs; `sleep` raises Stopped after a signal."""

    connection: Connection
    side: SideConnection
    job: str
    report: Report
    sleep: Sleep

    async def politely(self, *statements: Composed, table: TableName, lock: LockMode, as_role: bool = False) -> None:
        """Execute statements that need a strong lock for a moment, in one transaction."""
        await take_politely(
            self.connection,
            statements,
            table=table,
            lock=lock,
            job=self.job,
            side=self.side,
            report=self.report,
            as_role=as_role,
            sleep=self.sleep,
        )

    async def unhurried(self, text: Composed, *, table: TableName, what: str, as_role: bool = False) -> None:
        """Execute one that takes as long as it takes; a signal cancels it."""
        running = Unhurried(
            connection=self.connection, side=self.side, job=self.job, table=table, what=what, report=self.report
        )
        try:
            await running.execute(text, as_role=as_role)
        except StatementRefused:
            await self.sleep(0)
            raise

    async def record(self, step: str, what: str, *, done: bool) -> None:
        """Save that a step begins or is done."""
        await save_step(self.connection, self.job, step, what, done=done)

    def say(self, table: TableName, what: str) -> None:
        """Report how far finish is."""
        self.report(DdlProgress(job=self.job, table=str(table), what=what))

    async def interrupt(self) -> None:
        """Cancel the statement that runs now; the next run goes on behind what is committed."""
        with suppress(DatabaseError), translated():
            await self.connection.cancel_safe(timeout=CANCEL_S)

    async def cancel(self) -> None:
        """Do the same."""
        await self.interrupt()
