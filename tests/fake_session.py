"""Sessions on a database in memory: of a job, of a leaf that is open, of a lane.

What is promised here is checked by `tests.session_contract`, as on the real ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from backfill.engine.ports import GiveWay
from backfill.events.event import Event
from backfill.events.job import Finished
from backfill.events.sync import SyncTriggerMade, SyncTriggerRemoved
from backfill.table.batch import (
    OpenedLeaf,
    RejectedRow,
    Verification,
)
from backfill.table.checkpoint import Checkpoint, Layout, Tid, begin, begin_pass, restart
from backfill.table.leaves import JobStart, Leaf, Totals
from backfill.table.window_layout import TableTraits
from backfill.throttle.conditions.cancellation import refuse_cancelled
from backfill.throttle.wait_reason import WaitKind, WaitReason
from backfill.values.errors import (
    LeafDropped,
    NeverStarted,
    ProofInterrupted,
    StatementRefused,
)
from tests.fake_lane_session import FakeConnection, FakeLaneSession, FakeStatusSession

if TYPE_CHECKING:
    from tests.fake_database import FakeDatabase


class FakeJobSession(FakeStatusSession):
    """The session that holds the job's lock."""

    async def try_lock(self) -> str | None:
        self._enter("try_lock")
        return self.database.holder or self._try("job")

    async def begin(self, *, again: bool = False) -> JobStart:
        self._enter("begin")
        data = self.database
        known, data.known = data.known, True
        if again and not known:
            data.known = False
            raise NeverStarted("the job was never started in this database")
        if not data.ended:
            refuse_cancelled("users-handle", data.request)
        if data.ended and not again:
            data.proof = None
            for one in data.shelf.values():
                one.proof = None
        data.ended = False
        checkpoints = (
            *data.checkpoints,
            *(checkpoint for one in data.shelf.values() for checkpoint in one.checkpoints),
        )
        return JobStart(
            replicas_seen=data.replicas_seen,
            done=Totals().plus(checkpoints),
            rows_rejected=len(data.rejected),
            is_new=not known,
        )

    async def install_sync_trigger(
        self, record: Callable[[Event], None], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._enter("install_sync_trigger")
        await sleep(0)
        if not self.database.has_sync_trigger:
            self.database.has_sync_trigger = True
            record(SyncTriggerMade(job="users-handle", table="public.users", trigger="zzz", conditional=True))

    async def remove_sync_trigger(
        self, record: Callable[[Event], None], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._enter("remove_sync_trigger")
        await sleep(0)
        if self.database.has_sync_trigger:
            self.database.has_sync_trigger = False
            record(SyncTriggerRemoved("users-handle", "zzz"))

    async def leaves(self) -> tuple[Leaf, ...]:
        self._enter("leaves")
        return self.database.leaves()

    async def try_leaf(self, leaf: str) -> str | None:
        self._enter("try_leaf")
        one = self.database.shelf.get(leaf)
        return (one and one.holder) or self._try(leaf)

    async def release_leaf(self, leaf: str) -> None:
        self._enter("release_leaf")
        self.database.locks.pop(leaf, None)

    def _try(self, lock: str) -> str | None:
        holder = self.database.locks.get(lock, self.connection)
        if holder is not self.connection and not holder.lost:
            return "another session"
        self.database.locks[lock] = self.connection
        return None

    @asynccontextmanager
    async def open_leaf(self, leaf: str) -> AsyncIterator[FakeLeafSession]:
        yield FakeLeafSession(self.database, self.connection, self._open(leaf))

    def _open(self, leaf: str) -> OpenedLeaf:
        self._enter("open_leaf")
        data, why = self.database, None
        if leaf != data.leaf and leaf not in data.shelf:
            raise LeafDropped(f"table '{leaf}' was dropped or renamed")
        data.turn(leaf)
        data.proof = None
        self.database.foreseeing = True
        resumed, pages = bool(data.checkpoints), len(data.pages)
        checkpoints = data.checkpoints or tuple(
            begin(pages, Layout(), leaf=leaf, lane=lane, lanes=data.lanes) for lane in range(data.lanes)
        )
        if data.filenode != data.scanned_filenode:
            checkpoints, why = (
                tuple(restart(checkpoint, pages, Layout()) for checkpoint in checkpoints),
                "the table was rewritten",
            )
            data.scanned_filenode = data.filenode
            data.rejected = {place: row for place, row in data.rejected.items() if place[0] != leaf}
        data.checkpoints = tuple(replace(checkpoint, epoch=checkpoint.epoch + 1) for checkpoint in checkpoints)
        rows = sum(len(page) for page in data.pages)
        return OpenedLeaf(
            checkpoints=data.checkpoints,
            pages=pages,
            rows_estimated=rows,
            traits=TableTraits(),
            resumed=resumed,
            rewritten=why,
        )

    async def withdraw(self, start: JobStart) -> None:
        self._enter("withdraw")
        self.database.checkpoints, self.database.withdrawn, self.database.known = (), True, False

    async def save_end(self, finished: Finished) -> None:
        self._enter("save_end")
        self.database.ends.append(finished)
        self.database.ended = finished.state in ("done", "unconverged")


class FakeLeafSession(FakeStatusSession):
    """A leaf that is open."""

    def __init__(self, database: FakeDatabase, connection: FakeConnection, opened: OpenedLeaf) -> None:
        super().__init__(database, connection)
        self.opened = opened

    async def lanes(self, count: int) -> tuple[FakeLaneSession, ...]:
        self._enter("lanes")
        others = (FakeConnection() for _ in range(count - 1))
        return tuple(FakeLaneSession(self.database, connection) for connection in (self.connection, *others))

    async def reopen(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[tuple[Checkpoint, ...], str]:
        self._enter("reopen")
        data = self.database
        if data.gone:
            raise LeafDropped(f"table '{data.leaf}' was detached from 'public.users'")
        data.checkpoints = tuple(restart(checkpoint, len(data.pages), Layout()) for checkpoint in checkpoints)
        data.scanned_filenode = data.filenode
        data.rejected = {place: row for place, row in data.rejected.items() if place[0] != data.leaf}
        return data.checkpoints, "the table was rewritten"

    async def new_pass(self, checkpoints: tuple[Checkpoint, ...]) -> tuple[Checkpoint, ...]:
        self._enter("new_pass")
        return tuple(
            self._move(checkpoint, begin_pass(checkpoint, len(self.database.pages))) for checkpoint in checkpoints
        )

    async def verify(self, pass_number: int, give_way: GiveWay | None = None) -> Verification:
        self._enter("verify")
        data = self.database
        if data.request is not None and data.request.stands:
            raise ProofInterrupted("a person has paused or cancelled the job")
        for waiter in data.waiters:
            assert give_way is not None
            await give_way(
                WaitReason(WaitKind.BLOCKED, f"sessions behind the proof 1 > 0: {waiter}") if waiter else None
            )
        for row in data.set_aside():
            slot = data.pages[row.tid.page][row.tid.offset - 1]
            if row.pass_number < pass_number or slot is None or not data.where(slot):
                del data.rejected[data.leaf, row.key]
        aside = data.set_aside()
        keys = {row.key for row in aside}
        left = data.rows_left()
        others = [row for row in left if str(row["id"]) not in keys]
        stuck = sum(1 for row in others if data.where(data.assign(row))) if data.foreseen and data.foreseeing else None
        samples = tuple(str(row["id"]) for row in others[:5])
        told = tuple(row.summary for row in aside[:5])
        return Verification(
            rows_left=len(left),
            rows_unconverged=stuck,
            samples=samples,
            took_s=0.0,
            rows_rejected=len(aside),
            rejected=told,
        )

    async def save_proof(self, proof: Verification) -> None:
        self._enter("save_proof")
        self.database.proof = proof

    def disable_prediction(self) -> bool:
        return self.database.disable_prediction()

    async def read_rejected(self) -> tuple[RejectedRow, ...]:
        self._enter("read_rejected")
        return self.database.set_aside()

    async def find_rejected(self, row: RejectedRow) -> Tid | None:
        self._enter("find_rejected")
        data = self.database
        for page, slots in enumerate(data.pages):
            for index, one in enumerate(slots):
                if one is not None and str(one["id"]) == row.key and data.where(one):
                    return Tid(page, index + 1)
        return None

    async def forget_rejected(self, checkpoint: Checkpoint, row: RejectedRow) -> None:
        self._enter("forget_rejected")
        del self.database.rejected[self.database.leaf, row.key]

    async def keep_rejected(self, checkpoint: Checkpoint, row: RejectedRow, error: StatementRefused) -> None:
        self._enter("keep_rejected")
        self.database.rejected[self.database.leaf, row.key] = row
