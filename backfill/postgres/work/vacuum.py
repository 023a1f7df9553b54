"""Our own VACUUM of the job's table: at most one, on a connection of its own, watched while it runs, never left behind.

It holds ShareUpdateExclusive, which DDL and ANALYZE wait for, and a manual VACUUM gives way to nobody by itself. So a
second connection looks four times a second who waits, and cancels it. When this process dies the server ends the
statement within about a second (`client_connection_check_interval`).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from psycopg.errors import Diagnostic
from psycopg.sql import Composed

from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.connection import Connection, connect, set_settings, translated, worker_name
from backfill.postgres.session.sql_files import statement as statement_of
from backfill.postgres.work.compression import compress
from backfill.retry.sqlstate import CANCELED, LOCK_NOT_AVAILABLE
from backfill.throttle.signals import VacuumResult
from backfill.upkeep.vacuum import reason_to_cancel
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import DatabaseError, Halted, StatementRefused
from backfill.values.redact import foreign

WATCH_EVERY_S = 0.25
SAID_MAX = 100
STOP_MAX_S = 5.0
"""Time for a cancelled VACUUM to end; then its connection is given up."""

_REMOVED = re.compile(r"had (\d+) dead item identifiers removed|removed (\d+) dead item identifiers")
_HELD = re.compile(r"(\d+) (?:are dead but not yet removable|dead row versions cannot be removed yet)")
_WAL = re.compile(r"WAL usage: .* (\d+) bytes")


@dataclass(slots=True)
class _Said:
    """What VACUUM (VERBOSE) said: its last lines and its first warnings, as an index's function may say any number.

    Nothing is known if the server speaks another language and the role is not a superuser.
    """

    info: deque[str] = field(default_factory=lambda: deque(maxlen=SAID_MAX))
    warnings: list[tuple[str | None, str]] = field(default_factory=list)

    def hear(self, diag: Diagnostic) -> None:
        if diag.severity_nonlocalized != "WARNING":
            self.info.append(foreign(f"{diag.message_primary}\n{diag.message_detail or ''}"))
        elif len(self.warnings) < SAID_MAX:
            self.warnings.append((diag.sqlstate, foreign(diag.message_primary or "a warning")))

    def sum_of(self, pattern: re.Pattern[str]) -> int | None:
        """Return the sum of a figure over the table and its TOAST table, None if the server did not report it."""
        found = [int(next(filter(None, match.groups()))) for text in self.info for match in pattern.finditer(text)]
        return sum(found) if found else None


class Vacuum:
    """The VACUUM of one job, or none. Native tasks, so that each is cancelled once."""

    def __init__(self, dsn: str, job: str) -> None:
        self._dsn = dsn
        self._name = worker_name(f"vacuum:{job}")
        self._asking = SideConnection(dsn, standby=False)
        self._task: asyncio.Task[VacuumResult] | None = None
        self._connection: Connection | None = None
        self._cancelling = asyncio.Lock()
        self._ended: VacuumResult | None = None
        self._stopped: str | None = None
        self._tended_s = 0.0

    @property
    def pid(self) -> int:
        """The server process of the one that runs, 0 for none."""
        return 0 if self._connection is None else self._connection.server_pid

    def start(self, statement: Composed, cost: VacuumCost, compression: str | None = None) -> None:
        """Begin one, its full-page images compressed as those of the batches are; there must be none."""
        assert self._task is None, "a vacuum runs already"
        self._stopped, self._ended, self._tended_s = None, None, time.monotonic()
        self._task = asyncio.create_task(self._run(statement, cost, compression))

    def tend(self) -> VacuumResult | None:
        """Say that somebody still looks; return how the last one ended, None while one runs or before."""
        self._tended_s = time.monotonic()
        if self._task is not None and self._task.done():
            self._ended, self._task = self._task.result(), None
        return self._ended

    async def stop(self, why: str) -> VacuumResult | None:
        """Cancel the one that runs, within `STOP_MAX_S`; return how the last one ended."""
        task = self._task
        if task is None:
            return self._ended
        self._stopped = self._stopped or why
        deadline_s = time.monotonic() + STOP_MAX_S
        while not task.done() and time.monotonic() < deadline_s:
            await self._cancel()
            await asyncio.wait([task], timeout=WATCH_EVERY_S)
        if not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=STOP_MAX_S)
        if self._task is task:  # nobody else has stopped it meanwhile
            ended = task.done() and not task.cancelled()
            self._ended, self._task = (
                task.result() if ended else VacuumResult(took_s=STOP_MAX_S, stopped=self._stopped),
                None,
            )
        return self._ended

    async def close(self) -> None:
        """Leave none behind."""
        try:
            await self.stop("the session ends")
        finally:
            await self._asking.close()

    async def _run(self, statement: Composed, cost: VacuumCost, compression: str | None) -> VacuumResult:
        began_s, said = time.monotonic(), _Said()
        stopped = failed = None
        try:
            await self._vacuum(statement, cost, compression, said)
            for sqlstate, message in said.warnings[:1]:
                stopped, failed = (message, None) if sqlstate == LOCK_NOT_AVAILABLE else (None, message)
        except StatementRefused as error:
            if error.sqlstate == CANCELED:
                stopped = self._stopped or "somebody cancelled it"
            else:
                failed = str(error)
        except DatabaseError as error:
            failed = str(error)
        return VacuumResult(
            took_s=time.monotonic() - began_s,
            removed=said.sum_of(_REMOVED),
            held=said.sum_of(_HELD),
            wal_bytes=said.sum_of(_WAL),
            stopped=stopped,
            failed=failed,
        )

    async def _vacuum(self, statement: Composed, cost: VacuumCost, compression: str | None, said: _Said) -> None:
        self._connection = connection = await connect(self._dsn, application_name=self._name)
        watching = None
        try:
            connection.add_notice_handler(said.hear)
            with translated(connection):
                await set_settings(connection, _settings(cost))
                await connection.execute(statement_of("work/take_plain_messages"))
                await compress(connection, compression, local=False)
                connection.answer_s = None  # a vacuum takes what it takes
                watching = asyncio.create_task(self._watch(connection.server_pid))
                await connection.execute(statement)
        finally:
            self._connection = None
            if watching is not None:
                async with self._cancelling:  # a request that is given up half way is the end of PgBouncer 1.18
                    watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
            await connection.close()

    async def _watch(self, pid: int) -> None:
        """Look who waits, and cancel until it is over."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            waiting = None
            with suppress(DatabaseError, Halted):
                waiting = await self._asking.read_waiting(pid)
            stop = reason_to_cancel(waiting, time.monotonic() - self._tended_s)
            if stop is not None or self._stopped is not None:
                self._stopped = self._stopped or (stop.reason if stop else None)
                await self._cancel()

    async def _cancel(self) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(DatabaseError), translated():
                async with self._cancelling:
                    await connection.cancel_safe(timeout=STOP_MAX_S)


def _settings(cost: VacuumCost) -> dict[str, str]:
    """Return the settings of our VACUUM: our costs whatever the server's are, no timeout, no old rows to freeze."""
    return {
        "statement_timeout": "0",
        "transaction_timeout": "0",
        "client_min_messages": "warning",  # a table that is locked is skipped with a warning
        "lock_timeout": "1s",
        "vacuum_cost_delay": f"{cost.delay_ms}ms",
        "vacuum_cost_limit": str(cost.limit),
        "vacuum_cost_page_hit": "1",
        "vacuum_cost_page_miss": "2",
        "vacuum_cost_page_dirty": "20",
        "vacuum_freeze_table_age": "2000000000",
        "vacuum_multixact_freeze_table_age": "2000000000",
        "vacuum_max_eager_freeze_failure_rate": "0",
    }
