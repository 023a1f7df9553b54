"""Statements that take as long as they take: index builds and validations, which keep no reader or writer waiting.

A short lock_timeout would leave an INVALID index behind. So nothing bounds them but a person; a second connection
reports how far they are and for whom they wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from psycopg.sql import Composed
from psycopg.types.json import Jsonb

from backfill.change.build_progress import BuildProgress
from backfill.change.lock_patience import REPORT_EVERY_S, SLOW_S
from backfill.events.ddl import DdlDone, DdlProgress, DdlWaiting
from backfill.postgres.change.polite_lock import Report, read_blockers
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.bounds import bounds_of
from backfill.postgres.session.connection import Connection, set_settings, translated
from backfill.postgres.session.settings import OURS
from backfill.postgres.session.sql_files import statement
from backfill.values.errors import DatabaseError
from backfill.values.identifier import TableName
from backfill.values.units import format_duration

WATCH_EVERY_S = 1.0
UNBOUNDED = {"statement_timeout": "0", "lock_timeout": "0", "transaction_timeout": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unhurried:
    """One statement, what it is in words, and who is told how far it is."""

    connection: Connection
    side: SideConnection
    job: str
    table: TableName
    what: str
    report: Report
    lock: str = "SHARE UPDATE EXCLUSIVE"

    async def execute(self, text: Composed, *, as_role: bool = False) -> None:
        """Execute it outside a transaction, under our settings or the role's."""
        began_s = time.monotonic()
        watching = asyncio.ensure_future(self._watch(began_s))
        try:
            async with _unbounded(self.connection, as_role=as_role):
                with translated(self.connection):
                    await self.connection.execute(text)
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
        took_s = time.monotonic() - began_s
        first = " ".join(text.as_string(self.connection).split())
        self.report(DdlDone(job=self.job, table=str(self.table), statement=first, took_s=took_s, slow=took_s > SLOW_S))

    async def _watch(self, began_s: float) -> None:
        """Report every few seconds how far it is, and at once for whom it waits."""
        before, reported_s = "", began_s
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            with suppress(DatabaseError):
                event, subject = await self._look(time.monotonic() - began_s)
                now_s = time.monotonic()
                if subject != before or now_s - reported_s >= REPORT_EVERY_S:
                    before, reported_s = subject, now_s
                    self.report(event)

    async def _look(self, waited_s: float) -> tuple[DdlWaiting | DdlProgress, str]:
        """Return what there is to report, and the part of it that is news if it changes."""
        pid = self.connection.server_pid
        blockers = await read_blockers(self.side, pid)
        if blockers:
            blocker = blockers[0]
            waiting = DdlWaiting(
                job=self.job, table=str(self.table), lock=self.lock, blocker=str(blocker), waited_s=waited_s
            )
            return waiting, blocker.transaction
        rows = await self.side.read_rows("change/read_build_progress", {"pid": pid})
        how_far = str(BuildProgress(**rows[0])) if rows else "running"
        phase = str(rows[0]["phase"]) if rows else "running"
        what = f"{self.what}: {how_far}, {format_duration(waited_s)}"
        return DdlProgress(job=self.job, table=str(self.table), what=what), phase


@asynccontextmanager
async def _unbounded(connection: Connection, *, as_role: bool) -> AsyncIterator[None]:
    """Take the bounds off the session, and put them back."""
    bound_s, connection.answer_s = connection.answer_s, None
    await set_settings(connection, UNBOUNDED)
    try:
        if as_role:
            await _change(connection, dict(connection.role_settings))
        yield
    finally:
        connection.answer_s = bound_s
        if not connection.closed:
            await _change(connection, dict(OURS))
            await set_settings(connection, bounds_of())


async def _change(connection: Connection, settings: dict[str, str]) -> None:
    with translated(connection):
        await connection.execute(statement("session/change_settings"), {"settings": Jsonb(settings), "local": False})
