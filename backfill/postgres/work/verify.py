"""The proof: one read of the whole table under one snapshot, with a longer timeout than our other statements.

And what a read in pieces asks between two of them: the table's file, and whether the job may go on.
"""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from backfill.jobfile.job import Job
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.connection import Connection, translated, untimed
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.request import request_of
from backfill.postgres.statements.compose import Statements
from backfill.table.batch import RejectedRow, Verification
from backfill.table.leaves import SAMPLES_KEPT
from backfill.table.unconverged_xids import parameter
from backfill.throttle.conditions.schedule import closed_reason
from backfill.values.errors import ProofInterrupted


async def read_verification(
    connection: Connection,
    statements: Statements,
    rejected: tuple[RejectedRow, ...] = (),
    *,
    limit_s: float = 0.0,
    xids: tuple[int, ...] = (),
) -> Verification:
    """Return how many rows still match `where`, how many of them no UPDATE would fix, and a few of their keys.

    Rejected rows count among the first and not among the others.
    """
    began_s = time.monotonic()
    with translated(connection):
        async with connection.transaction(), untimed(connection, limit_s=limit_s):
            addresses = [str(rejected_row.tid) for rejected_row in rejected]
            cursor = await execute_as_role(
                connection, statements.verify, {"rejected": addresses, "xids": parameter(xids)}
            )
            row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"
    return verification_of(row, statements, rejected, time.monotonic() - began_s)


def verification_of(
    row: tuple[Any, ...], statements: Statements, rejected: tuple[RejectedRow, ...], took_s: float
) -> Verification:
    """Return what a row of the proof says: that of the whole read or of one piece."""
    rows_left, rows_rejected, rows_unconverged, rows_without_partner, samples = row
    return Verification(
        rows_left=rows_left,
        rows_unconverged=rows_unconverged if statements.counts_unconverged else None,
        samples=tuple(samples or ()),
        took_s=took_s,
        rows_without_partner=rows_without_partner,
        rows_rejected=rows_rejected,
        rejected=tuple(rejected_row.summary for rejected_row in rejected[:SAMPLES_KEPT]),
    )


async def read_file(connection: Connection, table_oid: int) -> tuple[int | None, int]:
    """Return a table's file and its pages, before the first snapshot: a newer file cannot pass for it."""
    with translated(connection):
        cursor = await connection.execute(statement("work/read_filenode"), {"table_oid": table_oid})
        row = await cursor.fetchone()
    return (row[0], row[1] or 0) if row else (None, 0)


async def must_end(side: SideConnection, job: Job) -> bool:
    """Whether the job may hold no snapshot now: a person has paused or cancelled it, or its time windows are closed."""
    for row in await side.read_rows("monitor/read_request", {"job": job.name}):
        request = request_of(row)
        if request is not None and request.stands:
            return True
        return closed_reason(job.window, datetime.fromisoformat(row["now"]), request) is not None
    return False


def interrupted() -> ProofInterrupted:
    """Return the error that ends the read then."""
    why = "a person has paused or cancelled the job, or its time windows are closed"
    return ProofInterrupted(f"{why}; the final read begins again when it goes on")
