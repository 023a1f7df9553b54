"""`where` that fails on a row as `set` leaves it: a plain UPDATE never asks that, so the row is not to blame."""

from __future__ import annotations

from backfill.postgres.session.connection import translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.values.errors import StatementRefused, WhereFails, WhereRefused


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
