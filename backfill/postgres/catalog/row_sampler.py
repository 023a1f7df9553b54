"""Counts rows to do in chunks of pages all over the leaves of a table, for as long as there is time."""

from __future__ import annotations

import time

from psycopg.sql import Composed

from backfill.jobfile.job import Job
from backfill.postgres.catalog.leaves import CatalogLeaf
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.role_settings import execute_all_as_role
from backfill.postgres.statements.predicates import RowPredicates
from backfill.postgres.statements.row_sample import compose_row_sample
from backfill.table.checkpoint import Tid
from backfill.table.definition import Table
from backfill.table.estimate.row_sample import Chunk, ReadChunk, RowSample, chunks_to_read
from backfill.values.errors import StatementRefused

ROUND_TRIP_S = 0.25
"""Chunks that take so long together are read in one round trip, so that time is looked at often enough."""
AT_ONCE_MAX = 64


async def sample_rows(
    connection: Connection,
    job: Job,
    leaves: tuple[CatalogLeaf, ...],
    *,
    several: bool,
    jitter: float,
    search_s: float,
) -> tuple[RowSample, StatementRefused | None]:
    """Return what was counted of the leaves in `search_s`, and the error that ended it, None if none did.

    `several` is whether the job has more leaves than one, these or others.
    """
    queries = {str(leaf.name): _query(job, leaf, several=several) for leaf in leaves}
    chunks = chunks_to_read(((str(leaf.name), leaf.pages) for leaf in leaves), jitter)
    pages, read = sum(leaf.pages for leaf in leaves), list[ReadChunk]()
    until_s, at_once = time.monotonic() + search_s, 1
    while len(read) < len(chunks) and time.monotonic() < until_s:
        group, began_s = chunks[len(read) : len(read) + at_once], time.monotonic()
        try:
            read += await _count(connection, queries, group)
        except StatementRefused as error:
            return RowSample(pages, tuple(read)), error
        took_s = max(1e-4, time.monotonic() - began_s)
        at_once = max(1, min(AT_ONCE_MAX, int(len(group) * ROUND_TRIP_S / took_s)))
    return RowSample(pages, tuple(read)), None


async def _count(connection: Connection, queries: dict[str, Composed], chunks: tuple[Chunk, ...]) -> list[ReadChunk]:
    asked = [
        (queries[part.leaf], {"low": str(Tid(part.first)), "high": str(Tid(part.first + part.pages))})
        for part in chunks
    ]
    with translated(connection):
        found = []
        for chunk, cursor in zip(chunks, await execute_all_as_role(connection, asked), strict=True):
            row = await cursor.fetchone()
            assert row is not None, "a select without FROM has one row"
            found.append(ReadChunk(chunk, *row))
    return found


def _query(job: Job, leaf: CatalogLeaf, *, several: bool) -> Composed:
    """Return the count of a leaf's chunk: a condition names the job's table and columns, which all leaves have."""
    named = Table(
        name=leaf.name,
        identity=leaf.identity,
        pages=leaf.pages,
        rows_estimated=leaf.rows_estimated,
        columns=(),
        key=(),
        before_update_triggers=(),
        alias=job.table.name if several or leaf.name != job.table else None,
    )
    return compose_row_sample(RowPredicates(job, named, foreseen=False))
