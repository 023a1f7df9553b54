"""One batch: an UPDATE of a range of row addresses and its checkpoint, in one transaction, or nothing at all."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from backfill.core.batch import Filled, Order, Overfull
from backfill.core.due import Due, gather
from backfill.core.job import Job
from backfill.core.page import SHAPE_PAGES, Shape, mask, residues
from backfill.core.scan import Scan, Tid, advance
from backfill.core.scout import Cut
from backfill.core.table import Table
from backfill.errors import Diverges
from backfill.pg.checkpoint import blame, fields_of
from backfill.pg.compression import compress
from backfill.pg.pooler import insist_on_process
from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement
from backfill.pg.statements import Statements

Charge = Callable[[int], int]
"""What a batch has written, by the primary's position behind it."""


async def run_batch(
    connection: Connection,
    statements: Statements,
    job: Job,
    table: Table,
    order: Order,
    charge: Charge,
    values: dict[str, Any],
) -> Filled | Overfull:
    """Update and checkpoint; return what was committed, or Overfull. `values` are those of a row function.

    Raises Superseded or Rewritten when the checkpoint would not move, Diverges when `where` stays true for every
    row of a job's first batch, Halted when the session is no session. In each of these cases nothing was changed.
    """
    started_s = time.monotonic()
    scan, cut = order.scan, order.cut
    try:
        with translated(connection):
            async with connection.transaction():
                filled = await _fill(connection, statements, job, table, order, charge, values)
    except _RolledBack as rolled_back:
        if rolled_back.overfull is not None:
            return rolled_back.overfull
        raise await blame(connection, job.name, scan) from None
    except _Unmoved:
        sample = await _sample(connection, statements, scan, cut, values)
        raise Diverges(
            f"'where' stays true for every row of the first batch, which was rolled back; for example {sample}"
        ) from None
    return replace(filled, took_s=time.monotonic() - started_s)


class _RolledBack(Exception):
    """Leaves the transaction block, which rolls back."""

    def __init__(self, overfull: Overfull | None = None) -> None:
        self.overfull = overfull


class _Unmoved(Exception):
    """Every row of the first batch still matches `where`."""


async def _fill(
    connection: Connection,
    statements: Statements,
    job: Job,
    table: Table,
    order: Order,
    charge: Charge,
    values: dict[str, Any],
) -> Filled:
    scan, cut = order.scan, order.cut
    async with connection.pipeline():
        if order.admission.flush and job.synchronous_commit == "off":
            await connection.execute("SET LOCAL synchronous_commit = local")
        compressing = await compress(connection, order.admission.compression)
        if cut.tids:  # of very many addresses the planner thinks that reading the whole table were cheaper
            await connection.execute("SET LOCAL enable_seqscan = off")
        measured = await _measure(connection, table)
        update = connection.cursor(row_factory=dict_row)
        await update.execute(_update_for(statements, order), _range(scan, cut) | values)
    before, row = await measured.fetchone(), await update.fetchone()
    assert row is not None, "an aggregate has one row"
    assert before is not None, "a select without FROM has one row"
    insist_on_process(connection.server_pid, before["pid"])
    refused = compressing is not None and await compressing.fetchone() is None
    rows, unconverged = row["rows"], row["rows_unconverged"]
    if rows > job.batch.max_rows:
        raise _RolledBack(Overfull(rows))
    if rows and rows == unconverged and order.trial:
        raise _Unmoved
    after = _after(scan, cut, rows, unconverged)
    measured = await _measure(connection, table)
    behind = await measured.fetchone()
    assert behind is not None, "a select without FROM has one row"
    rows_hot = behind["rows_hot"] - before["rows_hot"]
    wal_bytes = charge(behind["position"])
    fields = _fields(job, order, after) | {
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


async def _measure(connection: Connection, table: Table) -> AsyncCursor[DictRow]:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("read_batch_cost"), {"table_oid": table.identity.oid})
    return cursor


def _update_for(statements: Statements, order: Order) -> Any:
    scan = order.scan
    if order.cut.tids:
        return statements.update_rows if _untried(scan) else statements.update_rows_again
    if _untried(scan):
        return statements.update_rest if scan.last_stripe else statements.update
    return statements.update_rest_again if scan.last_stripe else statements.update_again


