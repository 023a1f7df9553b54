"""One batch: an UPDATE of a range of row addresses and its checkpoint, in one transaction, or nothing at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.sql import Composed
from psycopg.types.json import Jsonb

from backfill.jobfile.job import Job
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.pooler import require_same_process
from backfill.postgres.session.sql_files import statement
from backfill.postgres.state.checkpoint import blame
from backfill.postgres.state.checkpoint_columns import checkpoint_statement, values_of
from backfill.postgres.statements.compose import Statements, lock_of
from backfill.postgres.work.compression import compress
from backfill.postgres.work.reads import range_of, untried
from backfill.table.batch import BatchRequest, BatchResult, TooManyRows
from backfill.table.checkpoint import Checkpoint, advance
from backfill.table.definition import Table
from backfill.table.row_counts import BatchRange
from backfill.values.errors import WhereStaysTrue


@dataclass(frozen=True, slots=True)
class BatchStatement:
    """An order on a session. `charge` returns what it wrote, by the position behind it; `values` are a function's."""

    connection: Connection
    statements: Statements
    job: Job
    table: Table
    request: BatchRequest
    charge: Callable[[int], int]
    values: dict[str, Any]

    @property
    def checkpoint(self) -> Checkpoint:
        """The place before it."""
        return self.request.checkpoint

    @property
    def batch_range(self) -> BatchRange:
        """Its rows."""
        return self.request.batch_range

    @property
    def update(self) -> Composed:
        """Its UPDATE."""
        again = not untried(self.checkpoint) and self.request.again is None
        statements = self.statements
        if self.batch_range.tids:
            return statements.update_rows_again if again else statements.update_rows
        if again:
            return statements.update_rest_again if self.checkpoint.last_stripe else statements.update_again
        return statements.update_rest if self.checkpoint.last_stripe else statements.update

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of its UPDATE; those of a function name the rows that it has values for."""
        return range_of(self.checkpoint, self.batch_range) | self.values


async def run_batch(batch: BatchStatement) -> BatchResult | TooManyRows:
    """Update and checkpoint; return what was committed, or Overfull.

    Raises Superseded or Rewritten when the checkpoint would not move, Diverges when `where` stays true for every
    row of a job's first batch, Halted when the session is no session. In each of these cases nothing was changed.
    """
    started_s = time.monotonic()
    connection = batch.connection
    try:
        with translated(connection):
            async with connection.transaction():
                batch_result = await _fill(batch)
    except _RolledBack as rolled_back:
        if rolled_back.overfull is not None:
            return rolled_back.overfull
        raise await blame(connection, batch.job.name, batch.checkpoint) from None
    except _Unmoved:
        raise WhereStaysTrue(
            f"'where' stays true for every row of the first batch, which was rolled back;"
            f" for example {await _sample(batch)}"
        ) from None
    return replace(batch_result, took_s=time.monotonic() - started_s)


class _RolledBack(Exception):
    """Leaves the transaction block, which rolls back."""

    def __init__(self, overfull: TooManyRows | None = None) -> None:
        self.overfull = overfull


class _Unmoved(Exception):
    """Every row of the first batch still matches `where`."""


async def _fill(batch: BatchStatement) -> BatchResult:
    connection, request = batch.connection, batch.request
    async with connection.pipeline():
        if request.admission.flush and batch.job.synchronous_commit == "off":
            await connection.execute("SET LOCAL synchronous_commit = local")
        if batch.table.name != batch.job.table:
            await connection.execute(lock_of(batch.job.table))
        compressing = await compress(connection, request.admission.compression)
        if (
            batch.batch_range.tids
        ):  # of very many addresses the planner thinks that reading the whole table were cheaper
            await connection.execute("SET LOCAL enable_seqscan = off")
        measured = await _measure(batch)
        update = connection.cursor(row_factory=dict_row)
        await update.execute(batch.update, batch.parameters)
    before, row = await measured.fetchone(), await update.fetchone()
    assert row is not None, "an aggregate has one row"
    assert before is not None, "a select without FROM has one row"
    require_same_process(connection.server_pid, before["pid"])
    refused = compressing is not None and await compressing.fetchone() is None
    rows, unconverged = row["rows"], row["rows_unconverged"]
    if rows > batch.job.batch.max_rows:
        raise _RolledBack(TooManyRows(rows))
    if rows and rows == unconverged and request.trial:
        raise _Unmoved
    after = _after(batch, rows, unconverged)
    measured = await _measure(batch)
    behind = await measured.fetchone()
    assert behind is not None, "a select without FROM has one row"
    rows_hot = behind["rows_hot"] - before["rows_hot"]
    wal_bytes = batch.charge(behind["position"])
    fields = _fields(batch, after) | {
        "wal_bytes": wal_bytes,
        "rows": rows,
        "batch_unconverged": unconverged,
        "rows_hot": rows_hot,
    }
    if refused:
        fields["inputs"] = Jsonb(asdict(replace(request.admission.inputs, compression=None)))
    async with connection.pipeline():
        saved = await connection.execute(checkpoint_statement("state/save_checkpoint"), fields)
        kept = await connection.execute(statement("work/save_batch"), fields)
        if request.again is not None:
            await connection.execute(statement("work/delete_rejected_rows"), fields | {"keys": [request.again.key]})
    saved_row, kept_row = await saved.fetchone(), await kept.fetchone()
    if saved_row is None:
        raise _RolledBack
    return BatchResult(
        checkpoint=replace(after, wal_bytes=saved_row[0]),
        rows=rows,
        rows_unconverged=unconverged,
        rows_hot=rows_hot,
        wal_bytes=wal_bytes,
        insert_lsn=behind["position"],
        took_s=0.0,
        samples=tuple(row["samples"] or ()),
        blocked_sessions=kept_row[0] if kept_row else 0,
        compression_refused=refused,
    )


async def _measure(batch: BatchStatement) -> AsyncCursor[DictRow]:
    cursor = batch.connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("work/read_batch_cost"), {"table_oid": batch.table.identity.oid})
    return cursor


def _after(batch: BatchStatement, rows: int, unconverged: int) -> Checkpoint:
    """Return the place behind the batch; a row that is tried again lies anywhere, and the place stays."""
    checkpoint = batch.checkpoint
    if batch.request.again:  # it is of no pass: what one did in vain is counted behind it
        return replace(checkpoint, sequence=checkpoint.sequence + 1, rows_total=checkpoint.rows_total + rows)
    return replace(
        advance(checkpoint, batch.batch_range.end),
        sequence=checkpoint.sequence + 1,
        rows_pass=checkpoint.rows_pass + rows,
        rows_converged_pass=checkpoint.rows_converged_pass + rows - unconverged,
        rows_total=checkpoint.rows_total + rows,
        rows_unconverged=checkpoint.rows_unconverged + unconverged,
    )


def _fields(batch: BatchStatement, after: Checkpoint) -> dict[str, Any]:
    checkpoint, admission = batch.checkpoint, batch.request.admission
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
        "inputs": Jsonb(asdict(admission.inputs)),
    }


async def _sample(batch: BatchStatement) -> str:
    """Return one row of the range before and after the UPDATE, which is rolled back again."""
    connection, statements = batch.connection, batch.statements
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            cursor = await connection.execute(statements.sample_before, range_of(batch.checkpoint, batch.batch_range))
            row = await cursor.fetchone()
            if row is None:
                return "none: the rows are gone"
            tid, key, before = row
            cursor = await connection.execute(statements.sample_after, {"tid": tid} | batch.values)
            after = await cursor.fetchone()
    return f"row {key}: {before} → {after[0] if after else 'not updated (a trigger or rule suppressed it)'}"
