"""A worker's sessions as one, for tests that go through a job by hand."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from backfill.jobfile.job import Job
from backfill.jobfile.load import JobFile
from backfill.postgres.session.connection import Connection
from backfill.postgres.work.job_connection import RestartOnce
from backfill.postgres.work.job_session import PgJobSession, open_job
from backfill.postgres.work.lane_session import LeafTable, PgLaneSession
from backfill.postgres.work.leaf_session import PgLeafSession, read_leaf
from backfill.table.batch import OpenedLeaf
from backfill.table.checkpoint import Checkpoint
from backfill.table.window_layout import TableTraits


class Worker:
    """The session of a job, of the leaf that is open last, and of its first lane: whatever one of them does, it does.

    Before a leaf is open they read the job's own table, of which no checkpoint is claimed.
    """

    def __init__(self, dsn: str, job_file: JobFile, *, restart: bool = False) -> None:
        self.job_file = job_file
        self.session: PgJobSession
        self.leaf: PgLeafSession
        self.lane: PgLaneSession
        self._opening = open_job(dsn, job_file, RestartOnce(wanted=restart))
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        session = self.session = await self._stack.enter_async_context(self._opening)
        table, statements = await read_leaf(self.connection, self.job_file, session._server.role, self.job.table)
        leaf_table, shared = LeafTable(table, statements), session._shared
        self.lane = PgLaneSession(session._own, shared, leaf_table)
        unclaimed = Checkpoint(end_page=table.pages, leaf=str(self.job.table))
        opened = OpenedLeaf(
            checkpoints=(unclaimed,),
            pages=table.pages,
            rows_estimated=table.rows_estimated,
            traits=TableTraits(),
            resumed=False,
            rewritten=None,
        )
        self.leaf = session._leaf = PgLeafSession(session._connections, shared, session._server, leaf_table, opened)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def connection(self) -> Connection:
        return self.session.connection

    @property
    def job(self) -> Job:
        return self.session.job

    async def open(self, leaf: str) -> OpenedLeaf:
        """Open a leaf; it stays open until the worker ends."""
        self.leaf = await self._stack.enter_async_context(self.session.open_leaf(leaf))
        [self.lane] = await self.leaf.lanes(1)
        return self.leaf.opened

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for session in (self.lane, self.leaf, self.session):
            if hasattr(session, name):
                return getattr(session, name)
        raise AttributeError(name)
