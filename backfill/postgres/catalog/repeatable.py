"""Whether updating a row twice is the same as updating it once.

It is if `set` reads no column that the job changes, gives the same each time, and no row trigger acts on the UPDATE.
"""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.fragments import NOTHING, expression, joined_of, target_of
from backfill.postgres.statements.function_values import prefix_for
from backfill.table.definition import Table
from backfill.table.plain_update import columns_read

AT_ONCE = 200
"""Expressions in one plan: a SELECT has at most 1,664 columns."""


async def is_repeatable(connection: Connection, job: Job, table: Table, *, stable: bool) -> bool:
    """Return whether a second UPDATE of a row does the same as the first; `stable`: no function is volatile."""
    if not stable or job.python is not None or table.row_update_triggers:
        return False
    changed = {target.column for target in job.assignments} | {
        column.name for column in table.columns if column.generated
    }
    joined = SQL(", {}").format(joined_of(job.using)) if job.using else NOTHING
    expressions = [assignment.expression for assignment in job.assignments]
    if any(text.strip().upper() == "DEFAULT" for text in expressions):
        return False
    for first in range(0, len(expressions), AT_ONCE):
        # With a second table in the plan the server names the table of each column.
        query = SQL("EXPLAIN (VERBOSE, COSTS OFF) SELECT {} FROM {}{}, (SELECT) AS {}").format(
            SQL(", ").join(expression(text) for text in expressions[first : first + AT_ONCE]),
            target_of(table),
            joined,
            Identifier(prefix_for(table)),
        )
        with translated(connection):
            cursor = await execute_as_role(connection, query)
            lines = [row[0] for row in await cursor.fetchall()]
        if columns_read(_values(lines), table.alias or table.name.name, changed):
            return False
    return True


def _values(lines: list[str]) -> list[str]:
    """Return the lines of a plan but for the columns that scans below the first node read and do not compute with."""
    first, *others = (place for place, line in enumerate(lines) if line.lstrip().startswith("Output:"))
    return [line for place, line in enumerate(lines) if place == first or place not in others]
