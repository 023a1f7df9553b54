"""The proof: one read of the whole table under one snapshot, with a longer timeout than our other statements."""

from __future__ import annotations

import time
from typing import Any

from backfill.postgres.session.connection import Connection, translated, untimed
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.compose import Statements
from backfill.table.batch import RejectedRow, Verification
from backfill.table.leaves import SAMPLES_KEPT
from backfill.table.unconverged_xids import parameter


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
