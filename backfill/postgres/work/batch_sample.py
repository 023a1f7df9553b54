"""A row of a batch before and after its UPDATE, for the sentence that says why the batch was rolled back."""

from __future__ import annotations

from backfill.postgres.session.connection import translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.batch_parameters import range_of
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.values.errors import StatementRefused


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
