"""A job on its connections: its locks, its leaves and its end."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio

from backfill.events.job import Finished
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import table as catalog_table
from backfill.postgres.catalog.check_expressions import accept_sources, prepare
from backfill.postgres.catalog.leaves import CatalogLeaf, read_leaves
from backfill.postgres.catalog.row_sampler import sample_rows
from backfill.postgres.catalog.sync_check import check_sync
from backfill.postgres.catalog.update_effects import check_effects, check_own_rows
from backfill.postgres.change.finish_state import without_removed_trigger
from backfill.postgres.change.polite_lock import Report, Sleep
from backfill.postgres.change.sync_trigger import install_sync_trigger, remove_sync_trigger
from backfill.postgres.monitor.pollers import Pollers
from backfill.postgres.monitor.side_connection import side_connection
from backfill.postgres.session.connection import Connection, worker_name
from backfill.postgres.session.connection_limits import check_connections
from backfill.postgres.session.server import ServerFacts, check_server, read_server
from backfill.postgres.state import checkpoint as stored
from backfill.postgres.state import job as job_state
from backfill.postgres.state import locks
from backfill.postgres.state import schema as state_schema
from backfill.postgres.state.removal import withdraw_job
from backfill.postgres.work import rejected
from backfill.postgres.work.compression import read_support, require_right
from backfill.postgres.work.job_connection import (
    JobConnection,
    JobConnections,
    PgStatusSession,
    RestartOnce,
    SharedJob,
    open_connection,
)
from backfill.postgres.work.leaf_session import PgLeafSession, open_leaf, read_leaf
from backfill.postgres.work.signal_reader import SignalReader
from backfill.postgres.work.vacuum import Vacuum
from backfill.table.definition import Table
from backfill.table.estimate.row_map import RowMap, row_maps
from backfill.table.leaves import JobStart, Leaf
from backfill.values.errors import Halted, JobError

CANCEL_PATIENCE_S = 60.0
"""How long a run that is over waits for the lock to drop its trigger, which does nothing by then."""
ESTIMATE_S = 2.0
"""Matching rows are counted no longer before a run begins: they are for its progress alone."""


class PgJobSession(PgStatusSession):
    """The session that holds the job's locks; `open_job` makes it."""

    def __init__(
        self,
        connections: JobConnections,
        shared: SharedJob,
        server: ServerFacts,
        restart: RestartOnce,
        *,
        schema_is_new: bool,
    ) -> None:
        super().__init__(connections.first, shared)
        self.job_file = connections.job_file
        self._connections = connections
        self._server = server
        self._restart = restart
        self._schema_is_new = schema_is_new
        self._leaf: PgLeafSession | None = None
        self._row_maps: dict[str, RowMap] = {}

    async def interrupt(self) -> None:
        """Cancel the verification read if it runs now; a batch is left to end."""
        if self._leaf is not None and self._leaf.verifying:
            await self._connections.first.cancel()

    async def cancel(self) -> None:
        """Cancel the statement that runs now on each connection; its transaction is rolled back."""
        await self._connections.cancel()

    async def try_lock(self) -> str | None:
        """Take the job's and the table's lock; return who holds one of them instead."""
        return await locks.try_lock(self.connection, self.job.name, str(self.job.table))

    async def begin(self, *, again: bool = False) -> JobStart:
        """Mark the job as running; return what earlier workers knew and did."""
        connection, worker = self.connection, worker_name(self.job.name)
        with self._restart.take() as restart:
            start = await job_state.begin_job(connection, self.job_file, worker=worker, restart=restart, again=again)
        support = await read_support(connection, self.job, self._server)
        return replace(start, compression=support, schema_is_new=self._schema_is_new)

    async def install_sync_trigger(self, report: Report, sleep: Sleep) -> None:
        """Make the job's trigger on its table and whatever holds its rows, or find that it is there, or over."""
        connection, job_file = self.connection, self.job_file
        if job_file.job.sync == "none":
            return
        table = await catalog_table.read_table(connection, job_file, self._server.role)
        async with side_connection(self._connections.dsn) as side:
            await install_sync_trigger(connection, job_file, table, side=side, report=report, sleep=sleep)

    async def remove_sync_trigger(self, report: Report, sleep: Sleep) -> None:
        """Remove the job's trigger; who reads the table for long keeps it from being dropped, and does not keep us."""
        async with side_connection(self._connections.dsn) as side:
            await remove_sync_trigger(
                self.connection, self.job.name, side=side, report=report, sleep=sleep, give_up_s=CANCEL_PATIENCE_S
            )

    async def withdraw(self, start: JobStart) -> None:
        """Leave nothing of a job that this run began and that changed no row."""
        if self.job.sync == "trigger":
            await self.remove_sync_trigger(lambda _: None, anyio.sleep)
        await withdraw_job(self.connection, self.job.name, with_schema=start.schema_is_new)

    async def leaves(self) -> tuple[Leaf, ...]:
        """Return the tables to fill. One that cannot be filled, and came after the job was checked, halts it."""
        connection, job = self.connection, self.job.name
        try:
            listed = await read_leaves(connection, self.job_file, self._server.role)
        except JobError as error:
            raise Halted(str(error)) from None
        proofs = await stored.read_proofs(connection, job)
        await job_state.save_leaves(connection, job, len(listed), sum(leaf.pages for leaf in listed))
        await rejected.delete_of_other_leaves(connection, job, [str(leaf.name) for leaf in listed])
        left = tuple(leaf for leaf in listed if leaf.identity not in proofs)
        known = await self._estimate(left, several=len(listed) > 1)
        return tuple(
            Leaf(
                name=str(leaf.name),
                pages=leaf.pages,
                rows_estimated=leaf.rows_estimated,
                proof=proofs.get(leaf.identity),
                known=known.get(str(leaf.name)),
            )
            for leaf in listed
        )

    async def _estimate(self, leaves: tuple[CatalogLeaf, ...], *, several: bool) -> dict[str, RowMap]:
        """Return where matching rows were in each leaf when this run first saw it; nothing if `where` fails on one."""
        new = tuple(leaf for leaf in leaves if str(leaf.name) not in self._row_maps)
        if new:
            sample, error = await sample_rows(
                self.connection,
                self.job,
                new,
                several=several,
                jitter=random.random(),  # noqa: S311 - it spreads reads
                search_s=ESTIMATE_S,
            )
            if not error:
                self._row_maps |= row_maps(sample, ((str(leaf.name), leaf.pages) for leaf in new))
        return self._row_maps

    async def try_leaf(self, leaf: str) -> str | None:
        """Take the lock of a leaf; return who holds it instead."""
        return await locks.try_leaf_lock(self.connection, leaf)

    async def release_leaf(self, leaf: str) -> None:
        """Give the lock of a leaf back."""
        await locks.release(self.connection, leaf)

    @asynccontextmanager
    async def open_leaf(self, leaf: str) -> AsyncGenerator[PgLeafSession, None]:
        """Claim the checkpoints of a leaf, or write the first ones. Only the lock's holder may call it."""
        self._leaf = await open_leaf(self._connections, self._shared, self._server, leaf)
        try:
            yield self._leaf
        finally:
            self._leaf = None

    async def save_end(self, finished: Finished) -> None:
        """Save how this run ended."""
        await job_state.save_end(self.connection, finished)
        await job_state.save_event(self.connection, self.job.name, finished.state, finished.why)


