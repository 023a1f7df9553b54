"""The GRANT for what the server has refused to a role, found in its catalog; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence

from backfill.postgres.session.connection import INSUFFICIENT_PRIVILEGE, Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.retry.missing_grant import MissingRight, has_context, rights_wanted, with_remedy
from backfill.values.errors import StatementRefused


async def with_grant(
    connection: Connection, error: StatementRefused, updated: str = "", columns: Sequence[str] = ()
) -> StatementRefused:
    """Return the error with the statement that helps, or as it is.

    `updated` is the table that was to be updated, and `columns` those of its columns that were to be set.
    """
    if error.sqlstate != INSUFFICIENT_PRIVILEGE:
        return error
    said = await add_grant(connection, str(error), str(error), updated, columns)
    return StatementRefused(said, error.sqlstate, error.took_s)


async def add_grant(
    connection: Connection, said: str, text: str, updated: str = "", columns: Sequence[str] = ()
) -> str:
    """Return what the server said with the GRANT of what this role was denied; `text` may name the object's schema."""
    missing = await _read_missing(connection, said, text, updated, columns)
    return with_remedy(said, missing.grant) if missing else said


async def _read_missing(
    connection: Connection, said: str, text: str, updated: str, columns: Sequence[str]
) -> MissingRight | None:
    rights = rights_wanted(said)
    parameters = {
        "said": said.partition("\n")[0],
        "text": text,
        "updated": updated,
        "columns": [] if has_context(said) else list(columns),
        "rights": list(rights),
        # A batch updates its table, unless what was denied is a statement of a trigger.
        "rights_updated": list(rights if has_context(said) else ("SELECT", "UPDATE")),
        "schemas": list(connection.role_schemas),
    }
    with translated(connection):
        cursor = await connection.execute(statement("session/read_missing_rights"), parameters)
        row = await cursor.fetchone()
    if row is None:
        return None
    kind, target, lacks, role = row
    return MissingRight(kind=kind, target=target, lacks=tuple(lacks), role=role)
