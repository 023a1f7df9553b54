"""What a batch is made from, and what is reported of a row: reads, each a statement of its own."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from psycopg.sql import Composed

from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.statements.batch_parameters import Scope, pass_of, range_of, scope_of
from backfill.postgres.statements.compose import Statements
from backfill.table.batch import RowDescription
from backfill.table.checkpoint import Checkpoint, Tid
from backfill.table.row_counts import BatchRange, RowCounts, make_slices
from backfill.table.sparse_rows import RowAddresses, whole_pages
from backfill.table.stripe_plan import PROFILE_PAGES, PageProfile, residues
from backfill.table.unconverged_xids import parameter
from backfill.values.errors import StatementRefused

Xids = tuple[int, ...]


async def count_rows(
    connection: Connection,
    statements: Statements,
    checkpoint: Checkpoint,
    rows: int,
    pages: int | None = None,
    xids: Xids = (),
) -> RowCounts:
    """Count matching rows from the scan's place on, in slices that hold at most `rows` line pointers."""
    grid = make_slices(checkpoint, rows) if pages is None else make_slices(checkpoint, rows, pages)
    counts = [[0] * checkpoint.stripes for _ in grid.bounds]
    parameters = {
        "bounds": [str(bound) for bound in grid.bounds],
        "low": str(checkpoint.next),
        "high": str(grid.end),
        "stripes": list(residues(checkpoint.layout.sizes)),
        "xids": parameter(xids),
    }
    with translated(connection):
        cursor = await execute_as_role(connection, statements.count[pass_of(checkpoint)], parameters)
        found = await cursor.fetchall()
    for index, stripe, rows_found in found:
        counts[index][stripe] = rows_found
    return RowCounts(grid, checkpoint.stripe, tuple(map(tuple, counts)))


async def find_rows(
    connection: Connection, statements: Statements, checkpoint: Checkpoint, end: Tid, xids: Xids = ()
) -> RowAddresses:
    """Return the addresses of rows to do from the scan's place up to `end`, or as far as the first of them reach."""
    query = statements.find[Scope.LAST_STRIPE, pass_of(checkpoint)]
    return whole_pages(
        checkpoint.next,
        end,
        await _tids(connection, query, {"low": str(checkpoint.next), "high": str(end), "xids": parameter(xids)}),
    )


async def read_rows(
    connection: Connection, statements: Statements, checkpoint: Checkpoint, batch_range: BatchRange, xids: Xids = ()
) -> RowAddresses:
    """Return the addresses of a batch's rows, or of the first of very many."""
    query = statements.find[scope_of(checkpoint), pass_of(checkpoint)]
    return whole_pages(
        checkpoint.next,
        batch_range.end,
        await _tids(connection, query, range_of(checkpoint, batch_range) | {"xids": parameter(xids)}),
    )


async def _tids(connection: Connection, query: Composed, parameters: dict[str, Any]) -> list[Tid]:
    with translated(connection):
        cursor = await execute_as_role(connection, query, parameters)
        return [Tid.parse(row[0]) for row in await cursor.fetchall()]


async def read_page_profile(
    connection: Connection, statements: Statements, checkpoint: Checkpoint
) -> PageProfile | None:
    """Return the average page at the start of the scan's window; None if no row there matches."""
    end = min(checkpoint.window_start + PROFILE_PAGES, checkpoint.window_end)
    parameters = {"low": str(Tid(checkpoint.window_start)), "high": str(Tid(end))}
    with translated(connection):
        cursor = await execute_as_role(connection, statements.profile, parameters)
        row = await cursor.fetchone()
    assert row is not None, "an aggregate has one row"
    rows, due, row_bytes, grown_bytes = row
    if not due:
        return None
    pages = end - checkpoint.window_start
    return PageProfile(
        rows=rows / pages,
        due=due / pages,
        row_bytes=_aligned(row_bytes),
        updated_bytes=_aligned(row_bytes + (grown_bytes or 0)),
    )


def _aligned(row_bytes: Decimal) -> int:
    """Return a tuple's length as it lies in a page: a multiple of 8."""
    return math.ceil(row_bytes / 8) * 8


async def read_key(connection: Connection, statements: Statements, tid: Tid) -> str | None:
    """Return the key of the row at an address, or the address if it has none; None if there is no row."""
    with translated(connection):
        cursor = await connection.execute(statements.row_key, {"tid": str(tid)})
        row = await cursor.fetchone()
    return row[0] if row else None


async def describe(connection: Connection, statements: Statements, tid: Tid, *, values: bool) -> RowDescription | None:
    """Return a row's key, and with `values` what it would be set to; None if the row is gone."""
    key = await read_key(connection, statements, tid)
    if key is None:
        return None
    if not values:
        return RowDescription(key)
    if statements.row_values is None:
        return RowDescription(key, unknown="'set' gives another value each time")
    try:
        with translated(connection):
            cursor = await execute_as_role(connection, statements.row_values, {"tid": str(tid)})
            row = await cursor.fetchone()
    except StatementRefused:
        return RowDescription(key, unknown="'set' itself fails on it")
    return RowDescription(key, row[0]) if row else RowDescription(key, unknown="it no longer matches 'where'")
