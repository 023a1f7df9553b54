"""The rows that a function is to map: found with the size of their inputs, and read in slices that fit memory."""

from __future__ import annotations

from backfill.postgres.mapping.encode import keep_exact_values
from backfill.postgres.mapping.mapped_rows import RowVersion, SourceRow
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.batch_parameters import Scope
from backfill.postgres.statements.compose import Statements
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.stripe_plan import mask


async def find_versions(
    connection: Connection, statements: Statements, checkpoint: Checkpoint, end: Tid
) -> list[RowVersion]:
    """Return the rows of a range that are to be mapped, in the order of their addresses."""
    query = statements.find_inputs[Scope.LAST_STRIPE if checkpoint.last_stripe else Scope.STRIPE]
    parameters = {
        "low": str(checkpoint.next),
        "high": str(end),
        "mask": mask(checkpoint.layout.sizes, checkpoint.stripe),
    }
    with translated(connection):
        found = await execute_as_role(connection, query, parameters)
        versions = await found.fetchall()
    return sorted(RowVersion(Tid.parse(tid), xmin, size) for tid, xmin, size in versions)


async def read_inputs(connection: Connection, statements: Statements, versions: list[RowVersion]) -> list[SourceRow]:
    """Return what the function is given of rows, but of those that have changed since they were found."""
    assert statements.read_inputs is not None, "the job has a function"
    parameters = {
        "tids": [str(version.tid) for version in versions],
        "xmins": [version.xmin for version in versions],
    }
    with translated(connection):
        async with connection.cursor() as cursor:
            keep_exact_values(cursor)
            await cursor.execute(statements.read_inputs, parameters)
            rows = await cursor.fetchall()
    return [SourceRow(Tid.parse(tid), xmin, tuple(inputs)) for tid, xmin, *inputs in rows]
