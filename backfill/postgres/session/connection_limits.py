"""The server's limits on connections, read by a session that is there when another one cannot be had."""

from __future__ import annotations

from contextlib import suppress

from psycopg.rows import class_row

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.retry.connection_limits import (
    TOO_MANY_CONNECTIONS,
    ConnectionLimits,
    find_reached,
    find_tight,
    find_too_few,
)
from backfill.values.errors import ConnectionLost, DatabaseError, Halted, StatementRefused


async def read_connection_limits(connection: Connection) -> ConnectionLimits:
    """Return the limits for sessions like this one, and what is used of them."""
    with translated(connection):
        async with connection.cursor(row_factory=class_row(ConnectionLimits)) as cursor:
            await cursor.execute(statement("session/read_connection_limits"))
            limits = await cursor.fetchone()
    assert limits is not None, "a session's role and database are there"
    return limits


async def check_connections(connection: Connection, job: Job) -> str | None:
    """Raise Halted where a job can never have the connections that it needs; return what it has to do without."""
    limits = await read_connection_limits(connection)
    if too_few := find_too_few(limits, job):
        raise Halted(too_few)
    return find_tight(limits, job)


async def with_limit(connection: Connection, error: ConnectionLost) -> ConnectionLost | StatementRefused:
    """Return the limit that kept a second connection from being opened, to be waited for; else the error as it is."""
    if connection.closed:
        return error
    reached = None
    with suppress(DatabaseError):
        reached = find_reached(await read_connection_limits(connection))
    return StatementRefused(f"another connection is needed: {reached}", TOO_MANY_CONNECTIONS) if reached else error
