"""A leaf that is open: its checkpoints, its passes, its proof, its rejected rows, and the lanes that fill it."""

from __future__ import annotations

from contextlib import suppress

from backfill.jobfile.load import JobFile
from backfill.postgres.catalog import table as catalog_table
from backfill.postgres.catalog.check_expressions import prepare
from backfill.postgres.catalog.leaves import check_leaf
from backfill.postgres.catalog.table_traits import traits_of
from backfill.postgres.session.connection import Connection
from backfill.postgres.session.server import ServerFacts
from backfill.postgres.state import checkpoint as stored
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work import rejected
from backfill.postgres.work.job_connection import JobConnections, PgStatusSession, SharedJob
from backfill.postgres.work.lane_session import LeafTable, PgLaneSession, own_xids
from backfill.postgres.work.polite_proof import GiveWay, PoliteProof, stand_still
from backfill.table.batch import OpenedLeaf, RejectedRow, Verification
from backfill.table.checkpoint import Checkpoint, Layout, Tid, begin_lanes, begin_pass, restart
from backfill.table.definition import Table, difference
from backfill.values.errors import Halted, JobError, StatementRefused, TableRewritten
from backfill.values.identifier import TableName


class PgLeafSession(PgStatusSession):
    """The session of one leaf. Made by `open_leaf`; only the lock's holder may make one."""

    def __init__(
        self,
        connections: JobConnections,
        shared: SharedJob,
        server: ServerFacts,
        leaf_table: LeafTable,
        opened: OpenedLeaf,
    ) -> None:
        super().__init__(connections.first, shared)
        self.opened = opened
        self.verifying = False
        self._connections = connections
        self._server = server
        self._leaf_table = leaf_table
        self._epoch = opened.checkpoints[0].epoch

    async def lanes(self, count: int) -> tuple[PgLaneSession, ...]:
        """Return the sessions of the first lanes; lane 0 is on the connection that holds the job's locks."""
        connections = await self._connections.at_least(count)
        return tuple(PgLaneSession(connection, self._shared, self._leaf_table) for connection in connections)

    async def reopen(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[tuple[Checkpoint, ...], str]:
        """Read the table again and start the pass again on it."""
        before = self._table.identity
        await self._read_again()
        why = difference(before, self._table.identity) or "the table's file changed"
        fresh = tuple(restart(checkpoint, self._table.pages, Layout()) for checkpoint in checkpoints)
        return await stored.create(self.connection, self.job.name, self._table, fresh), why

    async def new_pass(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        """Return the next pass, to the table's present end."""
        await self._read_again()
        begun = tuple(begin_pass(checkpoint, self._table.pages) for checkpoint in checkpoints)
        return await stored.move(self.connection, self.job.name, begun)

    def disable_prediction(self) -> bool:
        """Stop asking of a row what the UPDATE would make of it, in any lane; return whether that was asked."""
        return self._leaf_table.disable_prediction()

    async def verify(self, pass_number: int, give_way: GiveWay = stand_still) -> Verification:
        """Read the whole leaf after a pass, and give way to sessions that wait for its lock."""
        self.verifying = True
        try:
            while True:
                statements, epoch = self._leaf_table.statements, self._epoch
                kept = await rejected.prune(self.connection, statements, self.job.name, self._leaf, epoch, pass_number)
                with suppress(TableRewritten):  # what was counted in its old file is void
                    return await self._proof(give_way).read(kept)
                await self._read_again()
        finally:
            self.verifying = False

    def _proof(self, give_way: GiveWay) -> PoliteProof:
        return PoliteProof(
            connection=self.connection,
            dsn=self._connections.dsn,
            job=self.job,
            table=self._table,
            statements=self._leaf_table.statements,
            compression=self._own.compression,
            xids=self._leaf_table.xids,
            give_way=give_way,
        )

    async def save_proof(self, proof: Verification) -> None:
        """Save how the leaf ended, so that no other worker fills it again."""
        await stored.save_proof(self.connection, self.job.name, self._leaf, self._epoch, proof)

    async def read_rejected(self) -> tuple[RejectedRow, ...]:
        """Return the rejected rows of the leaf."""
        return await rejected.read_rejected(self.connection, self.job.name, self._leaf)

    async def find_rejected(self, row: RejectedRow) -> Tid | None:
        """Return where a rejected row is now; None if it is gone or no longer matches `where`."""
        return await rejected.find(self.connection, self._leaf_table.statements, row)

    async def forget_rejected(self, checkpoint: Checkpoint, row: RejectedRow) -> None:
        """Remove the row from backfill.rejected."""
        await rejected.delete(self.connection, self.job.name, checkpoint, row)

    async def keep_rejected(self, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused) -> None:
        """Keep a row that was refused again, with the message of this time."""
        await rejected.save_again(self.connection, self.job, checkpoint, row, error)

    async def _read_again(self) -> None:
        job_file, leaf = self._connections.job_file, TableName.parse(self._leaf)
        self._leaf_table.turn_to(*await read_leaf(self.connection, job_file, self._server.role, leaf))

    @property
    def _leaf(self) -> str:
        return self.opened.checkpoints[0].leaf

    @property
    def _table(self) -> Table:
        return self._leaf_table.table


async def open_leaf(connections: JobConnections, shared: SharedJob, server: ServerFacts, leaf: str) -> PgLeafSession:
    """Claim the checkpoints of a leaf, or write the first ones."""
    connection, job, lanes = connections.first.connection, shared.job.name, shared.job.lanes
    table, statements = await read_leaf(connection, connections.job_file, server.role, TableName.parse(leaf))
    claimed = await stored.claim(connection, job, leaf)
    checkpoints, why = tuple(lane.checkpoint for lane in claimed), None
    if claimed:
        why = difference(claimed[0].identity, table.identity)
        if why is None and (len(claimed), claimed[0].checkpoint.lanes) != (lanes, lanes):
            why = f"it was begun with lanes: {claimed[0].checkpoint.lanes}"
        if why is None and not all(checkpoint.possible for checkpoint in checkpoints):
            why = "its checkpoint was changed by hand to a position that cannot be"
    if not claimed or why is not None:
        last = await stored.read_sequence(connection, job)
        before = checkpoints or (Checkpoint(end_page=table.pages, leaf=leaf, sequence=last),)
        checkpoints = await stored.create(connection, job, table, begin_lanes(table.pages, lanes, before))
    opened = OpenedLeaf(
        checkpoints=checkpoints,
        pages=table.pages,
        rows_estimated=table.rows_estimated,
        traits=traits_of(shared.job, table, server),
        resumed=bool(claimed),
        rewritten=why,
    )
    return PgLeafSession(connections, shared, server, LeafTable(table, statements, own_xids(checkpoints)), opened)


async def read_leaf(connection: Connection, job_file: JobFile, role: str, leaf: TableName) -> tuple[Table, Statements]:
    """Read a leaf and check the job on it. What is wrong with one that came later is not the job file's fault."""
    root = job_file.job.table
    if leaf == root:
        table = await catalog_table.read_table(connection, job_file, role, None)
        return table, await prepare(connection, job_file, table)
    await check_leaf(connection, root, leaf)
    try:
        table = await catalog_table.read_table(connection, job_file, role, leaf)
        return table, await prepare(connection, job_file, table)
    except JobError as error:
        await check_leaf(connection, root, leaf)
        raise Halted(str(error)) from None
