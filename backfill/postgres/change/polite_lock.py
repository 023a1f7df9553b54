"""DDL that keeps nobody waiting: it looks who is in the way, waits for them, tries briefly, and tries again.

A try is one message: settings and statements are one transaction, so a worker that is frozen holds nothing. Who blocks
a try is read by a second connection while it waits: afterwards they may be gone.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import anyio
from psycopg.sql import Composed
from psycopg.types.json import Jsonb

from backfill.change.blocker import Blocker
from backfill.change.lock_mode import LockMode
from backfill.change.lock_patience import (
    BACKOFF_MAX_S,
    GIVE_UP_S,
    LOCK_TIMEOUT_S,
    LOOK_EVERY_S,
    REPORT_EVERY_S,
    SLOW_S,
    Patience,
    after_failure,
    holder_to_wait_for,
    is_retried,
    pause_s,
)
from backfill.events.ddl import DdlDone, DdlLockFailed, DdlWaiting
from backfill.events.event import Event
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import take_role_settings
from backfill.postgres.session.sql_files import statement
from backfill.values.errors import DatabaseError, StatementRefused
from backfill.values.identifier import TableName
from backfill.values.units import format_duration

Report = Callable[[Event], None]
Sleep = Callable[[float], Awaitable[None]]
BLIND_MAX_S = 60.0
"""How long nobody may be able to look who holds the lock."""
UNKNOWN = "a session that has just ended"


async def take_politely(
    connection: Connection,
    statements: Sequence[Composed],
    *,
    table: TableName,
    lock: LockMode,
    job: str,
    side: SideConnection,
    report: Report,
    as_role: bool = False,
    sleep: Sleep = anyio.sleep,
    jitter: Callable[[], float] = random.random,
    give_up_s: float = GIVE_UP_S,
) -> None:
    """Execute statements that take this lock on a table, in one transaction, without keeping others waiting.

    They run under our settings, or the role's (`as_role`); `side` looks who is in the way. Raises DatabaseError if the
    lock was not available for `give_up_s`, StatementRefused for any other failure; then nothing was done.
    """
    await _PoliteLock(
        connection=connection,
        statements=statements,
        table=table,
        lock=lock,
        job=job,
        side=side,
        report=report,
        as_role=as_role,
        sleep=sleep,
        jitter=jitter,
        give_up_s=give_up_s,
    ).take()


async def read_blockers(side: SideConnection, pid: int) -> tuple[Blocker, ...]:
    """Return whom a session waits for at this moment."""
    return tuple(Blocker(**row) for row in await side.read_rows("change/read_blockers", {"pid": pid}))


@dataclass(slots=True, kw_only=True)
class _PoliteLock:
    """One lock on its way: what it is for, who is told, and what was seen so far."""

    connection: Connection
    statements: Sequence[Composed]
    table: TableName
    lock: LockMode
    job: str
    side: SideConnection
    report: Report
    as_role: bool
    sleep: Sleep
    jitter: Callable[[], float]
    give_up_s: float
    _began_s: float = field(default_factory=time.monotonic)
    _blocker: str = UNKNOWN
    _reported: tuple[str, float] = ("", 0.0)

    async def take(self) -> None:
        """Look, wait and try until the statements are committed."""
        patience, seen = Patience(), frozenset[str]()
        while True:
            holders = await self._look()
            holder = holder_to_wait_for(holders, seen)
            seen = frozenset(blocker.transaction for blocker in holders)
            if holder is not None:
                self._report_waiting(holder)
                delay_s = LOOK_EVERY_S
            else:
                failed = await self._try(patience)
                if failed is None:
                    return
                patience, delay_s = failed, pause_s(failed.failures, self.jitter())
                self._report_failure(failed, delay_s)
            if self._waited_s > self.give_up_s:
                raise DatabaseError(
                    f"{self.lock} on {self.table} was not available for {format_duration(self._waited_s)}:"
                    f" {self._blocker}; end that transaction, then run again"
                )
            await self.sleep(delay_s)

    @property
    def _waited_s(self) -> float:
        return time.monotonic() - self._began_s

    async def _look(self) -> tuple[Blocker, ...]:
        """Return who holds a conflicting lock; try again for a while if nobody can look."""
        modes = [mode.server_name for mode in self.lock.conflicts]
        parameters = {
            "schema": self.table.schema,
            "name": self.table.name,
            "modes": modes,
            "pid": self.connection.server_pid,
        }
        blind_s = time.monotonic()
        while True:
            try:
                return tuple(
                    Blocker(**row) for row in await self.side.read_rows("change/read_lock_holders", parameters)
                )
            except DatabaseError:
                if time.monotonic() - blind_s > BLIND_MAX_S:
                    raise
                await self.sleep(LOOK_EVERY_S)

    async def _try(self, patience: Patience) -> Patience | None:
        """Try once; return how it stands after a failure that is worth another try, None if it is done."""
        watching = asyncio.ensure_future(self._watch())
        began_s = time.monotonic()
        try:
            await self._execute(patience.statement_s)
        except StatementRefused as error:
            took_s = time.monotonic() - began_s
            if not is_retried(error.sqlstate, took_s=took_s, statement_s=patience.statement_s):
                raise
            blockers = _result(watching)
            self._blocker = str(blockers[0]) if blockers else UNKNOWN
            return after_failure(patience, error.sqlstate, blocked=bool(blockers))
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError, DatabaseError):
                await watching
        took_s = time.monotonic() - began_s
        lines = [text.as_string(self.connection).partition("\n")[0] for text in self.statements]
        done = "; ".join(line for line in lines if not line.startswith("--"))  # what is said of the state is no DDL
        self.report(DdlDone(job=self.job, table=str(self.table), statement=done, took_s=took_s, slow=took_s > SLOW_S))
        return None

    async def _execute(self, statement_s: float) -> None:
        bounds = {"lock_timeout": f"{LOCK_TIMEOUT_S * 1000:.0f}ms", "statement_timeout": f"{statement_s * 1000:.0f}ms"}
        with translated(self.connection):
            # Without a transaction the pipeline is one, and its end is the commit.
            async with self.connection.pipeline():
                await self.connection.execute(
                    statement("session/change_settings"), {"settings": Jsonb(bounds), "local": True}
                )
                if self.as_role:
                    await take_role_settings(self.connection)
                for text in self.statements:
                    await self.connection.execute(text)

    async def _watch(self) -> tuple[Blocker, ...]:
        """Return who blocks the try, as soon as somebody does."""
        found: tuple[Blocker, ...] = ()
        while not found:
            await asyncio.sleep(LOCK_TIMEOUT_S / 4)
            with suppress(DatabaseError):
                found = await read_blockers(self.side, self.connection.server_pid)
        return found

    def _report_waiting(self, holder: Blocker) -> None:
        """Report whom we wait for: at once if it is another one, else every few seconds."""
        self._blocker = str(holder)
        transaction, reported_s = self._reported
        if transaction == holder.transaction and self._waited_s - reported_s < REPORT_EVERY_S:
            return
        self._reported = (holder.transaction, self._waited_s)
        self.report(
            DdlWaiting(
                job=self.job, table=str(self.table), lock=self.lock, blocker=str(holder), waited_s=self._waited_s
            )
        )

    def _report_failure(self, patience: Patience, delay_s: float) -> None:
        self.report(
            DdlLockFailed(
                job=self.job,
                table=str(self.table),
                lock=self.lock,
                blocker=self._blocker,
                failures=patience.failures,
                delay_s=min(delay_s, BACKOFF_MAX_S),
                loud=patience.loud,
            )
        )


def _result(watching: asyncio.Future[tuple[Blocker, ...]]) -> tuple[Blocker, ...]:
    """Return what was seen before the try ended; nothing if nobody was in the way, or nobody could look."""
    seen = watching.done() and not watching.cancelled() and watching.exception() is None
    return watching.result() if seen else ()
