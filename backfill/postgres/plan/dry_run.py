"""What `backfill plan` measures: batches here and there in the table, one of them compressed; all rolled back."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import DictRow, dict_row
from psycopg.sql import SQL, Composed

from backfill.events.measurement import Measurement, Place, heap_image_bytes
from backfill.events.plan import Costs
from backfill.events.wal_forecast import COMPRESSED_SHARE, image_ratio, index_image_ratio
from backfill.jobfile.job import Job
from backfill.postgres.catalog.check_expressions import below
from backfill.postgres.plan.layout import layout_of, window_at
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.missing_rights import with_grant
from backfill.postgres.session.role_settings import execute_as_role
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.batch_parameters import Pass, Scope
from backfill.postgres.statements.compose import Statements
from backfill.postgres.statements.row_statements import lock_rows_of
from backfill.postgres.work.compression import compress
from backfill.postgres.work.reads import find_rows, read_page_profile
from backfill.table.checkpoint import Tid
from backfill.table.definition import Table
from backfill.table.estimate.row_map import RowMap
from backfill.table.stripe_plan import PageProfile
from backfill.table.window_layout import TableTraits
from backfill.values.compression_support import ServerSupport
from backfill.values.errors import StatementRefused
from backfill.values.units import format_duration

PLACES = 4
ROWS_MIN, ROWS_MAX = 20, 250
"""Rows of a measured batch: enough for a figure, few enough to throw away."""
MEASURED_SHARE = 0.1
"""Of the rows to do that are measured: the pages of more would have their images by the time that a run comes."""
SEARCH_S = 5.0
"""Rows to do are looked for no longer."""
SEARCH_PAGES = 32
COMPRESSED_PLACE = 1
RECORD_PADDING_BYTES = 3.5
"""The mean of what MAXALIGN adds to a WAL record (access/transam/xlog.c)."""
WAL_PAGE_HEADERS = 1 + 24 / 8192
"""A page of WAL begins with a header (XLogPageHeaderData)."""
_EXPLAIN = SQL("EXPLAIN (ANALYZE, WAL, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT json) ")


@dataclass(frozen=True, slots=True)
class FoundRows:
    """All matching rows from `low` up to `high`, and the number of their pages."""

    low: Tid
    high: Tid
    pages: int

    @property
    def range(self) -> dict[str, Any]:
        """The parameters of their UPDATE."""
        return {"low": str(self.low), "high": str(self.high), "xids": []}


class DryRun:
    """A leaf of a job, of which batches are run and rolled back."""

    def __init__(
        self,
        connection: Connection,
        job: Job,
        table: Table,
        statements: Statements,
        traits: TableTraits,
        support: ServerSupport,
    ) -> None:
        self._connection = connection
        self._job = job
        self._table = table
        self._statements = statements
        self._traits = traits
        self._support = support
        self._update = statements.update[Scope.LAST_STRIPE, Pass.FIRST]
        self._lock = statements.find[Scope.LAST_STRIPE, Pass.FIRST] + lock_rows_of(table)
        self._until_s = time.monotonic() + SEARCH_S

    async def measure(self, known: RowMap, rows_to_do: int) -> Costs:
        """Return what batches cost where the rows to do are, plainly and if the role may compress; nothing stays."""
        self._until_s = time.monotonic() + SEARCH_S
        rows = max(ROWS_MIN, min(ROWS_MAX, self._job.batch.rows, int(rows_to_do * MEASURED_SHARE / PLACES)))
        costs, page = Costs(), 0
        try:
            for number in range(PLACES):
                page = max(page, known.page_at((number + 0.5) / PLACES))
                found = await self._find(page, rows)
                if found is None:
                    continue
                place = await self._measure(found, first=not costs.places)
                costs, page = replace(costs, places=(*costs.places, place)), place.measured.last_page + 1
                if self._support.method and number == COMPRESSED_PLACE and (found := await self._find(page, rows)):
                    compressed = await self._run(found, place.profile, self._support.method)
                    costs, page = replace(costs, compressed=compressed), compressed.last_page + 1
        except StatementRefused as error:
            columns = [assignment.column for assignment in self._job.assignments]
            why = str(await with_grant(self._connection, error, self._table.name.name, columns)).splitlines()[0]
            return replace(costs, uncompressed=why) if costs.places else Costs(unmeasured=why)
        if not costs.places:
            over = time.monotonic() >= self._until_s
            return Costs(unmeasured="no row to do was found" + (f" in {format_duration(SEARCH_S)}" if over else ""))
        few = "" if costs.compressed or not self._support.method else "too few rows for another batch"
        return replace(
            costs,
            image_ratio=image_ratio(costs.places, costs.compressed),
            index_image_ratio=index_image_ratio(costs.places, costs.compressed),
            uncompressed=self._support.why or few,
        )

    async def _find(self, page: int, rows: int) -> FoundRows | None:
        """Return the first rows to do from a page on, whole pages of them if they are on several."""
        low, end, pages = page, self._table.pages, SEARCH_PAGES
        tids: list[Tid] = []
        while len(tids) <= rows and low < end and time.monotonic() < self._until_s:
            high = min(low + pages, end)
            found = await find_rows(self._connection, self._statements, window_at(self._table, low), Tid(high))
            tids += found.tids
            low, pages = found.end.page, 2 * pages
        if not tids:
            return None
        taken = tids[:rows]
        if len(tids) > rows and tids[rows].page == taken[-1].page and taken[0].page < taken[-1].page:
            taken = [tid for tid in taken if tid.page < taken[-1].page]
        last = taken[-1]
        return FoundRows(taken[0], last._replace(offset=last.offset + 1), len({tid.page for tid in taken}))

    async def _measure(self, found: FoundRows, *, first: bool) -> Place:
        window = window_at(self._table, found.low.page)
        profile = await read_page_profile(self._connection, self._statements, window)
        layout = layout_of(self._job, self._traits, profile)
        measured = await self._run(found, profile)
        if first:
            measured = replace(measured, rows_unconverged=await self._unconverged(found))
        return Place(measured, profile, layout)

    async def _unconverged(self, found: FoundRows) -> int:
        """Run the UPDATE of a batch as a run does; return the rows that match `where` after it."""
        async with _rolled_back(self._connection):
            cursor = await execute_as_role(self._connection, self._update, found.range)
            row = await cursor.fetchone()
            if self._table.deferrable:
                await self._connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        assert row is not None, "an aggregate is one row"
        return int(row[1])

    async def _run(self, found: FoundRows, profile: PageProfile | None, method: str | None = None) -> Measurement:
        """Lock and update a batch by EXPLAIN ANALYZE, which counts its full-page images, and roll it back."""
        async with _rolled_back(self._connection):
            compressing = await compress(self._connection, method)
            if compressing is not None and await compressing.fetchone() is None:
                method = None
            locked, _ = await self._explained(self._lock, found)
            before, started_s = await self._cost(), time.monotonic()
            updated, fired = await self._explained(self._update, found)
            took_s, after = time.monotonic() - started_s, await self._cost()
            others_too = int(after["position"] - before["position"])
        image_bytes = heap_image_bytes(profile) * (COMPRESSED_SHARE if self._support.already else 1)
        return Measurement(
            first_page=found.low.page,
            last_page=found.high.page,
            pages=found.pages,
            rows=int(updated["Actual Rows"]),
            rows_unconverged=0,
            rows_hot=after["rows_hot"] - before["rows_hot"],
            wal_bytes=others_too if fired else _wal_bytes(updated),
            locks_wal_bytes=_wal_bytes(locked),
            took_s=took_s,
            heap_images=min(found.pages, int(locked["WAL FPI"])),
            heap_image_bytes=image_bytes,
            index_images=int(updated["WAL FPI"]),
            compression=method,
        )

    async def _explained(self, query: Composed, found: FoundRows) -> tuple[dict[str, Any], bool]:
        """Run a statement by EXPLAIN ANALYZE; return the node that changes rows or locks them.

        And whether triggers fired after it, whose WAL no node has.
        """
        cursor = await execute_as_role(self._connection, _EXPLAIN + query, found.range)
        row = await cursor.fetchone()
        assert row is not None, "a plan is one row"
        explained = row[0][0]
        [node] = [part for part in below(explained["Plan"]) if part["Node Type"] in ("ModifyTable", "LockRows")]
        fired = {trigger.get("Trigger Name") for trigger in explained.get("Triggers", ())}
        return node, not fired <= {*self._table.before_update_triggers}

    async def _cost(self) -> DictRow:
        cursor = self._connection.cursor(row_factory=dict_row)
        await cursor.execute(statement("work/read_batch_cost"), {"table_oid": self._table.identity.oid})
        row = await cursor.fetchone()
        assert row is not None, "a select without FROM has one row"
        return row


def _wal_bytes(node: dict[str, Any]) -> int:
    """Return what a node wrote as it lies in the WAL: EXPLAIN counts neither the records' padding nor page headers.

    The WAL position would count what all other sessions wrote meanwhile.
    """
    written_bytes: float = node["WAL Bytes"] + RECORD_PADDING_BYTES * node["WAL Records"]
    return round(written_bytes * WAL_PAGE_HEADERS)


@asynccontextmanager
async def _rolled_back(connection: Connection) -> AsyncGenerator[None, None]:
    """Give a transaction that may write, and undo what it wrote."""
    with translated(connection):
        async with connection.transaction(force_rollback=True):
            await connection.execute("SET LOCAL transaction_read_only = off")
            yield
