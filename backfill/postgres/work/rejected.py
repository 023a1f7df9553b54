"""Rejected rows: put into `backfill.rejected` when the checkpoint moves past them, and taken out again.

They still match `where`, so each pass meets them again; those that it does not meet or that no longer match go when it
ends. Every worker that takes a job over knows its rejected rows.
"""

from __future__ import annotations

import hashlib
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection, dict_rows, translated, untimed
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.checkpoint import Fenced, blame, moved, write
from backfill.postgres.state.checkpoint_columns import values_of
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work.reads import read_key
from backfill.table.batch import RejectedRow, RowRejection
from backfill.table.checkpoint import Checkpoint, Tid, advance
from backfill.table.row_counts import BatchRange
from backfill.values.errors import Halted, StatementRefused


async def reject(
    connection: Connection,
    statements: Statements,
    job: Job,
    checkpoint: Checkpoint,
    batch_range: BatchRange,
    error: StatementRefused,
) -> RowRejection:
    """Reject the one row of a batch and move the checkpoint behind it; raises as a batch does, and Halted.

    The row is read in the same transaction, so the table cannot be rewritten before it commits.
    """
    [tid] = batch_range.tids
    after, rows_rejected = advance(checkpoint, batch_range.end), 0
    try:
        async with dict_rows(connection) as cursor:
            key = await read_key(connection, statements, tid)
            await write(cursor, values_of(after) | {"job": job.name, "wal_bytes": 0})
            placed = moved(after, await cursor.fetchone())
            if key is not None:
                rows_rejected = await _save(
                    cursor,
                    job,
                    checkpoint,
                    RejectedRow(key=key, tid=tid, pass_number=checkpoint.pass_number, message=str(error)),
                    error,
                )
    except Fenced:
        raise await blame(connection, job.name, checkpoint) from None
    return RowRejection(placed, key, rows_rejected)


def _digest(key: str) -> bytes:
    """Return what a key of any length is known by."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


async def save_again(
    connection: Connection, job: Job, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused
) -> None:
    """Keep a row that was refused again, with what was said this time."""
    async with dict_rows(connection) as cursor:
        await _save(cursor, job, checkpoint, row, error)


async def _save(
    cursor: AsyncCursor[DictRow], job: Job, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused
) -> int:
    place = {"job": job.name, "leaf": checkpoint.leaf, "pass_number": row.pass_number}
    values = place | {
        "key": row.key,
        "key_digest": _digest(row.key),
        "tid": str(row.tid),
        "sqlstate": error.sqlstate,
        "message": row.message,
    }
    await cursor.execute(statement("work/save_rejected"), values)
    await cursor.execute(statement("work/count_rejected"), place)
    counted = await cursor.fetchone()
    assert counted is not None, "an aggregate has one row"
    rows_rejected = int(counted["rows_rejected"])
    if rows_rejected > job.max_rejected:
        raise Halted(
            f"rejected rows {rows_rejected:,} > {job.max_rejected:,} (max_rejected): that many rows are no longer"
            f" exceptions; the last one is {row.key} of {checkpoint.leaf}: {row.message}\n"
            "fix what they have in common, or raise max_rejected in the job file, and run again"
        )
    return rows_rejected


async def read_rejected(connection: Connection, job: str, leaf: str) -> tuple[RejectedRow, ...]:
    """Return the rejected rows of a leaf, in the order of their positions."""
    async with dict_rows(connection) as cursor:
        return await _read(cursor, job, leaf)


async def prune(
    connection: Connection, statements: Statements, job: str, leaf: str, epoch: int, pass_number: int
) -> tuple[RejectedRow, ...]:
    """Forget the rows of a leaf that the pass did not meet, or that no longer match `where`; return the others."""
    fence: dict[str, Any] = {"job": job, "leaf": leaf, "epoch": epoch}
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("work/delete_rejected_before"), fence | {"pass_number": pass_number})
        rows = await _read(cursor, job, leaf)
        if not rows:
            return ()
        async with untimed(connection):
            await cursor.execute("SET LOCAL enable_seqscan = off")
            found = await execute_as_role(
                connection, statements.still_matching, {"tids": [str(row.tid) for row in rows]}
            )
        kept = {Tid.parse(tid) for (tid,) in await found.fetchall()}
        gone = [row.key for row in rows if row.tid not in kept]
        await cursor.execute(statement("work/delete_rejected_rows"), fence | {"keys": gone})
    return tuple(row for row in rows if row.tid in kept)


async def _read(cursor: AsyncCursor[DictRow], job: str, leaf: str) -> tuple[RejectedRow, ...]:
    await cursor.execute(statement("work/read_rejected"), {"job": job, "leaf": leaf})
    return tuple(
        RejectedRow(key=row["key"], tid=Tid.parse(row["tid"]), pass_number=row["pass_number"], message=row["message"])
        for row in await cursor.fetchall()
    )


async def find(connection: Connection, statements: Statements, row: RejectedRow) -> Tid | None:
    """Return the address of a rejected row now; None if it is gone or no longer matches `where`."""
    with translated(connection):
        cursor = await execute_as_role(connection, statements.find_rejected, {"key": row.key, "tid": str(row.tid)})
        found = await cursor.fetchone()
    return Tid.parse(found[0]) if found else None


async def delete(connection: Connection, job: str, checkpoint: Checkpoint, row: RejectedRow) -> None:
    """Remove the row from `backfill.rejected`."""
    async with dict_rows(connection) as cursor:
        values = {"job": job, "leaf": checkpoint.leaf, "epoch": checkpoint.epoch, "keys": [row.key]}
        await cursor.execute(statement("work/delete_rejected_rows"), values)


async def delete_of_other_leaves(connection: Connection, job: str, leaves: list[str]) -> None:
    """Forget the rows of tables that are not among the job's leaves any more."""
    async with dict_rows(connection) as cursor:
        await cursor.execute(statement("work/delete_rejected_of_other_leaves"), {"job": job, "leaves": leaves})
