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

from backfill.core.batch import Filled, Order, Overfull
from backfill.core.job import Job
from backfill.core.scan import Scan, advance
from backfill.core.scout import Cut
from backfill.core.table import Table
from backfill.errors import Diverges
from backfill.pg.checkpoint import blame, fields_of
from backfill.pg.compression import compress
from backfill.pg.pooler import insist_on_process
from backfill.pg.reads import range_of, untried
from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement
from backfill.pg.statements import Statements, lock_of


@dataclass(frozen=True, slots=True)
class Batch:
    """An order on a session. `charge` returns what it wrote, by the position behind it; `values` are a function's."""

    connection: Connection
    statements: Statements
    job: Job
    table: Table
    order: Order
    charge: Callable[[int], int]
    values: dict[str, Any]

    @property
    def scan(self) -> Scan:
        """The place before it."""
        return self.order.scan

    @property
    def cut(self) -> Cut:
        """Its rows."""
        return self.order.cut

    @property
    def update(self) -> Composed:
        """Its UPDATE."""
        again = not untried(self.scan) and self.order.again is None
        statements = self.statements
        if self.cut.tids:
            return statements.update_rows_again if again else statements.update_rows
        if again:
            return statements.update_rest_again if self.scan.last_stripe else statements.update_again
        return statements.update_rest if self.scan.last_stripe else statements.update

    @property
    def parameters(self) -> dict[str, Any]:
        """The values of its UPDATE; those of a function name the rows that it has values for."""
        return range_of(self.scan, self.cut) | self.values


async def run_batch(batch: Batch) -> Filled | Overfull:
    """Update and checkpoint; return what was committed, or Overfull.

    Raises Superseded or Rewritten when the checkpoint would not move, Diverges when `where` stays true for every
    row of a job's first batch, Halted when the session is no session. In each of these cases nothing was changed.
    """
    started_s = time.monotonic()
    connection = batch.connection
    try:
        with translated(connection):
            async with connection.transaction():
                filled = await _fill(batch)
    except _RolledBack as rolled_back:
        if rolled_back.overfull is not None:
            return rolled_back.overfull
        raise await blame(connection, batch.job.name, batch.scan) from None
    except _Unmoved:
        raise Diverges(
            f"'where' stays true for every row of the first batch, which was rolled back;"
            f" for example {await _sample(batch)}"
        ) from None
    return replace(filled, took_s=time.monotonic() - started_s)


class _RolledBack(Exception):
    """Leaves the transaction block, which rolls back."""

    def __init__(self, overfull: Overfull | None = None) -> None:
        self.overfull = overfull


class _Unmoved(Exception):
    """Every row of the first batch still matches `where`."""


async def _fill(batch: Batch) -> Filled:
    connection, order = batch.connection, batch.order
    async with connection.pipeline():
        if order.admission.flush and batch.job.synchronous_commit == "off":
            await connection.execute("SET LOCAL synchronous_commit = local")
        if batch.table.name != batch.job.table:
            await connection.execute(lock_of(batch.job.table))
        compressing = await compress(connection, order.admission.compression)
        if batch.cut.tids:  # of very many addresses the planner thinks that reading the whole table were cheaper
            await connection.execute("SET LOCAL enable_seqscan = off")
        measured = await _measure(batch)
        update = connection.cursor(row_factory=dict_row)
        await update.execute(batch.update, batch.parameters)
    before, row = await measured.fetchone(), await update.fetchone()
    assert row is not None, "an aggregate has one row"
    assert before is not None, "a select without FROM has one row"
    insist_on_process(connection.server_pid, before["pid"])
    refused = compressing is not None and await compressing.fetchone() is None
    rows, unconverged = row["rows"], row["rows_unconverged"]
    if rows > batch.job.batch.max_rows:
        raise _RolledBack(Overfull(rows))
    if rows and rows == unconverged and order.trial:
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
        fields["inputs"] = Jsonb(asdict(replace(order.admission.inputs, compression=None)))
    async with connection.pipeline():
        saved = await connection.execute(statement("save_scan"), fields)
        kept = await connection.execute(statement("save_batch"), fields)
        if order.again is not None:
            await connection.execute(statement("delete_rejected_rows"), fields | {"keys": [order.again.key]})
    saved_row, kept_row = await saved.fetchone(), await kept.fetchone()
    if saved_row is None:
        raise _RolledBack
    return Filled(
        scan=replace(after, wal_bytes=saved_row[0]),
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


async def _measure(batch: Batch) -> AsyncCursor[DictRow]:
    cursor = batch.connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("read_batch_cost"), {"table_oid": batch.table.identity.oid})
    return cursor


def _after(batch: Batch, rows: int, unconverged: int) -> Scan:
    """Return the place behind the batch; a row that is tried again lies anywhere, and the place stays."""
    scan = batch.scan
    if batch.order.again:  # it is of no pass: what one did in vain is counted behind it
        return replace(scan, sequence=scan.sequence + 1, rows_total=scan.rows_total + rows)
    return replace(
        advance(scan, batch.cut.end),
        sequence=scan.sequence + 1,
        rows_pass=scan.rows_pass + rows,
        rows_converged_pass=scan.rows_converged_pass + rows - unconverged,
        rows_total=scan.rows_total + rows,
        rows_unconverged=scan.rows_unconverged + unconverged,
    )


def _fields(batch: Batch, after: Scan) -> dict[str, Any]:
    scan, admission = batch.scan, batch.order.admission
    return fields_of(after) | {
        "sequence": scan.sequence,
        "job": batch.job.name,
        "table": after.leaf,
        "batch_pass": scan.pass_number,
        "batch_stripe": scan.stripe,
        "first_tid": str(scan.next),
        "end_tid": str(batch.cut.end),
        "rows_wished": admission.rows,
        "waited_s": admission.waited_s,
        "waited_for": admission.waited_for,
        "limited_by": admission.limited_by,
        "inputs": Jsonb(asdict(admission.inputs)),
    }


async def _sample(batch: Batch) -> str:
    """Return one row of the range before and after the UPDATE, which is rolled back again."""
    connection, statements = batch.connection, batch.statements
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            cursor = await connection.execute(statements.sample_before, range_of(batch.scan, batch.cut))
            row = await cursor.fetchone()
            if row is None:
                return "none: the rows are gone"
            tid, key, before = row
            cursor = await connection.execute(statements.sample_after, {"tid": tid} | batch.values)
            after = await cursor.fetchone()
    return f"row {key}: {before} → {after[0] if after else 'not updated (a trigger or rule suppressed it)'}"
