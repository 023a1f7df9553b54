"""One session of a job on one leaf: what a lane asks for, answered by the modules of this package."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from backfill.jobfile.job import Job
from backfill.postgres.mapping.row_mapper import RowMapper
from backfill.postgres.monitor.lock_holders import with_holder
from backfill.postgres.session.missing_rights import with_grant
from backfill.postgres.session.read_only import with_setting
from backfill.postgres.state import checkpoint as stored
from backfill.postgres.state.schema import check_version
from backfill.postgres.statements.compose import Statements, vacuum_of
from backfill.postgres.work import reads, rejected
from backfill.postgres.work.batch_check import raise_if_several_rows, raise_if_where_fails
from backfill.postgres.work.batch_statement import BatchStatement
from backfill.postgres.work.batch_transaction import run_batch
from backfill.postgres.work.compression import compressing
from backfill.postgres.work.job_connection import JobConnection, PgStatusSession, SharedJob
from backfill.retry import sqlstate
from backfill.table.batch import (
    BatchRequest,
    Committed,
    RowDescription,
    RowRejection,
    RowsRefused,
    TooManyRows,
)
from backfill.table.checkpoint import Checkpoint, Layout, Tid
from backfill.table.definition import Table
from backfill.table.row_counts import BatchRange, RowCounts
from backfill.table.sparse_rows import RowAddresses, read_end
from backfill.table.stripe_plan import PageProfile
from backfill.throttle.signals import Signals
from backfill.upkeep.vacuum_choice import VacuumCost
from backfill.values.errors import StatementRefused


@dataclass(slots=True)
class LeafTable:
    """The table of the leaf that is open, as all its lanes see it; `predicting` asks rows what the UPDATE would do.

    `own_xids` are the transactions of each lane that left rows matching. `returning` is whether RETURNING sees what
    `where` sees of the same rows in a statement of its own; None while that was not tried.
    """

    table: Table
    statements: Statements
    own_xids: dict[int, tuple[int, ...]] = field(default_factory=dict)
    predicting: bool = True
    returning: bool | None = None

    @property
    def xids(self) -> tuple[int, ...]:
        """The transactions whose rows are not updated again."""
        return tuple(xid for xids in self.own_xids.values() for xid in xids) if self.statements.once else ()

    def turn_to(self, table: Table, statements: Statements) -> None:
        """Work on what has become of the table."""
        self.table, self.statements = table, statements if self.predicting else statements.unforeseen or statements

    def disable_prediction(self) -> bool:
        """Stop asking of a row what the UPDATE would make of it; return whether that was asked."""
        unforeseen, self.predicting = self.statements.unforeseen, False
        self.statements = unforeseen or self.statements
        return unforeseen is not None


def own_xids(checkpoints: tuple[Checkpoint, ...]) -> dict[int, tuple[int, ...]]:
    """Return what the lanes remember, by lane."""
    return {checkpoint.lane: checkpoint.unconverged_xids for checkpoint in checkpoints}


class PgLaneSession(PgStatusSession):
    """A connection, and the leaf that it works on."""

    def __init__(self, connection: JobConnection, shared: SharedJob, leaf_table: LeafTable) -> None:
        super().__init__(connection, shared)
        self._leaf_table = leaf_table

    @property
    def rows_at_once(self) -> int:
        """Rows that the job's function maps in good time."""
        return self._mapper.rows_at_once if self._mapper else self.job.batch.max_rows

    @property
    def _mapper(self) -> RowMapper | None:
        return self._own.mapper

    @property
    def _table(self) -> Table:
        return self._leaf_table.table

    @property
    def _statements(self) -> Statements:
        return self._leaf_table.statements

    async def read_signals(self) -> Signals:
        """Read everything that our WAL can hurt."""
        await self._own.follow_limits(self.job)
        return await self._shared.signals.read(self.connection, self._table.identity.oid)

    async def read_page_profile(self, checkpoint: Checkpoint) -> PageProfile | None:
        """Read the first pages of the window; None if no row there matches."""
        async with self._granting():
            return await reads.read_page_profile(self.connection, self._statements, checkpoint)

    async def count_rows(self, checkpoint: Checkpoint, rows: int, pages: int) -> RowCounts:
        """Count matching rows from the position on, in slices that hold at most `rows`, over at most `pages`."""
        async with self._granting(), compressing(self.connection, self._own.compression):
            return await reads.count_rows(
                self.connection, self._statements, checkpoint, rows, pages, self._leaf_table.xids
            )

    async def find_rows(self, checkpoint: Checkpoint, pages: int) -> RowAddresses:
        """Find the matching rows from the position on, in at most `pages` of the lane's own pages."""
        async with self._granting():
            return await reads.find_rows(
                self.connection, self._statements, checkpoint, read_end(checkpoint, pages), self._leaf_table.xids
            )

    async def read_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> RowAddresses:
        """Find the rows of a batch, or the first of very many."""
        async with self._granting():
            return await reads.read_rows(
                self.connection, self._statements, checkpoint, batch_range, self._leaf_table.xids
            )

    def disable_prediction(self) -> bool:
        """Stop asking of a row what the UPDATE would make of it, in any lane; return whether that was asked."""
        return self._leaf_table.disable_prediction()

    async def map_rows(self, checkpoint: Checkpoint, batch_range: BatchRange) -> BatchRange:
        """Let the job's function map the rows, if it has one, before the batch is admitted; return what it may be."""
        if self._mapper is None:
            return batch_range
        return await self._mapper.hold(self.connection, self._statements, checkpoint, batch_range)

    async def run_batch(
        self, request: BatchRequest, attribute_wal: Callable[[int], int]
    ) -> Committed | TooManyRows | RowsRefused:
        """Run one batch and its checkpoint in one transaction."""
        connection, statements, values = self.connection, self._statements, {}
        if self._mapper:
            checkpoint = request.checkpoint
            if request.again is not None:  # that row alone, wherever the checkpoint is
                checkpoint = replace(checkpoint, layout=Layout(), stripe=0, next=request.batch_range.tids[0])
            values = await self._mapper.values(connection, statements, checkpoint, request.batch_range)
        self._own.compression = request.admission.compression
        batch = BatchStatement(
            connection=connection,
            statements=statements,
            job=self.job,
            table=self._table,
            request=request,
            charge=attribute_wal,
            values=values,
            table_at=self._own.job_file.at("table"),
            where_at=self._own.job_file.at("where"),
            xids=self._leaf_table.xids,
            returning=self._leaf_table.returning,
        )
        try:
            async with self._granting():
                done = await run_batch(batch)
        except StatementRefused as error:
            if (blame := sqlstate.blame(error.sqlstate, error.took_s, self.job.statement_timeout_s)) is None:
                raise
            if blame is sqlstate.Blame.ROW:
                await raise_if_where_fails(batch, error)
                await raise_if_several_rows(batch, error)
            return RowsRefused(error, blame)
        if isinstance(done, Committed):
            self._leaf_table.own_xids[request.checkpoint.lane] = done.checkpoint.unconverged_xids
            if done.returning is False and self._leaf_table.returning is not False:
                self.disable_prediction()
            self._leaf_table.returning = done.returning
        return done

    async def describe(self, tid: Tid, *, values: bool) -> RowDescription | None:
        """Return a row's key, and with `values` what it would be set to; None if the row is gone."""
        asked = values and self._mapper is None
        described = await reads.describe(self.connection, self._statements, tid, values=asked)
        if described is None or asked or not values:
            return described
        assert self._mapper is not None, "a function gives the values"
        return replace(described, values=self._mapper.given(tid), unknown="the function was not asked about it")

    async def reject_row(
        self, checkpoint: Checkpoint, batch_range: BatchRange, error: StatementRefused
    ) -> RowRejection:
        """Record the one row of a batch as rejected and move the checkpoint behind it, in one transaction."""
        return await rejected.reject(self.connection, self._statements, self.job, checkpoint, batch_range, error)

    async def save_checkpoint(self, checkpoint: Checkpoint) -> Checkpoint:
        """Move the checkpoint without a batch."""
        [moved] = await stored.move(self.connection, self.job.name, (checkpoint,))
        return moved

    async def apply_limits(self, job: Job) -> None:
        """Keep other limits; the other lanes follow when they read the signals."""
        self._shared.job = job
        await self._own.follow_limits(job)

    async def start_vacuum(self, cost: VacuumCost) -> None:
        """Begin a VACUUM of the leaf on a connection of its own."""
        statement = vacuum_of(self._table, self.connection.info.server_version)
        self._shared.signals.vacuum.start(statement, cost, self._own.compression)

    @asynccontextmanager
    async def _granting(self) -> AsyncGenerator[None, None]:
        """Add to an error a GRANT, who holds a lock, or the setting that forbids it; name a newer state schema."""
        try:
            yield
        except StatementRefused as error:
            await check_version(self.connection, error)
            error = await with_holder(self.connection, error, self._statements, [self._table.identity.oid])
            error = await with_setting(self.connection, error)
            columns = [assignment.column for assignment in self.job.assignments]
            raise await with_grant(self.connection, error, self._table.name.name, columns) from None
