"""Vacuums of the table as it is filled: asks `core.vacuum`, lets the session act, tells what came of it."""

from __future__ import annotations

from contextlib import suppress

from backfill.core import vacuum
from backfill.core.batch import Filled
from backfill.core.events import VacuumDone, VacuumStarted, VacuumUnable
from backfill.core.job import Job
from backfill.core.pace import Pace
from backfill.core.reason import Reason
from backfill.core.signals import Signals, Vacuumed
from backfill.core.vacuum import Memory, Start, Stop
from backfill.errors import DatabaseError
from backfill.ports import LaneSession, Surroundings


class Vacuuming:
    """The vacuums of one run: their memory, and the telling."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._memory = Memory()
        self._unable_told = False

    def begin(self, job: Job) -> None:
        """Start anew on a session or another leaf: one that ran beside the last one is over with it."""
        if (began_s := self._memory.running_s) is not None:
            self._done(job, Vacuumed(self.around.now_s() - began_s, stopped="the session ended"))
        self._memory = Memory(rest_until_s=self._memory.rest_until_s, vain=self._memory.vain)

    def learn(self, filled: Filled, spare_share: float) -> None:
        """Learn from a batch how many row versions left room on their page that nothing else fills."""
        moved = round((filled.rows - filled.rows_hot) * spare_share)
        self._memory = vacuum.learn(
            self._memory,
            self.around.now_s(),
            moved=moved,
            took_s=filled.took_s,
            insert_lsn=filled.insert_lsn,
            wal_bytes=filled.wal_bytes,
        )

    async def tend(
        self, session: LaneSession, job: Job, pace: Pace, signals: Signals, *, trouble: Reason | None, edge: bool
    ) -> None:
        """Start a vacuum, end it or leave all as it is; `edge` is whether a window begins."""
        if job.vacuum == "off":
            return
        began_s = self._memory.running_s
        if signals.vacuumed is not None and began_s is not None and signals.at_s > began_s:  # not of the one before
            await self._end(session, job, signals.vacuumed)
        if signals.upkeep.vacuum_needs is not None and not self._unable_told:
            self._unable_told = True
            self.around.record(VacuumUnable(job.name, vacuum.unable(str(job.table), signals.upkeep.vacuum_needs)))
        calm = vacuum.calm_of(job.throttle, pace, signals, trouble, edge=edge)
        choice, self._memory = vacuum.decide(job.throttle, self._memory, signals.upkeep, calm, self.around.now_s())
        match choice:
            case Start(cost):
                await session.start_vacuum(cost)
                moved = self._memory.running_moved
                self.around.record(VacuumStarted(job.name, moved, cost.limit, cost.delay_ms))
            case Stop(reason):
                await self.rest(session, job, reason)
            case _:
                pass

    async def rest(self, session: LaneSession, job: Job, why: str) -> None:
        """End the one that runs, if any, and tell it."""
        if self._memory.running_s is not None and (ended := await session.stop_vacuum(why)) is not None:
            with suppress(DatabaseError):  # the session itself may be what ended
                await self._end(session, job, ended)

    async def _end(self, session: LaneSession, job: Job, ended: Vacuumed) -> None:
        if self._done(job, ended):
            await session.save_vacuum(vacuum.told(ended))

    def _done(self, job: Job, ended: Vacuumed) -> bool:
        """Learn and tell how the one that ran has ended; False where none ran."""
        if self._memory.running_s is None:
            return False
        self._memory = vacuum.end(self._memory, ended, self.around.now_s())
        done = VacuumDone(
            job=job.name,
            result=ended.result,
            why=ended.stopped or ended.failed or "",
            took_s=ended.took_s,
            removed=ended.removed,
            held=ended.held,
            wal_bytes=ended.wal_bytes,
        )
        self.around.record(done)
        return True
