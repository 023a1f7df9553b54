"""The joined table (`using`) as the catalog has it, or the reason why it cannot be read."""

from __future__ import annotations

from typing import Any

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.jobfile.row_sources import Using
from backfill.postgres.catalog.job_rights import find_lacking, lacking_grants
from backfill.postgres.catalog.table import KINDS, missing, out_of_sight, read_relation
from backfill.postgres.session.connection import Connection
from backfill.values.errors import JobError

READABLE = "rpvm"
"""Tables, partitioned or not, views and materialized views. A foreign table answers when another server likes."""


async def check_joined(connection: Connection, job_file: JobFile) -> None:
    """Raise JobError at its place in the job file where the joined table is not there, or may not be read."""
    using = job_file.job.using
    if using is None:
        return
    row = await read_relation(connection, using.table)
    if row is None:
        why: str | None = await missing(connection, using.table, READABLE)
    else:
        # Of the columns that the job reads the role may have the right, and row security comes after that.
        why = _unreadable(using, row | {"may_select": True, "rows_hidden": False})
        why = why or await _unselectable(connection, job_file.job, using, row)
        why = why or _unreadable(using, row | {"may_select": True})
    if why:
        raise JobError(f"{job_file.at('using', 'table')}: {why}")


async def _unselectable(connection: Connection, job: Job, using: Using, row: dict[str, Any]) -> str | None:
    """Return that the role may not read the columns that the job reads, with the GRANT of these."""
    if row["may_select"]:
        return None
    lacking = await find_lacking(connection, job, using.table.name)
    grants = lacking_grants((right for right in lacking if right.kind == "relation"), row["role"])
    return f"table '{using.table}' cannot be read by role {row['role']!r}; run: {grants[0]}" if grants else None


def _unreadable(using: Using, row: dict[str, Any]) -> str | None:
    name, role, why = using.table, row["role"], None
    if row["kind"] not in READABLE:
        kind = KINDS.get(row["kind"], "not a table")
        why = f"is {kind}; tables, views and materialized views can be joined: copy it into a table"
    elif row["persistence"] == "t":
        why = "is temporary: no other session can see it"
    else:
        why = out_of_sight(row, name, role, "SELECT")
    return why and f"table '{name}' {why}"
