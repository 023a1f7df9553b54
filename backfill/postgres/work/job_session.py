"""A job on its sessions: the one that holds its locks, which is lane 0, and one more for each lane beside it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Self

from backfill.events.job import Finished
from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import table as catalog_table
from backfill.postgres.catalog.check_expressions import accept_sources, prepare
from backfill.postgres.catalog.leaves import check_leaf, read_leaves
from backfill.postgres.catalog.table_traits import traits_of
from backfill.postgres.catalog.update_effects import check_effects, check_own_rows
from backfill.postgres.mapping.row_mapper import RowMapper
from backfill.postgres.monitor.pollers import Pollers
from backfill.postgres.session.connection import connect, worker_name
from backfill.postgres.session.server import ServerFacts, check_server, read_server
from backfill.postgres.state import checkpoint as stored
from backfill.postgres.state import job as job_state
from backfill.postgres.state import locks
from backfill.postgres.state import schema as state_schema
from backfill.postgres.work import rejected
from backfill.postgres.work.compression import read_support, require_right
from backfill.postgres.work.lane_session import PgLaneSession
from backfill.postgres.work.polite_proof import GiveWay, PoliteProof, stand_still
from backfill.postgres.work.signal_reader import SignalReader
from backfill.postgres.work.vacuum import Vacuum
from backfill.table.batch import OpenedLeaf, RejectedRow, Verification
from backfill.table.checkpoint import Checkpoint, Layout, Tid, begin_pass, restart
from backfill.table.definition import difference
from backfill.table.leaves import JobStart, Leaf
from backfill.values.errors import Halted, JobError, StatementRefused, TableRewritten
from backfill.values.identifier import TableName


class PgJobSession(PgLaneSession):
    """All sessions of one job. Use as an async context manager: it opens, checks, and at the end closes."""

    def __init__(self, dsn: str, job_file: JobFile, *, restart: bool = False) -> None:
        self.job_file = job_file
        self.job = job_file.job
        self.restart = restart
        self._dsn = dsn
        self._server: ServerFacts
        self._pollers: Pollers
        self._others: tuple[PgLaneSession, ...] = ()
        self._verifying = False
        self._schema_is_new = False
        self._leaf = self.job.table
        self._epoch = 0
        self._foreseeing = True
        self._mapper = RowMapper(job_file) if job_file.job.python else None

    async def __aenter__(self) -> Self:
        """Connect and look: raises before anything is written where the server, the table or the job is wrong."""
        self.connection = await connect(self._dsn, application_name=worker_name(self.job.name), job=self.job)
        try:
            self._server = await read_server(self.connection)
            check_server(self._server)
            await check_effects(self.connection, self.job_file)
            await self._read_leaf()
            await self._check_leaves()
            await accept_sources(self.connection, self.job_file)
            if self._mapper:
                await self._mapper.turn_to(self._statements)
            require_right(self.job_file, await read_support(self.connection, self.job, self._server))
            self._schema_is_new = await state_schema.ensure_state(self.connection)
        except BaseException:
            await self.close()
            raise
        self._pollers = Pollers(self._dsn, self.job)
        self._pollers.open()
        vacuum = Vacuum(self._dsn, self.job.name)
        self._observer = SignalReader(self.job, self._pollers, vacuum, aurora=self._server.aurora)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the sessions, and with them our locks."""
        await self._observer.vacuum.close()
        await self._pollers.close()
        for one in (*self._others, self):
            await one.close()

    async def interrupt(self) -> None:
        """Cancel the verification read if it runs now; a batch is left to end."""
        if self._verifying:
            await self.cancel()

    async def cancel_all(self) -> None:
        """Cancel the statement that runs now in each session; its transaction is rolled back."""
        for one in (self, *self._others):
            await one.cancel()

    async def try_lock(self) -> str | None:
        """Take the job's and the table's lock; return who holds one of them instead."""
        return await locks.try_lock(self.connection, self.job.name, str(self.job.table))

    async def begin(self, *, again: bool = False) -> JobStart:
        """Mark the job as running; return what earlier workers knew and did."""
        worker = worker_name(self.job.name)
        begun = await job_state.begin_job(self.connection, self.job, worker=worker, restart=self.restart, again=again)
        self.restart = False
        support = await read_support(self.connection, self.job, self._server)
        return replace(begun, compression=support, schema_is_new=self._schema_is_new)

    async def withdraw(self, start: JobStart) -> None:
        """Leave nothing of a job that this run began and that changed no row."""
        await state_schema.withdraw_job(self.connection, self.job.name, with_schema=start.schema_is_new)

    async def leaves(self) -> tuple[Leaf, ...]:
        """Return the tables to fill. One that cannot be filled, and came after the job was checked, halts it."""
        try:
            listed = await read_leaves(self.connection, self.job_file, self._server.role)
        except JobError as error:
            raise Halted(str(error)) from None
        proofs = await stored.read_proofs(self.connection, self.job.name)
        await job_state.save_leaves(self.connection, self.job.name, len(listed), sum(one.pages for one in listed))
        await rejected.delete_of_other_leaves(self.connection, self.job.name, [str(one.name) for one in listed])
        return tuple(Leaf(str(one.name), one.pages, one.rows_estimated, proofs.get(one.identity)) for one in listed)

    async def try_leaf(self, leaf: str) -> str | None:
        """Take the lock of a leaf; return who holds it instead."""
        return await locks.try_leaf_lock(self.connection, leaf)

    async def open(self, leaf: str) -> OpenedLeaf:
        """Claim the checkpoints of a leaf, or write the first ones. Only the lock's holder may call it."""
        self._leaf, self._foreseeing = TableName.parse(leaf), True
        await self._read_leaf()  # the wait for the lock may have been long
        connection, table, lanes = self.connection, self._table, self.job.lanes
        claimed = await stored.claim(connection, self.job.name, leaf)
        checkpoints, why = tuple(one.checkpoint for one in claimed), None
        if claimed:
            why = difference(claimed[0].identity, table.identity)
            if why is None and (len(claimed), claimed[0].checkpoint.lanes) != (lanes, lanes):
                why = f"it was begun with lanes: {claimed[0].checkpoint.lanes}"
            if why is None and not all(checkpoint.possible for checkpoint in checkpoints):
                why = "its checkpoint was changed by hand to a place that cannot be"
        if not claimed or why is not None:
            last = await stored.read_sequence(connection, self.job.name)
            fresh = _fresh(table.pages, lanes, checkpoints or (Checkpoint(table.pages, leaf=leaf, sequence=last),))
            checkpoints = await stored.create(connection, self.job.name, table, fresh)
        self._epoch = checkpoints[0].epoch
        return OpenedLeaf(
            checkpoints=checkpoints,
            pages=table.pages,
            rows_estimated=table.rows_estimated,
            traits=traits_of(self.job, self._table, self._server),
            resumed=bool(claimed),
            rewritten=why,
        )

    async def close_leaf(self, leaf: str, proof: Verification | None) -> None:
        """Keep how the leaf that is open ended, if it is done, and give its lock back."""
        if proof is not None:
            await stored.save_proof(self.connection, self.job.name, leaf, self._epoch, proof)
        if leaf != str(self.job.table):
            await locks.release(self.connection, leaf)

    async def sessions(self, count: int) -> tuple[PgLaneSession, ...]:
        """Return so many sessions on the leaf that is open, this one first."""
        while len(self._others) < count - 1:
            name = worker_name(self.job.name)
            connection = await connect(self._dsn, application_name=name, job=self.job)
            mapper = RowMapper(self.job_file) if self.job.python else None
            lane = PgLaneSession(connection, self.job_file, self._observer, self._table, self._statements, mapper)
            lane.job = self.job  # under limits that were tuned since
            self._others = (*self._others, lane)
        return (self, *self._others[: count - 1])

    async def reopen(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[tuple[Checkpoint, ...], str]:
        """Look at the table again and start the pass again on it."""
        before = self._table.identity
        await self._read_leaf()
        why = difference(before, self._table.identity) or "the table's file changed"
        fresh = tuple(restart(checkpoint, self._table.pages, Layout()) for checkpoint in checkpoints)
        return await stored.create(self.connection, self.job.name, self._table, fresh), why

    async def new_pass(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        """Return the next pass, to the table's present end."""
        await self._read_leaf()
        begun = tuple(begin_pass(checkpoint, self._table.pages) for checkpoint in checkpoints)
        return await stored.move(self.connection, self.job.name, begun)

    async def apply_limits(self, job: Job) -> None:
        """Keep other limits in every session."""
        for one in self._others:
            one.job = job
        await super().apply_limits(job)

    async def save_end(self, finished: Finished) -> None:
        """Write how this run ended."""
        await job_state.save_end(self.connection, finished)
        await job_state.save_event(self.connection, self.job.name, finished.state, finished.why)

    async def verify(self, pass_number: int, give_way: GiveWay = stand_still) -> Verification:
        """Read the whole leaf behind a pass, and give way to sessions that wait for its lock."""
        self._verifying = True
        try:
            while True:
                job, leaf = self.job.name, str(self._leaf)
                kept = await rejected.prune(self.connection, self._statements, job, leaf, self._epoch, pass_number)
                with suppress(TableRewritten):  # what was counted in its old file is void
                    return await self._proof(give_way).read(kept)
                await self._read_leaf()
        finally:
            self._verifying = False

    def _proof(self, give_way: GiveWay) -> PoliteProof:
        return PoliteProof(
            connection=self.connection,
            dsn=self._dsn,
            job=self.job,
            table=self._table,
            statements=self._statements,
            compression=self._compression,
            give_way=give_way,
        )

    async def read_rejected(self) -> tuple[RejectedRow, ...]:
        """Return the rows of the leaf that are set aside."""
        return await rejected.read_rejected(self.connection, self.job.name, str(self._leaf))

    async def find_rejected(self, row: RejectedRow) -> Tid | None:
        """Return where a row of the leaf is now that was set aside; None where it is gone or matches no more."""
        return await rejected.find(self.connection, self._statements, row)

    async def forget_rejected(self, checkpoint: Checkpoint, row: RejectedRow) -> None:
        """Set a row of the leaf aside no more."""
        await rejected.delete(self.connection, self.job.name, checkpoint, row)

    async def keep_rejected(self, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused) -> None:
        """Keep a row that was refused again, with what was said this time."""
        await rejected.save_again(self.connection, self.job, checkpoint, row, error)

    def disable_prediction(self) -> bool:
        """Ask no more of any row of the leaf what the UPDATE would make of it; return whether that was asked."""
        asked, self._foreseeing = self._foreseeing and self._statements.unforeseen is not None, False
        for one in self._others:
            one.disable_prediction()
        return super().disable_prediction() or asked

    async def _read_leaf(self) -> None:
        """Read the leaf that is at work. What is wrong with one that came later is not the job file's fault."""
        connection, root = self.connection, self.job.table
        leaf = None if self._leaf == root else self._leaf
        if leaf is not None:
            await check_leaf(connection, root, leaf)
        try:
            table = await catalog_table.read_table(connection, self.job_file, self._server.role, leaf)
            statements = await prepare(connection, self.job_file, table)
        except JobError as error:
            if leaf is None:
                raise
            await check_leaf(connection, root, leaf)
            raise Halted(str(error)) from None
        if not self._foreseeing:
            statements = statements.unforeseen or statements
        for one in (self, *self._others):
            one.turn_to(table, statements)

    async def _check_leaves(self) -> None:
        """Raise JobError at what the job's table alone did not show: a leaf that cannot be filled, or not like this."""
        leaves = await read_leaves(self.connection, self.job_file, self._server.role)
        for place, leaf in enumerate(leaves):
            if not (leaf.differs or place == 0):
                continue
            table = await catalog_table.read_table(self.connection, self.job_file, self._server.role, leaf.name)
            if place == 0:
                tree = frozenset(str(one.name) for one in leaves)
                await check_own_rows(self.connection, self.job_file, table, tree)
            if leaf.differs:
                await prepare(self.connection, self.job_file, table)


def _fresh(pages: int, lanes: int, before: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
    """Return places at the start of the table, with the fence of those before and what their lanes have done."""
    none = Checkpoint(end_page=pages, leaf=before[0].leaf, sequence=before[0].sequence)
    kept = [before[lane] if lane < len(before) else none for lane in range(lanes)]
    for gone in before[lanes:]:
        kept[0] = replace(
            kept[0],
            rows_total=kept[0].rows_total + gone.rows_total,
            rows_unconverged=kept[0].rows_unconverged + gone.rows_unconverged,
            wal_bytes=kept[0].wal_bytes + gone.wal_bytes,
        )
    epoch = max(checkpoint.epoch for checkpoint in kept)
    placed = (replace(checkpoint, lane=lane, lanes=lanes, epoch=epoch) for lane, checkpoint in enumerate(kept))
    return tuple(restart(checkpoint, pages, Layout()) for checkpoint in placed)
