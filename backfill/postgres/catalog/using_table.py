"""The joined table (`using`) as the catalog has it, or the reason why it cannot be read."""

from __future__ import annotations

from typing import Any

from backfill.jobfile.job import Using
from backfill.jobfile.load import JobFile
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
    why = _unreadable(using, row) if row else await missing(connection, using.table, READABLE)
    if why:
        raise JobError(f"{job_file.at('using', 'table')}: {why}")


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