def _untried(scan: Scan) -> bool:
    """Whether no pass has tried all rows yet: the first one updates whatever matches."""
    return scan.pass_number == 1


def _range(scan: Scan, cut: Cut) -> dict[str, Any]:
    return {
        "low": str(cut.low or scan.next),
        "high": str(cut.high or cut.end),
        "mask": mask(scan.layout.sizes, scan.stripe),
        "tids": [str(tid) for tid in cut.tids],
    }


def _after(scan: Scan, cut: Cut, rows: int, unconverged: int) -> Scan:
    moved = advance(scan, cut.end)
    return replace(
        moved,
        sequence=scan.sequence + 1,
        rows_pass=scan.rows_pass + rows,
        rows_converged_pass=scan.rows_converged_pass + rows - unconverged,
        rows_total=scan.rows_total + rows,
        rows_unconverged=scan.rows_unconverged + unconverged,
    )


def _fields(job: Job, order: Order, after: Scan) -> dict[str, Any]:
    return fields_of(after) | {
        "sequence": order.scan.sequence,
        "job": job.name,
        "table": after.leaf,
        "batch_pass": order.scan.pass_number,
        "batch_stripe": order.scan.stripe,
        "first_tid": str(order.scan.next),
        "end_tid": str(order.cut.end),
        "rows_wished": order.admission.rows,
        "waited_s": order.admission.waited_s,
        "waited_for": order.admission.waited_for,
        "limited_by": order.admission.limited_by,
        "inputs": Jsonb(asdict(order.admission.inputs)),
    }


async def _sample(connection: Connection, statements: Statements, scan: Scan, cut: Cut, values: dict[str, Any]) -> str:
    """Return one row of the range before and after the UPDATE, which is rolled back again."""
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            cursor = await connection.execute(statements.sample_before, _range(scan, cut))
            row = await cursor.fetchone()
            if row is None:
                return "none: the rows are gone"
            tid, key, before = row
            cursor = await connection.execute(statements.sample_after, {"tid": tid} | values)
            after = await cursor.fetchone()
    return f"row {key}: {before} → {after[0] if after else 'not updated (a trigger or rule suppressed it)'}"


async def read_scout(
    connection: Connection, statements: Statements, scan: Scan, bounds: list[str], end: str
) -> list[tuple[int, int, int]]:
    """Return (slice, stripe, matching rows) of the range, for slices and stripes that have any."""
    query = statements.scout if _untried(scan) else statements.scout_again
    parameters = {
        "bounds": bounds,
        "low": str(scan.next),
        "high": end,
        "stripes": list(residues(scan.layout.sizes)),
    }
    with translated(connection):
        cursor = await connection.execute(query, parameters)
        return await cursor.fetchall()


async def read_due(connection: Connection, statements: Statements, scan: Scan, end: Tid) -> Due:
    """Return the addresses of rows to do from the scan's place up to `end`, or as far as the first of them reach."""
    query = statements.due if _untried(scan) else statements.due_again
    with translated(connection):
        cursor = await connection.execute(query, {"low": str(scan.next), "high": str(end)})
        tids = [Tid.parse(row[0]) for row in await cursor.fetchall()]
    return gather(scan.next, end, tids)


async def read_shape(connection: Connection, statements: Statements, scan: Scan) -> Shape | None:
    """Return the average page at the start of the scan's window; None where no row there is due."""
    end = min(scan.window_start + SHAPE_PAGES, scan.window_end)
    parameters = {"low": str(Tid(scan.window_start)), "high": str(Tid(end))}
    with translated(connection):
        cursor = await connection.execute(statements.shape, parameters)
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"
    rows, due, row_bytes, grown_bytes = row
    if not due:
        return None
    pages = end - scan.window_start
    return Shape(rows / pages, due / pages, _aligned(row_bytes), _aligned(row_bytes + (grown_bytes or 0)))


def _aligned(row_bytes: Decimal) -> int:
    """Return a tuple's length as it lies in a page: a multiple of 8."""
    return math.ceil(row_bytes / 8) * 8
