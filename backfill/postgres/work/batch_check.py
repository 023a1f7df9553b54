"""What a batch is asked behind its UPDATE: `where` once more, what is checked at COMMIT; and whose fault it is."""

from __future__ import annotations

from typing import Any

from backfill.postgres.session.connection import translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.batch_parameters import Scope, range_of
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.postgres.work.reads import read_rows
from backfill.values.errors import DeferredRefused, SpansRows, StatementRefused, WhereFails, WhereRefused

CHECK_NOW = "SET CONSTRAINTS ALL IMMEDIATE"
ROWS_ALONE = 3
"""Rows of a refused first batch that are tried alone."""


async def still_matching(batch: BatchStatement, unconverged: tuple[str, ...]) -> int:
    """Return how many of these rows match `where`, asked in a statement of its own.

    RETURNING sees the own table as it was before the UPDATE, and values as they were before they were compressed.
    """
    await batch.connection.execute("SET LOCAL enable_seqscan = off")
    statement = batch.statements.still_matching
    found = await execute_as_role(batch.connection, statement, {"tids": list(unconverged)})
    return len(await found.fetchall())


async def check_deferred(batch: BatchStatement) -> None:
    """Let the server check now what it would check at COMMIT; raise DeferredRefused with the names that may be."""
    if not batch.table.deferrable:
        return
    try:
        with translated(batch.connection):
            await batch.connection.execute(CHECK_NOW)
    except StatementRefused as error:
        names = ", ".join(f"'{name}'" for name in batch.table.deferrable)
        message = f"deferred constraint or trigger {names} on '{batch.table.name}': {error}"
        raise DeferredRefused(message, error.sqlstate, error.took_s) from error


async def raise_if_several_rows(batch: BatchStatement, error: StatementRefused) -> None:
    """Raise SpansRows if what is checked at COMMIT refuses each of the first rows of a job by itself, too."""
    if not (batch.request.trial and isinstance(error, DeferredRefused)):
        return
    rows = await read_rows(batch.connection, batch.statements, batch.checkpoint, batch.batch_range, batch.xids)
    for tid in rows.tids[:ROWS_ALONE]:
        if await _takes(batch, Scope.ADDRESSES, batch.parameters | {"tids": [str(tid)]}):
            return
    raise SpansRows(
        f"{batch.table_at}: {str(error).partition(chr(10))[0]}; it refuses each row of the first batch alone, so it"
        " holds only over several rows, which a batch cannot keep together; use one UPDATE"
    ) from error


async def raise_if_where_fails(batch: BatchStatement, error: StatementRefused) -> None:
    """Raise WhereRefused, or WhereFails of a job that has done nothing yet, if the UPDATE by itself takes the rows.

    It is rolled back. Of many rows it is tried for the first batch alone: later they are searched for the one.
    """
    if not batch.request.trial and len(batch.batch_range.tids) != 1:
        return
    if not await _takes(batch, batch.scope, batch.parameters):
        return
    said = f"{batch.where_at}: 'where' fails on a row as 'set' leaves it: {str(error).partition(chr(10))[0]};"
    if batch.request.trial:
        raise WhereFails(f"{said} guard it, e.g. with CASE") from error
    raise WhereRefused(f"{said} guard it, e.g. with CASE, and start the job anew with --restart") from error


async def _takes(batch: BatchStatement, scope: Scope, parameters: dict[str, Any]) -> bool:
    """Whether the server takes the UPDATE by itself; it is rolled back."""
    connection, update = batch.connection, batch.statements.update_alone[scope]
    try:
        with translated(connection):
            async with connection.transaction(force_rollback=True):
                await execute_as_role(connection, update, parameters)
                await connection.execute(CHECK_NOW)
    except StatementRefused:
        return False
    return True


async def read_sample(batch: BatchStatement) -> str:
    """Return one row of the range before and after the UPDATE, which is rolled back again; whatever fails, a text."""
    try:
        with translated(batch.connection):
            async with batch.connection.transaction(force_rollback=True):
                return await _sample_row(batch)
    except StatementRefused as error:
        return f"none: the sample failed ({str(error).partition(chr(10))[0]})"


async def _sample_row(batch: BatchStatement) -> str:
    connection, statements = batch.connection, batch.statements
    found = range_of(batch.checkpoint, batch.batch_range)
    cursor = await execute_as_role(connection, statements.sample_before, found)
    row = await cursor.fetchone()
    if row is None:
        return "none: the rows are gone"
    tid, key, before = row
    values = {"tid": tid} | batch.values
    cursor = await execute_as_role(connection, statements.sample_after, values)
    after = await cursor.fetchone()
    return f"row {key}: {before} → {after[0] if after else 'not updated (a trigger or rule suppressed it)'}"
