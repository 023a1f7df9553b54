"""`backfill finish`: after the proof of a job, its columns become NOT NULL and its indexes are built.

The trigger of `sync: trigger` goes last. It holds the job's locks, so no worker of the job runs meanwhile. A list of
operations, forward only: each looks in the catalog how far it is, so a kill at any instant is followed by the same end.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from backfill.jobfile.finish import Finish
from backfill.jobfile.load import JobFile
from backfill.postgres.change import finish_check as check
from backfill.postgres.change.ddl_session import DdlSession
from backfill.postgres.change.finish_state import SYNC_TRIGGER, StoredFinish, read_finish
from backfill.postgres.change.index import DuplicatesFound, IndexOperation
from backfill.postgres.change.not_null import NotNullOperation, NullsFound
from backfill.postgres.change.polite_lock import Report, Sleep
from backfill.postgres.change.row_checks import read_duplicates, read_nulls
from backfill.postgres.change.sync_trigger import remove_sync_trigger
from backfill.postgres.change.table_tree import TreeTable, read_tree
from backfill.postgres.monitor.side_connection import side_connection
from backfill.postgres.session.connection import connect, worker_name
from backfill.postgres.session.server import check_server, read_server
from backfill.postgres.state.job import save_event
from backfill.postgres.state.locks import try_lock
from backfill.postgres.state.schema import has_state
from backfill.values.errors import Halted, JobError, LockHeld

Operation = NotNullOperation | IndexOperation
LOCK_TRIES = 20
LOCK_EVERY_S = 0.5
"""The session of a `finish` that was killed is gone after a few seconds."""


@dataclass(frozen=True, slots=True)
class FinishRun:
    """One `finish` of a job on one session."""

    job_file: JobFile
    session: DdlSession

    async def run(self) -> tuple[str, ...]:
        """Do what is left to do; return it in words, nothing if all was done before."""
        job, connection = self.job_file.job, self.session.connection
        if job.sync == "none" and (job.finish is None or not (job.finish.not_null or job.finish.indexes)):
            raise JobError(
                f"{self.job_file.at()}: the job file has no 'finish', so there is nothing to do;"
                " add one such as finish: {not_null: [handle]}"
            )
        # That it may not see replication is no reason to stop: nothing here is throttled.
        check_server(replace(await read_server(connection), visible=True))
        await check.check_rights(connection)
        known = await has_state(connection)
        await self._lock()
        stored = await read_finish(connection, job.name) if known else None
        check.check_proven(self.job_file, stored)
        assert stored is not None, "a job that is proven has run"
        tree = await read_tree(connection, job.table)
        await check.check_table(connection, self.job_file, tree)
        await check.check_proofs(connection, self.job_file, tree)
        await check.check_sync_trigger(connection, self.job_file)
        return await self._run(stored, tree)

    async def _run(self, stored: StoredFinish, tree: tuple[TreeTable, ...]) -> tuple[str, ...]:
        """Look how far each operation is, then whether the rows allow what is left, then do it."""
        finish = self.job_file.job.finish or Finish()
        columns = [NotNullOperation(self.session, self.job_file.job.table, column) for column in finish.not_null]
        indexes = [IndexOperation(self.session, self.job_file.job.table, index) for index in finish.indexes]
        begun: list[Operation] = []
        operations: tuple[Operation, ...] = (*columns, *indexes)
        for operation in operations:
            record = stored.steps.get(operation.step)
            operation.made = record is not None and record.what == operation.what
            begun += [operation] if record is not None and record.done_at is None else []
        left = [column for column in columns if await check.check_not_null(column, self.job_file, tree)]
        unbuilt = [index for place, index in enumerate(indexes) if await check.check_index(index, self.job_file, place)]
        await check.check_rows(
            self.session.connection,
            self.job_file,
            tree,
            [operation.column for operation in left if not operation.made],
            [operation.wanted for operation in unbuilt],
            self.session.sleep,
        )
        for operation in begun:
            if operation not in left and operation not in unbuilt:  # killed between the end and its record
                await self._done(operation)
        for column in left:
            await self._not_null(column, tree)
        for index in unbuilt:
            await self._index(index)
        # A partition may have been attached meanwhile, and its rows are nobody's when the trigger is gone.
        tree = await read_tree(self.session.connection, self.job_file.job.table)
        await check.check_proofs(self.session.connection, self.job_file, tree)
        steps = (*(column.step for column in left), *(index.step for index in unbuilt))
        return (*steps, *await self._remove_sync_trigger())

    async def _lock(self) -> None:
        """Take the job's locks, so that no worker runs; wait for a session that is about to end."""
        job, holder = self.job_file.job, None
        for _ in range(LOCK_TRIES):
            holder = await try_lock(self.session.connection, job.name, str(job.table))
            if holder is None:
                return
            await self.session.sleep(LOCK_EVERY_S)
        raise LockHeld(f"job {job.name!r} is locked by {holder}; wait for it to end, then run finish again")

    async def _not_null(self, operation: NotNullOperation, tree: tuple[TreeTable, ...]) -> None:
        try:
            await operation.start()
        except NullsFound:
            for count in await read_nulls(self.session.connection, tree, [operation.column], self.session.sleep):
                raise check.nulls(count, self.job_file) from None
            raise Halted(f"{operation.what}: a row was NULL for a moment; run finish again") from None
        await self._done(operation)

    async def _index(self, operation: IndexOperation) -> None:
        try:
            await operation.start()
        except DuplicatesFound as error:
            table = self.job_file.job.table
            found = await read_duplicates(self.session.connection, table, operation.wanted)
            raise check.duplicates(operation.wanted, found or (str(error),)) from None
        await self._done(operation)

    async def _remove_sync_trigger(self) -> tuple[str, ...]:
        """Remove the trigger of `sync: trigger`, the last of all: until then no NULL can come in."""
        session, job = self.session, self.job_file.job.name
        there = await remove_sync_trigger(
            session.connection, job, side=session.side, report=session.report, sleep=session.sleep
        )
        if not there:
            return ()
        await session.record(SYNC_TRIGGER, "no trigger", done=True)
        return (SYNC_TRIGGER,)

    async def _done(self, operation: Operation) -> None:
        await self.session.record(operation.step, operation.what, done=True)
        await save_event(self.session.connection, self.job_file.job.name, "finish", f"{operation.step}: done")


@asynccontextmanager
async def open_finish(dsn: str, job_file: JobFile, report: Report, sleep: Sleep) -> AsyncGenerator[FinishRun, None]:
    """Connect for one `finish`; the locks end with the connection."""
    job = job_file.job
    async with (
        side_connection(dsn) as side,
        await connect(dsn, application_name=worker_name(job.name)) as connection,
    ):
        session = DdlSession(connection=connection, side=side, job=job.name, report=report, sleep=sleep)
        yield FinishRun(job_file, session)
