"""One batch: an UPDATE of a range of row addresses and its checkpoint, in one transaction, or nothing at all."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from enum import Enum, auto
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import TupleRow, class_row, dict_row
from psycopg.sql import SQL, Literal
from psycopg.types.json import Jsonb

from backfill.postgres.catalog.row_security import rows_are_hidden
from backfill.postgres.session.connection import translated
from backfill.postgres.session.pooler import require_same_process
from backfill.postgres.session.role_settings import take_our_settings, take_role_settings
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.checkpoint import blame, write
from backfill.postgres.state.checkpoint_columns import values_of
from backfill.postgres.statements.compose import lock_of
from backfill.postgres.work.batch_check import check_deferred, read_sample, still_matching
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.postgres.work.compression import compress
from backfill.table.batch import Committed, TooManyRows
from backfill.table.checkpoint import Checkpoint, advance
from backfill.table.unconverged_xids import remember
from backfill.values.errors import WhereStaysTrue


@dataclass(frozen=True, slots=True)
class BatchCost:
    """What a batch is measured by, before and after its UPDATE; `rows_hidden` is whether row security hides any."""

    pid: int
    xid: int | None
    position: int
    rows_hot: int
    rows_hidden: bool


@dataclass(frozen=True, slots=True)
class Updated:
    """What the UPDATE did, nothing of it committed."""

    rows: int
    rows_unconverged: int
    rows_hot: int
    insert_lsn: int
    samples: tuple[str, ...]
    unconverged: tuple[str, ...]
    compression_refused: bool
    xid: int | None
    returning: bool | None


class Undone(Enum):
    """Why a batch is rolled back that the server accepted."""

    CHECKPOINT_MOVED = auto()
    WHERE_STAYS_TRUE = auto()


class RollBack(Exception):
    """Leaves the transaction block, which rolls back."""

    def __init__(self, outcome: TooManyRows | Undone) -> None:
        self.outcome = outcome


async def run_batch(batch: BatchStatement) -> Committed | TooManyRows:
    """Update and checkpoint; return what was committed, or TooManyRows.

    Raises Superseded or TableRewritten when the checkpoint would not move, WhereStaysTrue when `where` stays true for
    every row of a job's first batch, Halted when the session is no session or row security hides rows. In each of
    these cases nothing was changed.
    """
    started_s = time.monotonic()
    connection = batch.connection
    try:
        with translated(connection):
            async with connection.transaction():
                result = await _fill(batch)
    except RollBack as rolled_back:
        outcome = rolled_back.outcome
    else:
        return replace(result, took_s=time.monotonic() - started_s)
    if outcome is Undone.CHECKPOINT_MOVED:
        raise await blame(connection, batch.job.name, batch.checkpoint)
    if outcome is Undone.WHERE_STAYS_TRUE:
        raise WhereStaysTrue(
            f"{batch.where_at}: 'where' stays true for every row of the first batch, which was rolled back;"
            f" for example {await read_sample(batch)}"
        )
    return outcome


async def _fill(batch: BatchStatement) -> Committed:
    updated = await _check_returning(batch, await _update(batch))
    if updated.rows > batch.job.batch.max_rows:
        raise RollBack(TooManyRows(updated.rows))
    if updated.rows and updated.rows == updated.rows_unconverged and batch.request.trial:
        raise RollBack(Undone.WHERE_STAYS_TRUE)
    after = _after(batch, updated)
    wal_bytes = batch.charge(updated.insert_lsn)
    fields = _fields(batch, after, updated, wal_bytes)
    async with batch.connection.pipeline():
        moved = await write(batch.connection, fields)
        saved = await _save_history(batch, fields)
        await take_role_settings(batch.connection)  # deferred triggers fire at COMMIT
    moved_row, saved_row = await moved.fetchone(), await saved.fetchone()
    if moved_row is None:
        raise RollBack(Undone.CHECKPOINT_MOVED)
    return Committed(
        checkpoint=replace(after, wal_bytes=moved_row[0]),
        rows=updated.rows,
        rows_unconverged=updated.rows_unconverged,
        rows_hot=updated.rows_hot,
        wal_bytes=wal_bytes,
        insert_lsn=updated.insert_lsn,
        took_s=0.0,
        samples=updated.samples,
        blocked_sessions=saved_row[0] if saved_row else 0,
        compression_refused=updated.compression_refused,
        returning=updated.returning,
    )


async def _update(batch: BatchStatement) -> Updated:
    """Run the UPDATE under the role's settings, measured before and after under ours."""
    connection = batch.connection
    async with connection.pipeline():
        compressing = await _configure(batch)
        measured = await _measure(batch)
        await take_role_settings(connection)
        update = connection.cursor(row_factory=dict_row)
        await update.execute(batch.update, batch.parameters)
    before, row = await measured.fetchone(), await update.fetchone()
    assert before is not None, "a select without FROM has one row"
    assert row is not None, "an aggregate has one row"
    require_same_process(connection.server_pid, before.pid)
    await check_deferred(batch)
    async with connection.pipeline():
        await take_our_settings(connection)
        measured = await _measure(batch)
    after = await measured.fetchone()
    assert after is not None, "a select without FROM has one row"
    if after.rows_hidden:
        raise rows_are_hidden(batch.table)
    return Updated(
        rows=row["rows"],
        rows_unconverged=row["rows_unconverged"],
        rows_hot=after.rows_hot - before.rows_hot,
        insert_lsn=after.position,
        samples=tuple(row["samples"] or ()),
        unconverged=tuple(row["tids"] or ()),
        compression_refused=compressing is not None and await compressing.fetchone() is None,
        xid=after.xid,
        returning=batch.returning,
    )


