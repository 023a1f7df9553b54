"""`where` asked of rows that a batch has updated: once more, whether it fails there, and a row to show."""

from __future__ import annotations

from backfill.postgres.session.connection import translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.batch_parameters import range_of
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.values.errors import StatementRefused, WhereFails, WhereRefused


async def still_matching(batch: BatchStatement, unconverged: tuple[str, ...]) -> int:
    """Return how many of these rows match `where`, asked in a statement of its own.

    RETURNING sees the own table as it was before the UPDATE, and values as they were before they were compressed.
    """
    await batch.connection.execute("SET LOCAL enable_seqscan = off")
    statement = batch.statements.still_matching
    found = await execute_as_role(batch.connection, statement, {"tids": list(unconverged)})
    return len(await found.fetchall())


async def raise_if_where_fails(batch: BatchStatement, error: StatementRefused) -> None:
    """Raise WhereRefused, or WhereFails of a job that has done nothing yet, if the UPDATE by itself takes the rows.

    It is rolled back. Of many rows it is tried for the first batch alone: later they are searched for the one.
    """
    if not batch.request.trial and len(batch.batch_range.tids) != 1:
        return
    update, connection = batch.statements.update_alone[batch.scope], batch.connection
    try:
        with translated(connection):
            async with connection.transaction(force_rollback=True):
                await execute_as_role(connection, update, batch.parameters, keep=batch.kept_settings)
                if batch.table.deferrable:
                    await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
    except StatementRefused:
        return
    said = f"{batch.where_at}: 'where' fails on a row as 'set' leaves it: {str(error).partition(chr(10))[0]};"
    if batch.request.trial:
        raise WhereFails(f"{said} guard it, e.g. with CASE") from error
    raise WhereRefused(f"{said} guard it, e.g. with CASE, and start the job anew with --restart") from error


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
    cursor = await execute_as_role(connection, statements.sample_before, found, keep=batch.kept_settings)
    row = await cursor.fetchone()
    if row is None:
        return "none: the rows are gone"
    tid, key, before = row
    values = {"tid": tid} | batch.values
    cursor = await execute_as_role(connection, statements.sample_after, values, keep=batch.kept_settings)
    after = await cursor.fetchone()
    return f"row {key}: {before} → {after[0] if after else 'not updated (a trigger or rule suppressed it)'}"
