"""The server as a worker needs it: a primary, in full view, with the state schema in it.

Raises Halted where only a person with more rights can help; the message is the statement to run.
"""

from __future__ import annotations

import re

from psycopg.sql import SQL, Identifier

from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, connect, translated
from backfill.postgres.session.server import UNDEFINED_OBJECT, ServerFacts, read_server
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.locks import lock_key
from backfill.values.errors import BackfillError, Halted, JobError, StatementRefused
from backfill.values.identifier import quote


async def ensure_state(connection: Connection, server: ServerFacts) -> None:
    """Create the state schema where it is missing or of an older version; raises Halted with the way out."""
    if server.has_state and not server.may_use_state:
        raise _halted(server, f"role {server.role!r} may not use schema backfill")
    if not server.has_state and not server.may_create:
        raise _halted(server, f"schema backfill is missing and role {server.role!r} may not create it")
    if server.has_state and server.state_current:
        return
    try:
        await create_state(connection)
    except StatementRefused as error:
        if not server.has_state or error.sqlstate != INSUFFICIENT_PRIVILEGE:
            raise
        why = f"schema backfill is of an older version and role {server.role!r} may not change it"
        raise _halted(server, why) from None


def _halted(server: ServerFacts, why: str) -> Halted:
    return Halted(f"{why}; run what this prints: backfill init --print --role {quote(server.role)}")


async def create_state(connection: Connection) -> None:
    """Create the state schema and its tables where they are missing."""
    with translated(connection):
        async with connection.transaction():
            await connection.execute(statement("state/lock_state"), {"key": lock_key("schema", "backfill")})
            await connection.execute(statement("state/schema"))


def init_script(role: str | None) -> str:
    """Return the statements of `backfill init` for a DBA to read and run; with a role, its grants too, and an offer."""
    script = statement("state/schema").decode()
    if role is None:
        return script
    granted, offered = (
        SQL(statement(f"state/{name}").decode()).format(role=Identifier(role)).as_string()
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
                        await connection.execute(SQL(statement("state/grants").decode()).format(role=Identifier(role)))
        except StatementRefused as error:
            raise _uninitialised(server, role, error) from None


def _uninitialised(server: ServerFacts, role: str | None, error: StatementRefused) -> BackfillError:
    if error.sqlstate == UNDEFINED_OBJECT and role is not None:
        return JobError(f"role {role!r} does not exist; run: CREATE ROLE {quote(role)} LOGIN;")
    if error.sqlstate != INSUFFICIENT_PRIVILEGE:
        return error
    said, given = str(error).partition("\n")[0], f" --role {quote(role)}" if role else ""
    return Halted(
        f"role {server.role!r} may not do all of this: {said};"
        f" as a superuser run what this prints: backfill init --print{given}"
    )