async def _check_returning(batch: BatchStatement, updated: Updated) -> Updated:
    """Ask `where` once more of the rows that match still, until RETURNING and another statement agree."""
    if not updated.unconverged or batch.returning:
        return updated
    rows = await still_matching(batch, updated.unconverged)
    if rows == len(updated.unconverged):
        return updated if batch.returning is False else replace(updated, returning=True)
    return replace(updated, rows_unconverged=rows, samples=updated.samples if rows else (), returning=False)


async def _configure(batch: BatchStatement) -> AsyncCursor[Any] | None:
    """Set what holds in this transaction alone; return what `compress` does."""
    connection, admission = batch.connection, batch.request.admission
    commit = batch.job.synchronous_commit
    if commit != "off" or admission.flush:
        await connection.execute(
            SQL("SET LOCAL synchronous_commit = {}").format(Literal("local" if commit == "off" else commit))
        )
    if batch.table.name != batch.job.table:
        await connection.execute(lock_of(batch.job.table))
    if batch.batch_range.tids:  # of very many addresses the planner thinks that reading the whole table were cheaper
        await connection.execute("SET LOCAL enable_seqscan = off")
    return await compress(connection, admission.compression)


async def _measure(batch: BatchStatement) -> AsyncCursor[BatchCost]:
    cursor = batch.connection.cursor(row_factory=class_row(BatchCost))
    await cursor.execute(statement("work/read_batch_cost"), {"table_oid": batch.table.identity.oid})
    return cursor


async def _save_history(batch: BatchStatement, fields: dict[str, Any]) -> AsyncCursor[TupleRow]:
    """Keep the batch in the job's history; a row that was rejected once and is filled now is no longer kept."""
    connection, again = batch.connection, batch.request.again
    saved = await connection.execute(statement("work/save_batch_history"), fields)
    if again is not None:
        await connection.execute(statement("work/delete_rejected_rows"), fields | {"keys": [again.key]})
    return saved


def _after(batch: BatchStatement, updated: Updated) -> Checkpoint:
    """Return the place behind the batch; a row that is tried again lies anywhere, and the place stays."""
    checkpoint, rows, unconverged = batch.checkpoint, updated.rows, updated.rows_unconverged
    if batch.statements.once and unconverged and updated.xid is not None:
        checkpoint = replace(checkpoint, unconverged_xids=remember(checkpoint, updated.xid))
    if batch.request.again:  # it is of no pass: what one did in vain is counted behind it
        return replace(
            checkpoint,
            sequence=checkpoint.sequence + 1,
            rows_total=checkpoint.rows_total + rows,
        )
    return replace(
        advance(checkpoint, batch.batch_range.end),
        sequence=checkpoint.sequence + 1,
        rows_pass=checkpoint.rows_pass + rows,
        rows_converged_pass=checkpoint.rows_converged_pass + rows - unconverged,
        rows_total=checkpoint.rows_total + rows,
        rows_unconverged=checkpoint.rows_unconverged + unconverged,
    )


def _fields(batch: BatchStatement, after: Checkpoint, updated: Updated, wal_bytes: int) -> dict[str, Any]:
    """Return the parameters of the checkpoint and of the history."""
    checkpoint, admission = batch.checkpoint, batch.request.admission
    refused = updated.compression_refused
    inputs = replace(admission.inputs, compression=None) if refused else admission.inputs
    left = batch.request.time_left
    return values_of(after) | {
        "sequence": checkpoint.sequence,
        "job": batch.job.name,
        "table": after.leaf,
        "batch_pass": checkpoint.pass_number,
        "batch_stripe": checkpoint.stripe,
        "first_tid": str(checkpoint.next),
        "end_tid": str(batch.batch_range.end),
        "rows_wished": admission.rows,
        "waited_s": admission.waited_s,
        "waited_for": admission.waited_for,
        "limited_by": admission.limited_by,
        "inputs": Jsonb(asdict(inputs)),
        "wal_bytes": wal_bytes,
        "rows": updated.rows,
        "batch_unconverged": updated.rows_unconverged,
        "rows_hot": updated.rows_hot,
        "eta_low_s": left and left.low_s,
        "eta_high_s": left and left.high_s,
    }
