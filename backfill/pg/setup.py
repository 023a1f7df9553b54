"""The server as a worker needs it: a primary, in full view, with the state schema in it.

Raises Halted where only a person with more rights can help; the message is the statement to run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from psycopg.rows import class_row
from psycopg.sql import SQL, Identifier

from backfill.core.identifier import quote
from backfill.errors import BackfillError, Halted, JobError, Refused
from backfill.pg.lock import lock_key
from backfill.pg.session import INSUFFICIENT_PRIVILEGE, Connection, connect, translated
from backfill.pg.sqlfile import statement

UNDEFINED_OBJECT = "42704"
VERSION_MIN = 140000
PAGE_BYTES = 8192
"""What `core.scout` counts line pointers by; other sizes are a build option that packages do not use."""


@dataclass(frozen=True, slots=True)
class Server:
    """Who we are there, what we may do, and after how much WAL or time the server begins a checkpoint.

    `wal_compression` is the server's own setting, `wal_compressions` what it may be: nothing where it is on or off.
    """

    role: str
    database: str
    version: int
    page_bytes: int
    in_recovery: bool
    visible: bool
    aurora: bool
    has_state: bool
    state_current: bool
    may_use_state: bool
    may_create: bool
    checkpoint_bytes: float
    checkpoint_s: float
    wal_compression: str
    wal_compressions: list[str]


async def read_server(connection: Connection) -> Server:
    """Return the server's facts."""
    with translated(connection):
        async with connection.cursor(row_factory=class_row(Server)) as cursor:
            await cursor.execute(statement("read_server"))
            server = await cursor.fetchone()
    assert server is not None, "a select without FROM has one row"
    return server


def check_server(server: Server) -> None:
    """Raise Halted for what would leave us blind or powerless."""
    if server.version < VERSION_MIN:
        raise Halted(f"the server is PostgreSQL {server.version // 10000}; Tid Range Scans need 14 or later")
    if server.page_bytes != PAGE_BYTES:
        raise Halted(f"the server's pages have {server.page_bytes} bytes; this version knows pages of {PAGE_BYTES}")
    if server.in_recovery:
        raise Halted("the server is a standby; give a DSN of the primary, or one that lists all hosts")
    if not server.visible:
        raise Halted(
            f"role {server.role!r} cannot see replication, and blind means stop;"
            f" run: GRANT pg_monitor TO {quote(server.role)};"
        )


async def ensure_state(connection: Connection, server: Server) -> None:
    """Create the state schema where it is missing or of an older version; raises Halted with the way out."""
    if server.has_state and not server.may_use_state:
        raise _halted(server, f"role {server.role!r} may not use schema backfill")
    if not server.has_state and not server.may_create:
        raise _halted(server, f"schema backfill is missing and role {server.role!r} may not create it")
    if server.has_state and server.state_current:
        return
    try:
        await create_state(connection)
    except Refused as error:
        if not server.has_state or error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        why = f"schema backfill is of an older version and role {server.role!r} may not change it"
        raise _halted(server, why) from None


def _halted(server: Server, why: str) -> Halted:
    return Halted(f"{why}; run what this prints: backfill init --print --role {quote(server.role)}")


async def create_state(connection: Connection) -> None:
    """Create the state schema and its tables where they are missing."""
    with translated(connection):
        async with connection.transaction():
            await connection.execute(statement("lock_state"), {"key": lock_key("schema", "backfill")})
            await connection.execute(statement("schema"))


def init_script(role: str | None) -> str:
    """Return the statements of `backfill init` for a DBA to read and run; with a role, its grants too, and an offer."""
    script = statement("schema").decode()
    if role is None:
        return script
    granted, offered = (
        SQL(statement(name).decode()).format(role=Identifier(role)).as_string()
        for name in ("grants", "grant_compression")
    )
    return f"{script}\n{granted}\n{_commented(offered)}\n"


def _commented(text: str) -> str:
    """Return statements that nobody runs by accident, whatever line breaks a role's name has."""
    lines = re.split(r"[\r\n]", text.rstrip("\n"))
    return "\n".join(line if line.startswith("--") else f"-- {line}" for line in lines)


async def init(dsn: str, role: str | None) -> None:
    """Create the state schema, and give a role the least rights that a worker needs beside those on its tables.

    Raises Halted where who asks may not, JobError where there is no such role; nothing was changed then.
    """
    async with await connect(dsn, application_name="backfill:init") as connection:
        server = await read_server(connection)
        if not server.has_state and not server.may_create:
            grant = f"GRANT CREATE ON DATABASE {quote(server.database)} TO {quote(server.role)};"
            raise Halted(f"role {server.role!r} may not create schema backfill; run: {grant}")
        try:
            with translated(connection):
                async with connection.transaction():
                    await create_state(connection)
                    if role is not None:
                        await connection.execute(SQL(statement("grants").decode()).format(role=Identifier(role)))
        except Refused as error:
            raise _uninitialised(server, role, error) from None


def _uninitialised(server: Server, role: str | None, error: Refused) -> BackfillError:
    if error.sqlstate == UNDEFINED_OBJECT and role is not None:
        return JobError(f"role {role!r} does not exist; run: CREATE ROLE {quote(role)} LOGIN;")
    if error.sqlstate != INSUFFICIENT_PRIVILEGE:
        return error
    said, given = str(error).partition("\n")[0], f" --role {quote(role)}" if role else ""
    return Halted(
        f"role {server.role!r} may not do all of this: {said};"
        f" as a superuser run what this prints: backfill init --print{given}"
    )