@asynccontextmanager
async def open_job(
    dsn: str,
    job_file: JobFile,
    restart: RestartOnce | None = None,
    judge: Callable[[Connection], Awaitable[None]] | None = None,
) -> AsyncGenerator[PgJobSession, None]:
    """Connect, and check the job: raises before anything is written if the server, the table or the job is wrong.

    `judge` raises what else speaks against the run.
    """
    first = await open_connection(dsn, job_file)
    connections = JobConnections(dsn, job_file, first)
    try:
        if restart is None or not restart.wanted:
            connections.job_file = job_file = await without_removed_trigger(first.connection, job_file)
        job = job_file.job
        server = await _check(first, job_file)
        if judge is not None:
            await judge(first.connection)
        schema_is_new = await state_schema.ensure_state(first.connection)
        pollers, vacuum = Pollers(dsn, job), Vacuum(dsn, job.name)
        pollers.open()
        try:
            shared = SharedJob(job, SignalReader(job, pollers, vacuum, aurora=server.aurora))
            yield PgJobSession(connections, shared, server, restart or RestartOnce(), schema_is_new=schema_is_new)
        finally:
            await vacuum.close()
            await pollers.close()
    finally:
        await connections.close()  # and with them our locks


async def _check(first: JobConnection, job_file: JobFile) -> ServerFacts:
    connection, job = first.connection, job_file.job
    server = await read_server(connection)
    check_server(server)
    await check_connections(connection, job)
    await check_effects(connection, job_file)
    table, statements = await read_leaf(connection, job_file, server.role, job.table)
    await _check_leaves(connection, job_file, server.role, table)
    await check_sync(connection, job_file, table)
    await accept_sources(connection, job_file)
    if first.mapper:
        await first.mapper.turn_to(statements)
    require_right(job_file, await read_support(connection, job, server))
    return server


async def _check_leaves(connection: Connection, job_file: JobFile, role: str, root: Table) -> None:
    """Raise JobError at what the job's table alone did not show: a leaf that cannot be filled, or not like this."""
    leaves = await read_leaves(connection, job_file, role)
    for place, leaf in enumerate(leaves):
        if not (leaf.differs or place == 0):
            continue
        table = root
        if leaf.name != root.name:
            table = await catalog_table.read_table(connection, job_file, role, leaf.name)
        if place == 0:
            await check_own_rows(connection, job_file, table, frozenset(str(other.name) for other in leaves))
        if leaf.differs:
            await prepare(connection, job_file, table)
