"""Row security that came to a job's table in the middle of a run: hidden rows would be left as they are.

An UPDATE runs under the role's own `row_security`, so that it reads other tables as the role does. Whether the job's
own table hides rows is asked behind each batch and behind the proof.
"""

from __future__ import annotations

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.sql_files import statement
from backfill.table.definition import Table
from backfill.values.errors import Halted


def rows_are_hidden(table: Table) -> Halted:
    """Return the error."""
    return Halted(
        f"row security now hides rows of '{table.name}' from this role, so the job stops;"
        " let it see all rows (BYPASSRLS, or as the table's owner), and run again"
    )


async def require_all_rows(connection: Connection, table: Table) -> None:
    """Raise Halted if row security hides rows of a table from this role."""
    with translated(connection):
        cursor = await connection.execute(statement("catalog/read_rows_hidden"), {"table_oid": table.identity.oid})
        row = await cursor.fetchone()
    if row is not None and row[0]:
        raise rows_are_hidden(table)
