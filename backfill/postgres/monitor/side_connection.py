"""A connection for questions: to a replica for its position, to the primary for a number; reopened after failures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL

from backfill.postgres.session.connection import Connection, connect, set_settings, translated
from backfill.postgres.session.conninfo import parse_conninfo
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.fragments import expression
from backfill.throttle.signals import Replica
from backfill.values.errors import ConnectionLost, DatabaseError

T = TypeVar("T")

TIMEOUT_S = 3.0
"""Time limit of a question."""
_SETTINGS = {"default_transaction_read_only": "on", "statement_timeout": f"{TIMEOUT_S:.0f}s"}


def replica_name(dsn: str) -> str:
    """Return the name of a replica that is asked directly: `host:port` of its connection string, or its service."""
    given = parse_conninfo(dsn)
    host = given.get("host") or given.get("hostaddr")
    return f"{host}:{given.get('port', 5432)}" if host else given.get("service", "localhost:5432")


@asynccontextmanager
async def side_connection(dsn: str) -> AsyncIterator[SideConnection]:
    """Give a second connection to the primary, which connects when it is first asked, and close it."""
    side = SideConnection(dsn, standby=False)
    try:
        yield side
    finally:
        await side.close()


class SideConnection:
    """One server and a connection to it; every question has a time limit."""

    def __init__(self, dsn: str, *, standby: bool) -> None:
        self.dsn = dsn
        self._standby = standby
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    async def read_replicas(self) -> list[Replica]:
        """Return the position of the replica, and those of the replicas that follow it."""
        async with self._asked() as connection:
            with translated(connection):
                cursor = connection.cursor(row_factory=dict_row)
                await cursor.execute(statement("monitor/read_standby"))
                row = await cursor.fetchone()
        assert row is not None, "a select without FROM has one row"
        name = replica_name(self.dsn)
        if not row["in_recovery"]:
            raise DatabaseError(f"{name} is not a standby")
        return [
            Replica(name=name, state="direct", replay_lsn=row["replay_lsn"]),
            *(Replica(**follower) for follower in row["followers"]),
        ]

    async def read_number(self, sql: str) -> float:
        """Return the value of an expression."""
        async with self._asked() as connection:
            with translated(connection):
                cursor = await execute_as_role(connection, SQL("SELECT {}::pg_catalog.float8").format(expression(sql)))
                row = await cursor.fetchone()
        if row is None or row[0] is None or math.isnan(row[0]):
            raise DatabaseError("the query returns no number")
        return float(row[0])

    async def read_waiting(self, pid: int) -> int:
        """Return how many sessions wait for a lock of this session, directly or behind another."""
        async with self._asked() as connection:
            with translated(connection):
                cursor = await connection.execute(statement("monitor/read_lock_queue"), {"pid": pid})
                row = await cursor.fetchone()
        assert row is not None, "an aggregate has one row"
        return int(row[0])

    async def read_rows(self, name: str, parameters: dict[str, Any]) -> list[DictRow]:
        """Return the rows of a static statement."""
        async with self._asked() as connection:
            with translated(connection):
                cursor = connection.cursor(row_factory=dict_row)
                await cursor.execute(statement(name), parameters)
                return await cursor.fetchall()

    async def ask(self, question: Callable[[Connection], Awaitable[T]]) -> T:
        """Return the answer to a question of several statements, which share the time limit."""
        async with self._asked() as connection:
            return await question(connection)

    async def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with suppress(DatabaseError):
                await self._connection.close()
            self._connection = None

    @asynccontextmanager
    async def _asked(self) -> AsyncIterator[Connection]:
        """Give the connection for one question at a time; raise ConnectionLost if the answer takes too long."""
        try:
            async with self._turn, asyncio.timeout(TIMEOUT_S):
                yield await self._connected()
        except TimeoutError:
            raise ConnectionLost(f"no answer within {TIMEOUT_S:.0f}s") from None

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            dsn = make_conninfo(self.dsn, target_session_attrs="any") if self._standby else self.dsn
            self._connection = await connect(dsn, application_name="backfill:ask")
            await set_settings(self._connection, _SETTINGS)
        return self._connection
