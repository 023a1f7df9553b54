"""Which setting makes sessions read-only, where it was set, and what lets this role write.

A server that is up and refuses to write looks like a standby from outside, and is none.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow, class_row

from backfill.postgres.session.sql_files import statement
from backfill.values.errors import StatementRefused
from backfill.values.identifier import quote

READ_ONLY_TRANSACTION = "25006"
_WHERE = {
    "database": "for database {database}",
    "user": "for role {role}",
    "database user": "for role {role} in database {database}",
    "configuration file": "in the server's configuration file",
    "command line": "on the server's command line",
    "client": "by the DSN or PGOPTIONS",
}
"""Sources of a setting, as pg_settings names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOnlySetting:
    """default_transaction_read_only is on, and where that comes from."""

    in_recovery: bool
    source: str
    role: str
    database: str


def describe(setting: ReadOnlySetting) -> str | None:
    """Return the setting, and the smallest change that lets this role write; None on a standby."""
    if setting.in_recovery:
        return None
    role, database = quote(setting.role), quote(setting.database)
    where = _WHERE.get(setting.source, "by {source}").format(role=role, database=database, source=setting.source)
    remedy = f"run: ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = off;"
    if setting.source == "client":
        remedy = "take it out there"
    return f"default_transaction_read_only is on {where}; if this role may write, {remedy}"


async def read_cause(connection: AsyncConnection[TupleRow]) -> str | None:
    """Return what `describe` says of this session; None if no setting is the cause."""
    async with connection.cursor(row_factory=class_row(ReadOnlySetting)) as cursor:
        await cursor.execute(statement("session/read_read_only"))
        setting = await cursor.fetchone()
    return describe(setting) if setting else None


async def find_cause(conninfo: str) -> str | None:
    """Return the same of a server that has refused a session that writes, by one that only reads."""
    with suppress(psycopg.Error):
        reading = make_conninfo(conninfo, target_session_attrs="any")
        async with await AsyncConnection.connect(reading, autocommit=True) as connection:
            return await read_cause(connection)
    return None


async def with_setting(connection: AsyncConnection[TupleRow], error: StatementRefused) -> StatementRefused:
    """Return the error with the setting that makes the transaction read-only, or as it is."""
    if error.sqlstate != READ_ONLY_TRANSACTION:
        return error
    cause = None
    with suppress(psycopg.Error):
        cause = await read_cause(connection)
    first, line_break, rest = str(error).partition("\n")
    return StatementRefused(f"{first}; {cause}{line_break}{rest}", error.sqlstate, error.took_s) if cause else error
