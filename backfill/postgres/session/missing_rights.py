"""The GRANT for what the server has refused to a role, found in its catalog; nothing is changed."""

from __future__ import annotations

from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.retry.missing_grant import Denied, grant_statement, parse_denied, with_remedy
from backfill.values.errors import StatementRefused


async def with_grant(connection: Connection, error: StatementRefused, updated: str = "") -> StatementRefused:
    """Return the error with the statement that mends it, or as it is; `updated` is the table that was to be."""
    if error.sqlstate != INSUFFICIENT_PRIVILEGE:
        return error
    said = await mended(connection, str(error), parse_denied(str(error), updated), str(error))
    return StatementRefused(said, error.sqlstate, error.took_s)


async def mended(connection: Connection, said: str, wanted: Denied | None, text: str) -> str:
    """Return what the server said with the GRANT of what this role was denied; `text` may name the object's schema."""
    remedy = await _read_grant(connection, wanted, text) if wanted else None
    return with_remedy(said, remedy) if remedy else said


async def _read_grant(connection: Connection, wanted: Denied, text: str) -> str | None:
    parameters = {"kind": wanted.kind, "name": wanted.name, "rights": list(wanted.rights), "text": text}
    with translated(connection):
        cursor = await connection.execute(statement("session/read_missing_rights"), parameters)
        row = await cursor.fetchone()
    if row is None:
        return None
    target, lacks, role = row
    return grant_statement(wanted, tuple(lacks), target, role)
