"""What `backfill plan` measures: a real batch, and another whose full-page images are compressed; both rolled back."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from psycopg import AsyncCursor
from psycopg.rows import DictRow, dict_row

from backfill.core.compression import Offer
from backfill.core.plan import Costs, Measurement
from backfill.core.scan import Layout, Scan, advance, begin
from backfill.core.scout import Cut, covers, cut
from backfill.core.table import Table
from backfill.core.units import format_duration
from backfill.errors import Refused
from backfill.pg.compression import compress
from backfill.pg.lane import DatabaseLane
from backfill.pg.session import Connection, translated
from backfill.pg.sqlfile import statement
from backfill.pg.statements import Statements

ROWS_MAX = 1000
"""Rows of a batch that is measured: enough to tell, little to throw away."""
SEARCH_S = 5.0
"""A row to do is looked for no longer."""


async def measure(lane: DatabaseLane, table: Table, statements: Statements, offer: Offer) -> Costs:
    """Return what a batch costs, plainly and where the role may compress; nothing of it is committed.

    They are on different pages, so that both pay for their full-page images.
    """
    plain = compressed = None
    began_s = time.monotonic()
    try:
        async with aclosing(_batches(lane, table)) as batches:
            async for scan, found in batches:
                if plain is None:
                    plain = await _run(lane.connection, statements, table, scan, found)
                if offer.method and scan.next.page > plain.last_page:
                    compressed = await _run(lane.connection, statements, table, scan, found, offer.method)
                if compressed or not offer.method:
                    break
    except Refused as error:
        why = str(error).splitlines()[0]
        return Costs(plain, uncompressed=why) if plain else Costs(unmeasured=why)
    if plain is None:
        over = time.monotonic() - began_s >= SEARCH_S
        return Costs(unmeasured="no row to do was found" + (f" in {format_duration(SEARCH_S)}" if over else ""))
    few = "" if compressed or not offer.method else "too few rows for another batch"
    return Costs(plain, compressed, uncompressed=offer.why or few)


async def _batches(lane: DatabaseLane, table: Table) -> AsyncGenerator[tuple[Scan, Cut], None]:
    """Yield batches of whole pages that have rows to do, from the start of the table on."""
    rows, until_s = min(lane.job.batch.rows, ROWS_MAX), time.monotonic() + SEARCH_S
    scan = begin(table.pages, Layout())
    while not scan.pass_done and time.monotonic() < until_s:
        scouted = await lane.read_scout(scan, rows)
        while covers(scouted, scan):
            found = cut(scouted, scan, rows)
            assert found is not None, f"a slice made for {rows} rows has more"
            if found.rows:
                yield scan, found
            scan = advance(scan, found.end)


async def _run(
    connection: Connection, statements: Statements, table: Table, scan: Scan, found: Cut, method: str | None = None
) -> Measurement:
    """Run the UPDATE of a batch as a run does, and roll it back."""
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            await connection.execute("SET LOCAL transaction_read_only = off")
            compressing = await compress(connection, method)
            if compressing is not None and await compressing.fetchone() is None:
                method = None
            before = await _measured(connection, table)
            started_s = time.monotonic()
            update: AsyncCursor[DictRow] = connection.cursor(row_factory=dict_row)
            await update.execute(statements.update_rest, {"low": str(scan.next), "high": str(found.end)})
            row = await update.fetchone()
            took_s = time.monotonic() - started_s
            after = await _measured(connection, table)
    assert row is not None, "an aggregate has one row"
    return Measurement(
        first_page=scan.next.page,
        last_page=max(scan.next.page, found.end.page - (found.end.offset == 0)),
        rows=row["rows"],
        rows_unconverged=row["rows_unconverged"],
        rows_hot=after["rows_hot"] - before["rows_hot"],
        wal_bytes=after["position"] - before["position"],
        took_s=took_s,
        compression=method,
    )


async def _measured(connection: Connection, table: Table) -> DictRow:
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(statement("read_batch_cost"), {"table_oid": table.identity.oid})
    row = await cursor.fetchone()
    assert row is not None, "a select without FROM has one row"
    return row
