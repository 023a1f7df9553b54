"""What `backfill plan` measures: a real batch, and another whose full-page images are compressed; both rolled back."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Composed

from backfill.events.plan import Costs, Measurement
from backfill.jobfile.job import Job
from backfill.postgres.catalog.check_expressions import below
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.missing_rights import with_grant
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work.compression import compress
from backfill.postgres.work.reads import count_rows
from backfill.table.checkpoint import Checkpoint, Layout, advance, begin
from backfill.table.definition import Table
from backfill.table.row_counts import BatchRange, batch_range, covers
from backfill.values.compression_support import ServerSupport
from backfill.values.errors import StatementRefused
from backfill.values.units import format_duration

ROWS_MAX = 1000
"""Rows of a batch that is measured: enough to tell, little to throw away."""
SEARCH_S = 5.0
"""A row to do is looked for no longer."""
_EXPLAIN = SQL("EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json) ")


async def measure(
    connection: Connection, job: Job, table: Table, statements: Statements, support: ServerSupport
) -> Costs:
    """Return what a batch costs, plainly and where the role may compress; nothing of it is committed.

    They are on different pages, so that both pay for their full-page images. The first is run twice: the second time
    its pages have their images, so that what it writes are its records alone.
    """
    plain = compressed = None
    began_s = time.monotonic()
    try:
        async with aclosing(_batches(connection, job, table, statements)) as batches:
            async for checkpoint, found in batches:
                if plain is None:
                    plain = await _explained(connection, statements, table, checkpoint, found)
                    again = await _run(connection, statements, table, checkpoint, found)
                    plain = replace(_apart(plain, again), rows_unconverged=again.rows_unconverged)
                elif support.method and checkpoint.next.page > plain.last_page:
                    explained = await _explained(connection, statements, table, checkpoint, found, support.method)
                    compressed = _apart(explained, plain)
                if compressed or not support.method:
                    break
    except StatementRefused as error:
        why = str(await with_grant(connection, error, table.name.name)).splitlines()[0]
        return Costs(plain=plain, uncompressed=why) if plain else Costs(unmeasured=why)
    if plain is None:
        over = time.monotonic() - began_s >= SEARCH_S
        return Costs(unmeasured="no row to do was found" + (f" in {format_duration(SEARCH_S)}" if over else ""))
    few = "" if compressed or not support.method else "too few rows for another batch"
    return Costs(plain=plain, compressed=compressed, uncompressed=support.why or few)


def _apart(measured: Measurement, again: Measurement) -> Measurement:
    """Return a measurement with its images told apart: what a batch wrote that has paid for them is without."""
    images_bytes = measured.wal_bytes - measured.rows * again.row_records_bytes
    return replace(measured, images_bytes=max(0, round(images_bytes)))


async def _batches(
    connection: Connection, job: Job, table: Table, statements: Statements
) -> AsyncGenerator[tuple[Checkpoint, BatchRange], None]:
    """Yield batches of whole pages that have rows to do, from the start of the table on."""
    rows, until_s = min(job.batch.rows, ROWS_MAX), time.monotonic() + SEARCH_S
    checkpoint = begin(table.pages, Layout())
    while not checkpoint.pass_done and time.monotonic() < until_s:
        row_counts = await count_rows(connection, statements, checkpoint, rows)
        while covers(row_counts, checkpoint):
            found = batch_range(row_counts, checkpoint, rows)
            assert found is not None, f"a slice made for {rows} rows has more"
            if found.rows:
                yield checkpoint, found
            checkpoint = advance(checkpoint, found.end)


async def _run(
    connection: Connection, statements: Statements, table: Table, checkpoint: Checkpoint, found: BatchRange
) -> Measurement:
    """Run the UPDATE of a batch as a run does, and roll it back."""
    async with _rolled_back(connection):
        measured, row = await _update(
            connection, statements.update[Scope.LAST_STRIPE, Pass.FIRST], table, checkpoint, found
        )
    rows, unconverged, _ = row
    return replace(measured, rows=rows, rows_unconverged=unconverged)


async def _explained(
    connection: Connection,
    statements: Statements,
    table: Table,
    checkpoint: Checkpoint,
    found: BatchRange,
    method: str | None = None,
) -> Measurement:
    """Run it by EXPLAIN ANALYZE, which counts its full-page images, and roll it back."""
    async with _rolled_back(connection):
        compressing = await compress(connection, method)
        if compressing is not None and await compressing.fetchone() is None:
            method = None
        measured, row = await _update(
            connection, _EXPLAIN + statements.update[Scope.LAST_STRIPE, Pass.FIRST], table, checkpoint, found
        )
    [update] = [node for node in below(row[0][0]["Plan"]) if node["Node Type"] == "ModifyTable"]
    return replace(measured, rows=int(update["Actual Rows"]), images=update["WAL FPI"], compression=method)


@asynccontextmanager
async def _rolled_back(connection: Connection) -> AsyncGenerator[None, None]:
    """Give a transaction that may write, and undo what it wrote."""
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            await connection.execute("SET LOCAL transaction_read_only = off")
            yield


async def _update(
    connection: Connection, update: Composed, table: Table, checkpoint: Checkpoint, found: BatchRange
) -> tuple[Measurement, tuple[Any, ...]]:
    before = await _measured(connection, table)
    started_s = time.monotonic()
    cursor = await execute_as_role(connection, update, {"low": str(checkpoint.next), "high": str(found.end)})
    row = await cursor.fetchone()
    took_s = time.monotonic() - started_s
    after = await _measured(connection, table)
    assert row is not None, "an aggregate, or a plan, is one row"
    measured = Measurement(
        first_page=checkpoint.next.page,
        last_page=max(checkpoint.next.page, found.end.page - (found.end.offset == 0)),
        rows=0,
        rows_unconverged=0,
        rows_hot=after["rows_hot"] - before["rows_hot"],
        wal_bytes=after["position"] - before["position"],
        took_s=took_s,
    )
    return measured, row


async def _measured(connection: Connection, table: Table) -> DictRow:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("work/read_batch_cost"), {"table_oid": table.identity.oid})
    row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    return row
