"""The proof, which gives way: no session waits for its lock much longer than it takes to notice.

With a trigger that fills every write a row can only cease to match. Then the table is read in pieces, each under a
snapshot of its own, and the trigger is compared before and after (`docs/design/change.md`).

Without one it begins as one read of the whole table, which may be parallel or use an index. When a session is seen
waiting for its lock, the read is cancelled; when that session is done, the table is read in pieces, each in a
transaction of its own under one snapshot. Between two pieces the lock is free, so nobody waits for long, and nothing is
read twice. A whole read that takes too long is ended by the server, and pieces follow: a worker that is frozen sees
nobody waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import anyio

from backfill.change.sync_trigger import held
from backfill.jobfile.job import Job
from backfill.postgres.catalog.row_security import require_all_rows
from backfill.postgres.catalog.sync_state import read_sync_state
from backfill.postgres.monitor.lock_sessions import LockSession, is_running, read_owners, read_waiters
from backfill.postgres.monitor.side_connection import SideConnection
from backfill.postgres.session.connection import Connection, translated
from backfill.postgres.session.connection_limits import with_limit
from backfill.postgres.session.role_settings import take_our_settings, take_role_settings
from backfill.postgres.session.sql_files import statement
from backfill.postgres.statements.compose import Statements
from backfill.postgres.work import verify
from backfill.postgres.work.compression import compress, compressing
from backfill.postgres.work.shared_snapshot import SharedSnapshot, shared_snapshot
from backfill.retry.sqlstate import LOCK_NOT_AVAILABLE, timed_out
from backfill.table.batch import RejectedRow, Verification
from backfill.table.checkpoint import Tid
from backfill.table.definition import Table
from backfill.table.leaves import combined
from backfill.table.proof_pieces import PAGES_FIRST, PieceTime, fewer_pages, next_pages
from backfill.table.unconverged_xids import parameter
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import ConnectionLost, DatabaseError, StatementRefused, TableRewritten

WATCH_EVERY_S = 0.5
"""How long a session waits for the read of the whole table before it is seen, at most."""
WHOLE_MAX = 4.0
"""Times of statement_timeout that the read of the whole table may take."""
BLIND_MAX_S = 10.0
"""How long the read goes on while nobody can look who waits for it."""
CANCEL_MAX_S = 5.0

GiveWay = Callable[[WaitReason | None], Awaitable[None]]
"""Waits a moment for a reason; without one it only looks whether we were asked to stop."""


async def stand_still(reason: WaitReason | None) -> None:
    """Wait without telling anybody why."""
    await anyio.sleep(WATCH_EVERY_S if reason else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoliteProof:
    """What a proof needs: the session that reads, where others are opened, and the table."""

    connection: Connection
    dsn: str
    job: Job
    table: Table
    statements: Statements
    compression: str | None
    xids: tuple[int, ...]
    give_way: GiveWay

    async def read(self, rejected: tuple[RejectedRow, ...]) -> Verification:
        """Return what is left of the table. Raises TableRewritten when its file was replaced between two pieces."""
        side = SideConnection(self.dsn, standby=False)
        try:
            proof: Verification | LockSession | None = None
            if self.job.sync == "trigger":
                proof = await self._read_under_trigger(side, rejected)
            if proof is None:
                proof = await self._read_whole(side, rejected)
            if not isinstance(proof, Verification):
                if proof is not None:
                    await self._wait_for(side, proof, "sessions behind the proof 1 > 0")
                proof = await self._read_in_pieces(side, rejected)
            await require_all_rows(self.connection, self.table)
        except ConnectionLost as error:
            raise await with_limit(self.connection, error) from error
        finally:
            await side.close()
        return proof

    async def _read_under_trigger(self, side: SideConnection, rejected: tuple[RejectedRow, ...]) -> Verification | None:
        """Return that nothing is left; None if something is, or if the trigger was not there all the time."""
        before = await read_sync_state(self.connection, self.job.name, self.table.identity.oid)
        if before is None or not before.complete:
            return None
        # Rows written behind these pages are written under the trigger.
        filenode, pages = await verify.read_file(self.connection, self.table.identity.oid)
        proof = await self._read_pieces(side, rejected, filenode, pages, None)
        after = await read_sync_state(self.connection, self.job.name, self.table.identity.oid)
        return proof if proof.rows_left == 0 and held(before, after) else None

    async def _read_whole(
        self, side: SideConnection, rejected: tuple[RejectedRow, ...]
    ) -> Verification | LockSession | None:
        """Read the table at once; return instead who waited for that, or None if it took too long."""
        reading = asyncio.ensure_future(self._read_compressed(rejected))
        seen_s = time.monotonic()
        try:
            while not (await asyncio.wait([reading], timeout=WATCH_EVERY_S))[0]:
                waiters: tuple[LockSession, ...] = ()
                requested = False
                try:
                    waiters = await read_waiters(side, self.connection.server_pid)
                    requested = await verify.must_end(side, self.job)
                    seen_s = time.monotonic()
                except DatabaseError:
                    if time.monotonic() - seen_s > BLIND_MAX_S:
                        raise
                if requested and await self._cancelled(reading):
                    raise verify.interrupted()
                if waiters and await self._cancelled(reading):
                    return waiters[0]
            return await reading
        except StatementRefused as error:
            if timed_out(error.sqlstate, error.took_s, self._whole_max_s):
                return None
            raise
        finally:
            if not reading.done():
                reading.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait([reading], timeout=CANCEL_MAX_S)

    async def _read_compressed(self, rejected: tuple[RejectedRow, ...]) -> Verification:
        async with compressing(self.connection, self.compression):
            limit_s = self._whole_max_s
            return await verify.read_verification(
                self.connection, self.statements, rejected, limit_s=limit_s, xids=self.xids
            )

    @property
    def _whole_max_s(self) -> float:
        return WHOLE_MAX * self.job.statement_timeout_s

    async def _cancelled(self, reading: asyncio.Future[Verification]) -> bool:
        """Cancel the read; return whether that ended it, and not its own end or another failure."""
        while not reading.done():
            with suppress(DatabaseError), translated():
                await self.connection.cancel_safe(timeout=CANCEL_MAX_S)
            await asyncio.wait([reading], timeout=WATCH_EVERY_S)
        return isinstance(reading.exception(), StatementRefused)

    async def _wait_for(self, side: SideConnection, session: LockSession, why: str) -> None:
        """Wait until the transaction of a session is over: a read before that would wait for its lock."""
        running = True
        while running:
            await self.give_way(WaitReason(WaitKind.BLOCKED, f"{why}: {session}"))
            if await verify.must_end(side, self.job):
                raise verify.interrupted()
            running = await is_running(side, session)

    async def _read_in_pieces(self, side: SideConnection, rejected: tuple[RejectedRow, ...]) -> Verification:
        filenode, _ = await verify.read_file(self.connection, self.table.identity.oid)
        async with shared_snapshot(self.dsn, self.job, self.table.identity.oid) as snapshot:
            return await self._read_pieces(side, rejected, filenode, snapshot.pages, snapshot)

    async def _read_pieces(
        self,
        side: SideConnection,
        rejected: tuple[RejectedRow, ...],
        filenode: int | None,
        pages_all: int,
        snapshot: SharedSnapshot | None,
    ) -> Verification:
        """Count all pages in pieces, under one snapshot or each under its own."""
        found: Verification | None = None
        before: PieceTime | None = None
        page, pages, looked_s = 0, PAGES_FIRST, time.monotonic()
        while found is None or page < pages_all:
            await self.give_way(None)
            if time.monotonic() - looked_s >= WATCH_EVERY_S:
                looked_s = time.monotonic()
                if await verify.must_end(side, self.job):
                    raise verify.interrupted()
            if snapshot is not None:
                await snapshot.keep()
            end = min(page + pages, max(pages_all, 1))
            try:
                piece = await self._read_piece(snapshot, page, end, rejected, filenode)
            except StatementRefused as error:
                pages = await self._smaller(side, error, pages)
                continue
            found = combined((found, piece) if found else (piece,))
            last = PieceTime(end - page, piece.took_s)
            pages, before, page = next_pages(before, last, self.job.statement_timeout_s), last, end
        return replace(found, rows_unconverged=found.rows_unconverged if self.statements.counts_unconverged else None)

    async def _smaller(self, side: SideConnection, error: StatementRefused, pages: int) -> int:
        """Return the pages to try next after the server ended a piece; raises what another attempt does not help."""
        if error.sqlstate == LOCK_NOT_AVAILABLE:
            owners = await read_owners(side, self.table.identity.oid)
            for owner in owners[:1]:
                await self._wait_for(side, owner, f"{self.table.name} is locked")
            if not owners:
                await self.give_way(WaitReason(WaitKind.BLOCKED, f"{self.table.name} is locked: {error}"))
            return pages
        timeout = timed_out(error.sqlstate, error.took_s, self.job.statement_timeout_s)
        fewer = fewer_pages(pages) if timeout else None
        if fewer is None:
            raise error
        return fewer

    async def _read_piece(
        self,
        snapshot: SharedSnapshot | None,
        first: int,
        end: int,
        rejected: tuple[RejectedRow, ...],
        filenode: int | None,
    ) -> Verification:
        """Count a range of pages. To an older snapshot a rewritten table is empty: its file is compared under lock."""
        began_s, connection = time.monotonic(), self.connection
        parameters: dict[str, Any] = {"low": str(Tid(first)), "high": str(Tid(end))}
        parameters["xids"] = parameter(self.xids)
        parameters["rejected"] = [str(row.tid) for row in rejected]
        with translated(connection):
            async with connection.transaction(), connection.pipeline():
                if snapshot is None:
                    await connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                else:
                    await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    await connection.execute(snapshot.adopt)
                await compress(connection, self.compression)
                await take_role_settings(connection)
                counted = await connection.execute(self.statements.verify_piece, parameters)
                await take_our_settings(connection)
                file = await connection.execute(statement("work/read_filenode"), {"table_oid": self.table.identity.oid})
            row, now = await counted.fetchone(), await file.fetchone()
        assert row is not None, "an aggregate has one row"
        if now is None or now[0] is None or now[0] != filenode:
            raise TableRewritten(f"{self.table.name} was rewritten while it was verified")
        told = rejected if first == 0 else ()
        return verify.verification_of(row, self.statements, told, time.monotonic() - began_s)
